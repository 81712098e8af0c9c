"""Measurements: side by side in one run, against a floor or a peer; `make bench` prints them all."""
