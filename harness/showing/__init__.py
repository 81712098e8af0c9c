"""What was found, as tables, JSON and pages. Nothing here computes a number."""
