"""Inference backends for students: servers, engines and checkpoints on this machine."""
