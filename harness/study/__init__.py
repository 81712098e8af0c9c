"""A whole study: one file, a small graph of stages, and what runs it."""
