"""Model registry: names, addresses, capabilities and retirement dates of models."""
