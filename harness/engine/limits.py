"""The limits a lane is told to keep: plain values, checked before anything is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from agents.errors import Fault, UserError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one lane; None means none is known.

    Attributes:
        requests_per_minute, tokens_per_minute: rates, > 0; a fraction is allowed.
        requests_per_day, tokens_per_day: counts in any 24 hours, over all runs in the database, ≥ 1.
        max_in_flight: where concurrency starts, and its ceiling, ≥ 1.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    max_in_flight: int | None = None

    def check(self, where: str = "limits") -> None:
        """Raise one `UserError` with every limit that cannot be kept, and every pair that contradicts."""
        faults = [
            Fault(f"{field.name} must be above 0", where, repr(value), "Leave it out for no limit.")
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None and not 0 < value < math.inf
        ]
        for unit in ("requests", "tokens"):
            minute = getattr(self, f"{unit}_per_minute")
            day = getattr(self, f"{unit}_per_day")
            if minute is not None and day is not None and minute > day > 0:
                faults.append(
                    Fault(
                        f"{unit}_per_minute is above {unit}_per_day",
                        where,
                        f"{minute:g} a minute, {day:g} a day",
                        "Lower the first or raise the second.",
                    )
                )
        if faults:
            raise UserError("these limits cannot be kept", where=where, faults=faults)
