"""Files of a model on disk: weights, LoRA adapters, configuration, chat template."""
