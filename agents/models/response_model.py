"""The model that answered, compared with the model that was asked. Pure: two names in, a relation out.

A provider answers an alias (`gpt-4o`) with the name of its dated snapshot (`gpt-4o-2024-08-06`), and some put
a path before a name (`models/…`, `openai/…`). Whatever else answers is another model. Who may answer under
another name is listed as `answers` in a models file.
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
MIXED = "Its numbers mix them; --snapshot NAME counts the answers of one alone."
MOST_CHARACTERS = 80
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
    """How the name that answered relates to the one that was asked."""

    EXACT = "exact"
    SNAPSHOT = "snapshot"  # a dated or numbered version of the alias that was asked
    LISTED = "listed"  # a name that a models file lists for this model
    UNNAMED = "unnamed"  # the server did not say who answered
    OTHER = "other"  # another model


def match(provider: str, asked: str, answered: str, listed: Sequence[str] = ()) -> NameMatch:
    """Compare two names of one provider's models; upper and lower case are alike.

    Args:
        provider: "openai", "anthropic", "google"; any other takes the snapshot forms of all three.
        listed: names, or patterns with `*`, that may answer as well.

    >>> match("openai", "gpt-4o", "gpt-4o-2024-08-06"), match("openai", "gpt-4o", "gpt-4o-mini")
    (<Match.SNAPSHOT: 'snapshot'>, <Match.OTHER: 'other'>)
    """
    wanted, given = asked.strip().casefold(), answered.strip().casefold()
    if not given:
        return NameMatch.UNNAMED
    if _same_path(wanted, given):
        return NameMatch.EXACT
    if any(fnmatchcase(name, pattern.casefold()) for name in (given, _bare(given)) for pattern in listed):
        return NameMatch.LISTED
    suffixes = _SNAPSHOT.get(provider, _ANY_SNAPSHOT)
    alias = _LATEST.sub("", wanted)
    if _same_path(alias, given):  # the name that "latest" stands after
        return NameMatch.SNAPSHOT
    for cut in range(1, len(given)):
        if given[cut] in "-@" and suffixes.fullmatch(given, cut) and _same_path(alias, given[:cut]):
            return NameMatch.SNAPSHOT
    return NameMatch.OTHER


def _bare(name: str) -> str:
    """A name without the path before it."""
    return name.rpartition("/")[2]


def _same_path(one: str, other: str) -> bool:
    """Whether two names are the same, but for a path that only one of them has (or has more of)."""
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def match_answering_model(model: Model, answered: str) -> NameMatch:
    """How the name in an answer relates to the model that was asked."""
    return match(model.provider, model.name, answered, model.answers)


def is_at_provider(model: Model) -> bool:
    """Whether a model is asked at its provider's own address, or at the emulator that stands in for it."""
    if model.protocol is ApiProtocol.CONTROL:
        return False
    return not model.identity or model.identity.startswith(EMULATOR)


def shown(name: str) -> str:
    """A name that a server gave, as it can be printed: no control characters, no key, no endless text."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in redact_secrets(name))
    return printable[:MOST_CHARACTERS] or UNNAMED


def answering_model_note(
    judge: str, asked: str, answers: Mapping[str, int], left_out: int = 0, *, judging: bool = True
) -> str:
    """A sentence on who answered under a judge's name; "" where it was the model of that name alone.

    Args:
        judge: as people write it; `asked` the model's name as its provider knows it.
        answers: answering name → number of answers, each ≥ 1; "" for answers without a name.
        left_out: answers of other models that are not counted.
        judging: whether the answers are verdicts, whose numbers several models would mix.
    """
    names = sorted(answers, key=lambda name: (-answers[name], name))
    told = [f"{shown(name)} ({_counted(answers[name])})" for name in names[:MAX_NAMES]]
    if len(names) > MAX_NAMES:
        told.append(f"and {len(names) - MAX_NAMES} more")
    rest = f" {_counted(left_out)} of other models are left out." if left_out else ""
    if len(names) > 1:
        return (
            f"{judge} was answered by {len(names)} models: {', '.join(told)}.{f' {MIXED}' if judging else ''}"
            f"{rest}"
        )
    if names and names[0] and not _same_path(asked.casefold(), names[0].casefold()):
        return f"{judge} was answered by {told[0]}.{rest}"
    return f"{judge}:{rest}" if rest else ""


def _counted(number: int) -> str:
    return "1 answer" if number == 1 else f"{number:,} answers"
