"""Training data selection, training-set folders and LoRA fine-tuning (SFT, then DPO)."""
