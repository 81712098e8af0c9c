"""What is found in a database: comparisons, audits, juries, rankings, the paper's table."""
