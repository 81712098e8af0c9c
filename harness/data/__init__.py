"""The dataset, its split, its authors, and the training sets built from them."""
