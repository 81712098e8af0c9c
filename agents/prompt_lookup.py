"""A prompt of the library by its name; where there is none, that is the user's mistake, with its remedy."""

from __future__ import annotations

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from prompts import Library, Prompt, PromptError


def get_prompt(library: Library, name: str, where: str = "") -> Prompt:
    """The prompt of this name.

    Args:
        where: the flag or key that named it.

    Raises:
        UserError: there is none, or the released prompts have not been fetched.
    """
    try:
        return library[name]
    except PromptError as error:
        what, *more = error.faults
        raise UserError(what, where=where, faults=first_faults([Fault(fault) for fault in more])) from error
