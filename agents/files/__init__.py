"""Strict readers of user files (text, CSV, JSON, TOML) that report every fault with its line."""
