"""What a study would take, as a table that people read; `--json` prints the same lines.

Computes nothing: every number is of `harness/study/estimate.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.study.config import Study
from harness.study.estimate import CARD_TERAFLOPS, CARD_TOKENS_PER_SECOND, EstimateLine, total
from results.render.table import Table, make_table

UNKNOWN = "?"
COLUMNS = ("done", "calls", "tokens ≈ in / out", "card hours ≈", "time ≈", "expected cost ≈", "at most")


def to_table(study: Study, lines: Sequence[EstimateLine]) -> Table:
    """The plan: a row for each line, and their total."""
    table = make_table(f"{study.title} (fidelity {study.fidelity})", ("stage", *COLUMNS))
    for one in lines:
        table.add_row(f"{one.kind} {_short(one)}", *_cells(one))
    table.add_section()
    table.add_row("total", *_cells(total(lines)), style="bold")
    return table


def _cells(one: EstimateLine) -> tuple[str, ...]:
    asks = bool(one.calls)
    return (
        f"{one.done:,} of {one.stages:,}",
        "" if one.calls is None else f"{one.bound} {one.calls:,}".strip(),
        " / ".join(_count(tokens) for tokens in (one.input_tokens, one.output_tokens) if tokens),
        f"{one.card_hours:.1f}" if one.card_hours >= 0.05 else "",
        "" if not asks else UNKNOWN if one.seconds is None else clock(one.seconds),
        dollars(one.expected_usd) if asks else "",
        dollars(one.maximum_usd) if asks else "",
    )


def caveats(study: Study, lines: Sequence[EstimateLine], budget_usd: float | None) -> list[str]:
    """What a reader of the table must know."""
    noted = (
        f"{one.kind if one.calls else f'{one.kind} {_short(one)}'}: {one.note}." for one in lines if one.note
    )
    told = list(dict.fromkeys(noted))
    if total(lines).seconds is None:
        told.append("time ?: not known without a limit; give --rpm, --tpm or --max-in-flight.")
    elif len({one.lane for one in lines if one.calls}) > 1:
        told.append("time: models are asked side by side; the total is that of the one that takes longest.")
    if study.emulate:
        told.append("EMULATED: no real model is asked; the money is what the real ones would cost.")
    if budget_usd is not None:
        told.append(f"Ceiling of the study: {dollars(budget_usd)}, never crossed.")
    told.append(
        "Calls are counted; ≈ marks estimates: tokens from characters, the card's hours from "
        f"{CARD_TERAFLOPS:.0f} TFLOP/s in training and {CARD_TOKENS_PER_SECOND:,.0f} tokens/s in generation "
        "(assumed for an RTX 4090, not measured). 'At most' charges every allowed retry. Nothing was asked."
    )
    return told


def dollars(usd: float | None) -> str:
    """`$41.23`; what is below a cent with as many digits as it takes."""
    if usd is None:
        return UNKNOWN
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def clock(seconds: float) -> str:
    """`1:24:00`, or `0:42` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(one: EstimateLine) -> str:
    """A base without whose it is: `Llama-3.1-8B, SFT`."""
    return one.what if one.lane else one.what.rpartition("/")[2]


def _count(tokens: int) -> str:
    """`21.5 M`, `14 k`: an estimate has no more digits than it knows."""
    if tokens >= 1_000_000:
        return f"{tokens / 1e6:.1f} M"
    return f"{tokens / 1000:.0f} k" if tokens >= 1000 else str(tokens or "")
