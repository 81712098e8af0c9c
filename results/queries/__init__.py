"""Stored runs read back: contests, responses, checkpoints, audits, DataFrames."""
