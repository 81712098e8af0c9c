"""Prompt templates: text, variables and version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class PromptFault:
    """One mistake in a prompt file or in the values of its variables.

    Attributes:
        what: the mistake, a short statement.
        where: the file, with its line if it is known, or the prompt's name; may be empty.
        found: the value that is wrong; may be empty.
        remedy: how to correct it, an imperative sentence; may be empty.
        code: stable identifier of the kind of mistake, `area.problem`.
    """

    what: str
    where: str = ""
    found: str = ""
    remedy: str = ""
    code: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = [f"Found: {self.found}." if self.found else "", self.remedy]
        return " ".join([f"[{self.code}] {head.rstrip('.')}.", *(part for part in tail if part)])


class PromptError(Exception):
    """Prompt file that cannot be used, or values that do not match its variables.

    Attributes:
        faults: all mistakes, at least one.
    """

    def __init__(self, faults: Sequence[PromptFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)

    @property
    def code(self) -> str:
        """Code of the first fault."""
        return self.faults[0].code


@dataclass(frozen=True)
class Prompt:
    """Prompt template.

    Attributes:
        name: path without the suffix, such as `judge/pairwise`.
        title: short description.
        paper: its number in the paper, or "".
        variables: names of the variables to fill.
        answers: the allowed answers; () for free text.
        turns: the user turns of the conversation, with parts included; at least one.
        version: `prompt-1:` and 16 hex digits of the SHA-256 of turns, variables and answers.
        source: the file that it was loaded from.
        system: the system message, or "".
        is_exact: whether the prompt is sent byte for byte; its values are then neither trimmed nor escaped.
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
        """Each turn, split into text, variable, text, variable, …, text."""
        return tuple(tuple(VARIABLE.split(turn)) for turn in self.turns)

    @cached_property
    def _declared(self) -> frozenset[str]:
        return frozenset(self.variables)

    def fill(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the turns with all variables replaced; the values are not interpreted as templates.

        Raises:
            PromptError: a variable has no value, or a value has no variable.
        """
        if values.keys() != self._declared:
            missing = [name for name in self.variables if name not in values]
            unknown = [name for name in values if name not in self.variables]
            faults = [
                PromptFault("a variable has no value", self.name, repr(name), code="prompt.missing-value")
                for name in missing
            ]
            faults += [
                PromptFault("a value has no variable", self.name, repr(name), code="prompt.undeclared-value")
                for name in unknown
            ]
            raise PromptError(faults)
        return tuple(
            "".join([values[piece] if index % 2 else piece for index, piece in enumerate(pieces)])
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
    """Return the version of a prompt: `prompt-1:` and 16 hex digits of the SHA-256 of its content."""
    content = [*turns, "\x1e", *variables, "\x1e", *answers]
    if system or exact:
        content += ["\x1e", system, "exact" if exact else ""]
    return "prompt-1:" + sha256("\x1f".join(content).encode()).hexdigest()[:16]
