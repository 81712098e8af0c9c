"""The vocabulary, the models we ask, and the agents that ask them."""
