"""Which dialogues train what, and how a student is trained on them."""
