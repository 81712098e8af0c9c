"""Benchmarks of the engine, the database, training and serving."""
