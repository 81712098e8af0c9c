"""Stored contests as frozen results, computed by `results.statistics`."""
