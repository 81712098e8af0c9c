"""Sample of 64 dialogues with the real dataset's columns, for trying out every command."""
