"""Renderers of analysis results: text tables, lines, JSON data and charts. No module computes a number."""
