"""Terminal output: table layout and the only access to standard output and standard error."""
