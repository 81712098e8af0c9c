"""How a number reads to a person: percent, dollars, spans, times; and what is said of emulated answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 2  # of every JSON result: raised whenever a key changes its name or its meaning
EMULATED_NOTE = (
    "EMULATED: answers of models named emulated-… come from this machine's emulator, not from any real "
    "model; their cost is what the real one's would be."
)
ORDER_ROBUST_NOTE = (
    "“order-robust”: from the share won in both orders to all but the share lost in both, which holds "
    "whatever the judge's bias for a place; no interval."
)


def format_percent(rate: float | None) -> str:
    """`61.6 %`, or `-` where there is none."""
    return "-" if rate is None else f"{rate:.1%}".replace("%", " %")


def format_range(low: float | None, high: float | None) -> str:
    """`55.2 to 67.8`, in percent."""
    return "-" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def format_usd(usd: float | None) -> str:
    """US dollars; unknown is unknown."""
    return "not known" if usd is None else f"${usd:.4f}"


def format_duration(seconds: float | None) -> str:
    """`1:02:03` or `2:03`; `?` where it is not known."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_reasons(unscored: Mapping[str, int]) -> str:
    """`3: refused 2, truncated 1`."""
    if not unscored:
        return "0"
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(unscored.items()))
    return f"{sum(unscored.values())}: {told}"


def versioned(data: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Return a JSON result with `schema_version` at its top; a list becomes the value of `items`."""
    fields = data if isinstance(data, Mapping) else {"items": data}
    return {"schema_version": SCHEMA_VERSION, **fields}
