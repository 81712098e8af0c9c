"""Every word we say to a model, as text files that a psychologist can edit: load, check, fill, hash."""

from prompts.library import Library
from prompts.prompt import Prompt, PromptError

__all__ = ["Library", "Prompt", "PromptError"]
