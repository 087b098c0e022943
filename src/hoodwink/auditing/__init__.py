"""Audits: which attack is sent to which picture, what is written down on the way, and how far the answer can be trusted."""
