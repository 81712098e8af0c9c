"""Configured limits of an endpoint, validated before anything is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from agents.errors import Fault, UserError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one endpoint; None means that no limit is known.

    Attributes:
        requests_per_minute, tokens_per_minute: rates, > 0; fractions are allowed.
        requests_per_day, tokens_per_day: maximum in any 24 hours over all runs in the database, ≥ 1.
        max_in_flight: initial and maximum number of concurrent requests, ≥ 1.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    max_in_flight: int | None = None

    def check(self, where: str = "limits") -> None:
        """Validate the limits.

        Raises:
            UserError: with one fault for each invalid limit and each contradicting pair.
        """
        faults = [
            Fault(
                f"{field.name} must be above 0",
                where,
                repr(value),
                "Omit it for no limit.",
                code="option.out-of-range",
            )
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
                        f"{minute:g} per minute, {day:g} per day",
                        "Lower the first or raise the second.",
                        code="option.contradiction",
                    )
                )
        if faults:
            raise UserError("invalid limits", code="endpoint.invalid-limits", where=where, faults=faults)
