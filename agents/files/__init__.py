"""Files that users write, read strictly: bytes as text, CSV, JSON; every fault with its line."""
