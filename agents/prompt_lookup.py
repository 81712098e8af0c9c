"""Lookup of prompts by name, with errors for the user."""

from __future__ import annotations

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from prompts import Library, Prompt, PromptError


def get_prompt(library: Library, name: str, where: str = "") -> Prompt:
    """Return the prompt of this name.

    Args:
        where: the flag or key that names it, for the error message.

    Raises:
        UserError: the prompt does not exist, or the released prompts have not been fetched.
    """
    try:
        return library[name]
    except PromptError as error:
        first, *others = prompt_faults(error)
        raise UserError(
            first.what,
            code=first.code,
            where=where or first.where,
            found=first.found,
            remedy=first.remedy,
            faults=first_faults(others),
        ) from error


def prompt_faults(error: PromptError) -> list[Fault]:
    """Return the faults of a prompt error as those of a `UserError`."""
    return [Fault(fault.what, fault.where, fault.found, fault.remedy, fault.code) for fault in error.faults]
