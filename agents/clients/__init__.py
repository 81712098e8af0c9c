"""Model clients: plain HTTP, providers' SDKs, control judges and Python functions."""
