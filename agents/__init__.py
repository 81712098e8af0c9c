"""Domain types, model registry and clients, and the agents: judge, improver and responder."""
