"""Loading and lookup of prompts, with errors for the user."""

from __future__ import annotations

from pathlib import Path

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from prompts import Library, Prompt, PromptError, released


def load_library(folder: Path | None) -> Library:
    """Return the included prompts, overridden by those of a folder, with the fetched ones of the scripts.

    Raises:
        UserError: prompts are invalid; the error lists every fault.
    """
    try:
        return Library(folder, released.place())
    except PromptError as error:
        raise UserError(
            "invalid prompts",
            code="prompt.invalid",
            where=str(folder or "prompts"),
            faults=first_faults(prompt_faults(error)),
        ) from error


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
