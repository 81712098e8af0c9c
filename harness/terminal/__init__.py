"""What people see on a terminal: tables laid out for its width, and the one way to the standard streams."""
