"""Inference engines for base models and students: vLLM server, in-process vLLM and transformers."""
