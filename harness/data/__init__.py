"""Dataset, splits, authors, and specifications and checks of training sets."""
