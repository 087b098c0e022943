"""The ways in: one file each, with one function `load`."""
