"""The studies that are shipped: the paper's, and `tiny`."""
