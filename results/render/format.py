"""Formatting of values for people, by unit: percent, ranges, dollars, durations, counts, p-values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from typing import Any

from results.render.table import Quantity

SCHEMA_VERSION = 3  # of every JSON result; raised whenever a key changes its name or meaning
EMULATED_NOTE = (
    "EMULATED: responses of models named emulated-… come from the local emulator, not from a real model. "
    "They rehearse a study and do not measure empathy; their cost is the price of the real model."
)
ORDER_ROBUST_NOTE = (
    "“order-robust”: from the share won in both orders to 1 minus the share lost in both orders; valid for "
    "any position bias, not a confidence interval."
)
NONE = "-"


def format_percent(rate: float | None) -> str:
    """Return a rate in percent, such as `61.6 %`; `-` for None."""
    return NONE if rate is None else f"{100 * rate:.1f} %"


def format_level(share: float) -> str:
    """Return a round share in percent, such as `95 %` or `97.5 %`."""
    return f"{100 * share:g} %"


def format_range(low: float | None, high: float | None) -> str:
    """Return an interval in percent, such as `55.2 to 67.8`."""
    return NONE if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def format_points(difference: float | None) -> str:
    """Return a difference in points (hundredths), such as `+7.2`."""
    return NONE if difference is None else f"{100 * difference:+.1f}"


def format_unsigned_points(difference: float) -> str:
    """Return a size in points, such as `7.2`."""
    return f"{100 * difference:.1f}"


def format_points_range(low: float | None, high: float | None) -> str:
    """Return an interval in points, such as `+3.1 to +11.0`."""
    return NONE if low is None or high is None else f"{format_points(low)} to {format_points(high)}"


def format_p(p: float | None) -> str:
    """Return a p-value, such as `0.012` or `< 0.001`."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_usd(usd: float | None) -> str:
    """Return an amount in US dollars; "not known" for None."""
    return "not known" if usd is None else f"${usd:.4f}"


def format_rounded_usd(usd: float | None) -> str:
    """Return an amount such as `$41.23`, below a cent with four decimals; `?` for None."""
    if usd is None:
        return "?"
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def format_duration(seconds: float | None) -> str:
    """Return a duration, such as `1:02:03` or `2:03`; `?` for None."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_elapsed(seconds: float | None) -> str:
    """Return a measured time, such as `1 h 12 min`, `3 min 20 s` or `4.2 s`; `-` for None."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def format_moment(seconds: float | None) -> str:
    """Return a time in seconds since 1970 in UTC."""
    if seconds is None:
        return "not ended: still going, or killed"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_reasons(unscored: Mapping[str, int] | None) -> str:
    """Return the number of unscored judgments with reasons, such as `3: refused 2, truncated 1`."""
    if not unscored:
        return "0"
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(unscored.items()))
    return f"{sum(unscored.values())}: {counts}"


def format_count(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun, such as `1 dialogue` or `1,250 dialogues`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _with_interval(
    value: Callable[[float | None], str], interval: Callable[[float | None, float | None], str]
) -> Callable[[Sequence[float | None]], str]:
    """Return a formatter of (value, low, high), such as `61.6 % (58.0 to 65.1)`."""

    def formatted(estimate: Sequence[float | None]) -> str:
        rate, low, high = estimate
        return NONE if rate is None else f"{value(rate)} ({interval(low, high)})"

    return formatted


def _bounded(bounds: Sequence[float | None]) -> str:
    """Return an interval without decimals, with possibly open ends."""
    low, high = bounds
    if low is not None and high is not None:
        return f"{low:.0f} to {high:.0f}"
    if low is not None:
        return f"{low:.0f} and up"
    return "no bound" if high is None else f"{high:.0f} and down"


def _joined(values: Sequence[Any]) -> str:
    """Return several numbers, such as `30 / 0 / 2`."""
    return " / ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)


UNITS: Mapping[str, Callable[[Any], str]] = {
    "text": str,
    "count": "{:,}".format,
    "counts": _joined,  # several counts
    "of": lambda pair: f"{pair[0]:,} of {pair[1]:,}",  # (part, whole)
    "rank_range": lambda pair: str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}–{pair[1]}",  # (low, high)
    "flag": lambda flag: "yes" if flag else "",
    "unscored": format_reasons,  # counts by reason
    "percent": format_percent,  # of a share in [0, 1], like the next two
    "percent_range": lambda pair: format_range(*pair),
    "percent_estimate": _with_interval(format_percent, format_range),
    "whole_percents": lambda shares: " / ".join(f"{100 * share:.0f}" for share in shares),
    "points": format_points,  # of a difference of shares in [-1, 1], like the next three
    "points_range": lambda pair: format_points_range(*pair),
    "points_estimate": _with_interval(format_points, format_points_range),
    "unsigned_points": format_unsigned_points,
    "p": format_p,
    "points_p": lambda pair: f"{format_points(pair[0])} (p {pair[1]:.3f})",  # (difference, p-value)
    "decimal": "{:.2f}".format,
    "decimals": lambda values: " / ".join(f"{value:.2f}" for value in values),
    "tenths": "{:.1f}".format,
    "whole": "{:,.0f}".format,  # rounded
    "strength": "{:.0f}".format,
    "strength_range": _bounded,  # ends may be None
    "strength_estimate": lambda estimate: f"{estimate[0]:.0f} ({_bounded(estimate[1:])})",
    "usd": format_usd,
    "rounded_usd": format_rounded_usd,
    "duration": format_duration,
    "elapsed": format_elapsed,
}
"""Formatter of each unit; None is `-` except where the formatter says otherwise."""

_SPELLS_NONE = {"unscored", "usd", "rounded_usd", "duration"}


def format_value(value: Any, unit: str = "text") -> str:
    """Return a value as text by its unit, a key of `UNITS` or "lines"; a text is returned as it is."""
    return "; ".join(format_lines(value, unit))


def format_lines(value: Any, unit: str = "text") -> tuple[str, ...]:
    """Return a value as the lines of a cell: one, except for the unit "lines", a tuple of values."""
    if isinstance(value, Quantity):
        return format_lines(value.value, value.unit)
    if unit == "lines" and isinstance(value, tuple):
        return tuple(format_value(line) for line in value)
    if isinstance(value, str):
        return (value,)
    if isinstance(value, float) and isnan(value):
        value = None
    if value is None and unit not in _SPELLS_NONE:
        return (NONE,)
    return (UNITS[unit](value),)
