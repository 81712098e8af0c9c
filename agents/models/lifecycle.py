"""Lifecycle of a model: its retirement date, the source of the date, and its successor.

Pure. A lifecycle comes from a models file (`retires`, `retired`, `successor`, `source`, `looked_up`,
`confirmed`), or from what a provider states of itself. Only a date that was confirmed at the provider can
refuse a model; any other date warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from agents.errors import Fault

SOON_DAYS = 90
_DATES = ("retires", "retired", "looked_up")
_TEXTS = ("successor", "source")
KEYS = frozenset((*_DATES, *_TEXTS, "confirmed"))
"""The keys of a `[[model]]` entry that make up its lifecycle."""


class Status(StrEnum):
    """Availability of a model on a given day."""

    LIVING = "living"
    RETIRING = "retiring"  # within `SOON_DAYS`
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Retirement date of a model and its source.

    Attributes:
        retires: last day of the model; None if none is announced.
        successor: `provider/name` of the recommended replacement, or "".
        source: URL of the page that states the date, or the name of its author.
        looked_up: day on which that page was read.
        confirmed: whether the provider itself states the date; otherwise it is from a secondary source.
        stated: whether the server that receives the requests stated the date.
    """

    retires: date | None = None
    successor: str = ""
    source: str = ""
    looked_up: date | None = None
    confirmed: bool = False
    stated: bool = False

    def status(self, day: date) -> Status:
        """Return the model's status on a day."""
        if self.retires is None:
            return Status.LIVING
        days = (self.retires - day).days
        return Status.RETIRED if days < 0 else Status.RETIRING if days <= SOON_DAYS else Status.LIVING

    def is_confirmed_retired(self, day: date) -> bool:
        """Return whether the provider itself states that the model has retired by a day."""
        return self.confirmed and self.status(day) is Status.RETIRED

    def describe(self, name: str, day: date) -> str:
        """Return a sentence about a model that retires soon or has retired; "" for any other."""
        status = self.status(day)
        if status is Status.LIVING or self.retires is None:
            return ""
        days = (self.retires - day).days
        left = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
        if status is Status.RETIRING:
            when = f"retires on {self.retires}, {left}"
        elif self.confirmed:
            when = f"retired on {self.retires}"
        else:
            when = f"may have retired on {self.retires}, and another model may answer in its place"
        successor = f"; its successor is {self.successor}" if self.successor else ""
        return f"{name} {when}{successor}{self._cited()}."

    def _cited(self) -> str:
        if not self.source:
            return ""
        kind = "" if self.confirmed else "secondary source: "
        read = f", looked up {self.looked_up}" if self.looked_up else ""
        return f" ({kind}{self.source}{read})"


def today() -> date:
    """Return today's date (UTC)."""
    return datetime.now(UTC).date()


def parse_lifecycle(entry: Mapping[str, Any]) -> Lifecycle:
    """Return the lifecycle of a validated `[[model]]` entry; `retired` is a date in the past."""
    retired: date | None = entry.get("retired", entry.get("retires"))
    rest = {key: entry[key] for key in (*_TEXTS, "looked_up", "confirmed") if key in entry}
    return Lifecycle(retired, **rest)


def lifecycle_faults(entry: Mapping[str, Any], where: str) -> list[Fault]:
    """Return the faults of the lifecycle keys of a `[[model]]` entry."""
    faults = []
    for key in sorted(KEYS & set(entry)):
        value = entry[key]
        if key in _DATES:
            fits, wanted = type(value) is date, "a date, for example 2027-01-14 without quotation marks"
        elif key in _TEXTS:
            fits, wanted = isinstance(value, str), "text"
        else:
            fits, wanted = isinstance(value, bool), "true or false"
        if not fits:
            what = f"must be {wanted}"
            faults.append(Fault(what, f"{where}: {key}", repr(value), code="models-file.invalid-type"))
    if "retires" in entry and "retired" in entry:
        what, remedy = "both retires and retired are set", "Write one of them."
        faults.append(Fault(what, where, remedy=remedy, code="models-file.conflicting-keys"))
    if isinstance(entry.get("successor"), str) and "/" not in entry["successor"]:
        what, remedy, found = "not a model", "Write provider/name.", repr(entry["successor"])
        faults.append(Fault(what, f"{where}: successor", found, remedy, code="model.unknown"))
    return faults


def parse_shutdown_dates(listing: Any, source: str, looked_up: date) -> dict[str, Lifecycle]:
    """Return the lifecycles of models with a `shutdown_date` in OpenAI's `GET /v1/models`, by model name.

    Args:
        listing: JSON of the response; entries in another format are skipped.
        source: URL of the list.
        looked_up: day of the request.
    """
    entries = listing.get("data") if isinstance(listing, dict) else None
    found = {}
    for entry in entries if isinstance(entries, list) else ():
        stated = entry.get("shutdown_date") if isinstance(entry, dict) else None
        if not isinstance(stated, str) or not isinstance(entry.get("id"), str):
            continue
        try:
            day = date.fromisoformat(stated[:10])
        except ValueError:
            continue
        found[entry["id"]] = Lifecycle(day, "", source, looked_up, confirmed=True, stated=True)
    return found
