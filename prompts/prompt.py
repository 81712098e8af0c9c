"""One prompt: its text, what it is filled with, and its version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


class PromptError(Exception):
    """A prompt file that cannot be used, or a filling that does not fit; `faults` lists every one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    Attributes:
        name: its path without suffix, `judge/pairwise`.
        title: what it is, in a few words; `paper` its number in the paper, or "".
        variables: what must be filled in.
        answers: the only answers allowed, or () for free text.
        turns: the user's turns of the conversation, parts included, at least one.
        version: `prompt-1:` and 16 hex digits of the SHA-256 of turns, variables and answers.
        source: the file it came from.
        system: what is said before the conversation, or "".
        is_exact: whether it is said byte for byte, with what is filled in as it is: nothing trimmed, and
            nothing in it made harmless.
    """

    name: str
    title: str
    paper: str
    variables: tuple[str, ...]
    answers: tuple[str, ...]
    turns: tuple[str, ...]
    version: str
    source: str
    system: str = ""
    is_exact: bool = False

    @cached_property
    def _pieces(self) -> tuple[tuple[str, ...], ...]:
        """Each turn as text, variable, text, variable, …, text."""
        return tuple(tuple(VARIABLE.split(turn)) for turn in self.turns)

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(self.variables)

    def fill(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """The turns with every variable replaced; what is filled in is never read as a template.

        Raises:
            PromptError: values are missing, or given and not declared.
        """
        if values.keys() != self._declared:
            missing = [name for name in self.variables if name not in values]
            unknown = [name for name in values if name not in self.variables]
            faults = [f"{self.name}: {{{{{name}}}}} was not given" for name in missing]
            faults += [f"{self.name}: {name!r} was given and is not declared" for name in unknown]
            raise PromptError(faults)
        return tuple(
            "".join([values[piece] if at % 2 else piece for at, piece in enumerate(pieces)])
            for pieces in self._pieces
        )


def prompt_version(
    turns: Sequence[str],
    variables: Sequence[str],
    answers: Sequence[str],
    system: str = "",
    *,
    exact: bool = False,
) -> str:
    """A prompt's version: `prompt-1:` and 16 hex digits of the SHA-256 of everything that is said."""
    told = [*turns, "\x1e", *variables, "\x1e", *answers]
    if system or exact:
        told += ["\x1e", system, "exact" if exact else ""]
    return "prompt-1:" + sha256("\x1f".join(told).encode()).hexdigest()[:16]
