"""Included studies: those of the paper, and `tiny`."""
