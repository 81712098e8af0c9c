"""Workflows: judge, generate, train, bench, audit. The only use-case layer."""
