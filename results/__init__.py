"""Database of results, statistics and analysis, and their rendering."""
