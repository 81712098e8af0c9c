"""Prompts as editable text files: loading, validation, filling and hashing."""

from prompts.library import Library
from prompts.prompt import Prompt, PromptError

__all__ = ["Library", "Prompt", "PromptError"]
