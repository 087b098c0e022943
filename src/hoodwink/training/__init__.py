"""Trains networks: a recipe says what, one short loop does it, a run folder keeps it."""
