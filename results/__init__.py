"""What is remembered, what is computed from it, and how it is shown."""
