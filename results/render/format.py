"""Formatting of numbers for people: percent, ranges, dollars, durations and unscored counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 2  # of every JSON result; raised whenever a key changes its name or meaning
EMULATED_NOTE = (
    "EMULATED: responses of models named emulated-… come from the local emulator, not from a real model. "
    "They rehearse a study and do not measure empathy; their cost is the price of the real model."
)
ORDER_ROBUST_NOTE = (
    "“order-robust”: from the share won in both orders to 1 minus the share lost in both orders; valid for "
    "any position bias, not a confidence interval."
)


def format_percent(rate: float | None) -> str:
    """Return a rate in percent, such as `61.6 %`; `-` for None."""
    return "-" if rate is None else f"{rate:.1%}".replace("%", " %")


def format_range(low: float | None, high: float | None) -> str:
    """Return an interval in percent, such as `55.2 to 67.8`."""
    return "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def format_usd(usd: float | None) -> str:
    """Return an amount in US dollars; "not known" for None."""
    return "not known" if usd is None else f"${usd:.4f}"


def format_duration(seconds: float | None) -> str:
    """Return a duration, such as `1:02:03` or `2:03`; `?` for None."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_reasons(unscored: Mapping[str, int]) -> str:
    """Return the number of unscored judgments with reasons, such as `3: refused 2, truncated 1`."""
    if not unscored:
        return "0"
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(unscored.items()))
    return f"{sum(unscored.values())}: {counts}"


def versioned(data: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return a JSON result with `schema_version` at its top; a list becomes the value of `items`."""
    fields = data if isinstance(data, Mapping) else {"items": data}
    return {"schema_version": SCHEMA_VERSION, **fields}
