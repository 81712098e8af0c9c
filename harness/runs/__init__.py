"""Runs: calls asked and stored, from judging and generating to serving and benching."""
