"""Table of a study's estimate, with its caveats."""

from __future__ import annotations

from collections.abc import Sequence

from harness.study.config import Study
from harness.study.estimate import CARD_TERAFLOPS, CARD_TOKENS_PER_SECOND, EstimateLine, total
from results.render.table import Table, make_table

UNKNOWN = "?"
COLUMNS = ("done", "requests", "tokens ≈ in / out", "GPU hours ≈", "time ≈", "expected cost ≈", "at most")


def to_table(study: Study, lines: Sequence[EstimateLine]) -> Table:
    """Return the estimate as a table: a row for each line, and their total."""
    table = make_table(f"{study.title} (fidelity {study.fidelity})", ("stage", *COLUMNS))
    for line in lines:
        table.add_row(f"{line.kind} {_short_name(line)}", *_cells(line))
    table.add_section()
    table.add_row("total", *_cells(total(lines)), style="bold")
    return table


def _cells(line: EstimateLine) -> tuple[str, ...]:
    has_calls = bool(line.calls)
    return (
        f"{line.done:,} of {line.stages:,}",
        "" if line.calls is None else f"{line.bound} {line.calls:,}".strip(),
        " / ".join(_format_count(tokens) for tokens in (line.input_tokens, line.output_tokens) if tokens),
        f"{line.card_hours:.1f}" if line.card_hours >= 0.05 else "",
        "" if not has_calls else UNKNOWN if line.seconds is None else format_clock(line.seconds),
        format_dollars(line.expected_usd) if has_calls else "",
        format_dollars(line.maximum_usd) if has_calls else "",
    )


def caveats(study: Study, lines: Sequence[EstimateLine], budget_usd: float | None) -> list[str]:
    """Return the caveats of the estimate."""
    line_notes = (
        f"{line.kind if line.calls else f'{line.kind} {_short_name(line)}'}: {line.note}."
        for line in lines
        if line.note
    )
    notes = list(dict.fromkeys(line_notes))
    if total(lines).seconds is None:
        notes.append("time ?: unknown without rate limits; add --rpm, --tpm or --max-in-flight.")
    elif len({line.endpoint for line in lines if line.calls}) > 1:
        notes.append("time: requests to different models run in parallel; the total is the longest time.")
    if study.emulate:
        notes.append("EMULATED: no real model is used; the cost is that of the real models.")
    if budget_usd is not None:
        notes.append(f"Budget of the study: {format_dollars(budget_usd)}, a hard limit.")
    notes.append(
        "Requests are counted; ≈ marks estimates: tokens from characters, GPU hours from "
        f"{CARD_TERAFLOPS:.0f} TFLOP/s in training and {CARD_TOKENS_PER_SECOND:,.0f} tokens/s in generation "
        "(assumed for an RTX 4090, not measured). 'At most' includes every allowed retry. No "
        "request was sent."
    )
    return notes


def format_dollars(usd: float | None) -> str:
    """Format an amount as `$41.23`; amounts below a cent get four decimals."""
    if usd is None:
        return UNKNOWN
    return f"${usd:,.2f}" if usd >= 0.01 or usd == 0 else f"${usd:.4f}"


def format_clock(seconds: float) -> str:
    """Format a duration as `1:24:00`, or as `0:42` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short_name(line: EstimateLine) -> str:
    """Return what a line is about, without the owner of a model: `Llama-3.1-8B, SFT`."""
    return line.what if line.endpoint else line.what.rpartition("/")[2]


def _format_count(tokens: int) -> str:
    """Format a number of tokens as `21.5 M` or `14 k`."""
    if tokens >= 1_000_000:
        return f"{tokens / 1e6:.1f} M"
    return f"{tokens / 1000:.0f} k" if tokens >= 1000 else str(tokens or "")
