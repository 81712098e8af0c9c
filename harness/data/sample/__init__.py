"""The written sample: 64 dialogues in the real dataset's columns, so that every command runs without it."""
