"""Base and students served to the harness."""
