"""Files of a model on disk: weights, LoRA adapters, configuration and chat template."""
