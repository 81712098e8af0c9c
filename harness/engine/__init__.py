"""The engine: the wrappers that every call passes, and the pump that feeds them."""
