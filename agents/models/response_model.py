"""Comparison of the model named in a completion with the requested model.

Providers resolve an alias (`gpt-4o`) to a dated snapshot (`gpt-4o-2024-08-06`), and some add a path
(`models/…`, `openai/…`). Any other name is a different model, unless the models file lists it under
`answers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from agents.models.spec import ApiProtocol, Model
from agents.protocols.error_mapping import redact_secrets

EMULATOR = "emulator-1:"
UNNAMED = "(no name)"
MIXED = "The results mix these models; select one with --snapshot NAME."
MAX_CHARACTERS = 80
MAX_NAMES = 10
_DATE = r"20\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_DAY = r"20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_MONTH_DAY = r"(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])"
_MONTH_YEAR = r"(?:0[1-9]|1[0-2])-20\d{2}"
_LATEST = re.compile(r"[-@](?:latest|default)$")
_SUFFIXES = {
    "openai": rf"-(?:{_DATE}|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))",
    "anthropic": rf"[-@]{_DAY}(?:-v\d+(?::\d+)?)?",
    "google": rf"-(?:\d{{3}}|(?:preview|exp)(?:-(?:{_MONTH_DAY}|{_MONTH_YEAR}|{_DATE}))?"
    rf"|(?:{_MONTH_DAY}|{_MONTH_YEAR}|{_DATE}))",
}
_SNAPSHOT = {provider: re.compile(suffix) for provider, suffix in _SUFFIXES.items()}
_ANY_SNAPSHOT = re.compile("|".join(f"(?:{suffix})" for suffix in _SUFFIXES.values()))


class NameMatch(StrEnum):
    """Relation of the name in a completion to the requested name."""

    EXACT = "exact"
    SNAPSHOT = "snapshot"  # a dated or numbered version of the requested alias
    LISTED = "listed"  # a name that the models file lists for this model
    UNNAMED = "unnamed"  # the completion states no name
    OTHER = "other"  # another model


def match(provider: str, asked: str, answered: str, listed: Sequence[str] = ()) -> NameMatch:
    """Compare two names of one provider's models; upper and lower case are alike.

    Args:
        provider: "openai", "anthropic", "google"; any other takes the snapshot forms of all three.
        listed: names, or patterns with `*`, that may answer as well.

    >>> match("openai", "gpt-4o", "gpt-4o-2024-08-06"), match("openai", "gpt-4o", "gpt-4o-mini")
    (<Match.SNAPSHOT: 'snapshot'>, <Match.OTHER: 'other'>)
    """
    wanted, answered_name = asked.strip().casefold(), answered.strip().casefold()
    if not answered_name:
        return NameMatch.UNNAMED
    if _same_path(wanted, answered_name):
        return NameMatch.EXACT
    if any(
        fnmatchcase(name, pattern.casefold())
        for name in (answered_name, _bare(answered_name))
        for pattern in listed
    ):
        return NameMatch.LISTED
    suffixes = _SNAPSHOT.get(provider, _ANY_SNAPSHOT)
    alias = _LATEST.sub("", wanted)
    if _same_path(alias, answered_name):  # the name that "latest" stands after
        return NameMatch.SNAPSHOT
    for cut in range(1, len(answered_name)):
        if (
            answered_name[cut] in "-@"
            and suffixes.fullmatch(answered_name, cut)
            and _same_path(alias, answered_name[:cut])
        ):
            return NameMatch.SNAPSHOT
    return NameMatch.OTHER


def _bare(name: str) -> str:
    """Return a name without its path."""
    return name.rpartition("/")[2]


def _same_path(name: str, other: str) -> bool:
    """Return whether two names are equal, or one equals the other with a longer path."""
    return name == other or name.endswith(f"/{other}") or other.endswith(f"/{name}")


def match_answering_model(model: Model, answered: str) -> NameMatch:
    """Return how the name in a completion relates to the requested model."""
    return match(model.provider, model.name, answered, model.answers)


def is_at_provider(model: Model) -> bool:
    """Return whether a model is used at its provider's own address or at the emulator."""
    if model.protocol is ApiProtocol.CONTROL:
        return False
    return not model.identity or model.identity.startswith(EMULATOR)


def shown(name: str) -> str:
    """Return a name from a server in printable form: without control characters and keys, and truncated."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in redact_secrets(name))
    return printable[:MAX_CHARACTERS] or UNNAMED


def answering_model_note(
    judge: str, asked: str, answers: Mapping[str, int], left_out: int = 0, *, judging: bool = True
) -> str:
    """Return a sentence about the models that answered; "" if it was only the requested model.

    Args:
        judge: name as users write it.
        asked: the model's name at its provider.
        answers: name in the completion → number of completions, each ≥ 1; "" for completions without a name.
        left_out: number of completions of other models that are not counted.
        judging: whether the completions are verdicts, so that the results mix several models.
    """
    names = sorted(answers, key=lambda name: (-answers[name], name))
    listed_names = [f"{shown(name)} ({_counted(answers[name])})" for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        listed_names.append(f"and {len(names) - MAX_NAMES} more")
    rest = f" {_counted(left_out)} of other models are left out." if left_out else ""
    if len(names) > 1:
        note = f" {MIXED}" if judging else ""
        return f"{judge} was answered by {len(names)} models: {', '.join(listed_names)}.{note}{rest}"
    if names and names[0] and not _same_path(asked.casefold(), names[0].casefold()):
        return f"{judge} was answered by {listed_names[0]}.{rest}"
    return f"{judge}:{rest}" if rest else ""


def _counted(number: int) -> str:
    return "1 answer" if number == 1 else f"{number:,} answers"
