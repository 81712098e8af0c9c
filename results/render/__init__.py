"""Results rendered as tables, lines and JSON. Nothing here computes a number."""
