"""Table of a study's estimate, with its caveats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.study.config import Study
from harness.study.estimate import CARD_TERAFLOPS, CARD_TOKENS_PER_SECOND, EstimateLine, total
from results.render.contest_design import DesignFields
from results.render.format import format_rounded_usd
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value

COLUMNS = (
    Column("stage"),
    Column("done", unit="of"),
    Column("requests", unit="count"),
    Column("tokens", "tokens ≈ in / out", alignment="right"),
    Column("card_hours", "GPU hours ≈", "tenths"),
    Column("seconds", "time ≈", "duration"),
    Column("expected_usd", "expected cost ≈", "rounded_usd"),
    Column("maximum_usd", "at most", "rounded_usd"),
)


class StudyEstimateDocument(DesignFields):
    """Estimate of a study.

    Attributes:
        study: name of the study.
        title: its title.
        fidelity: variant of the experiment.
        lines: the estimate, in the order of the stages.
        total: sum of all lines.
    """

    document: Literal["study_estimate"]
    study: str
    title: str
    fidelity: str
    lines: list[EstimateLine]
    total: EstimateLine


def render_estimate(study: Study, lines: Sequence[EstimateLine], budget_usd: float | None) -> Rendering:
    """Render the estimate of a study: a row for each line, and their total."""
    data: StudyEstimateDocument = {
        "document": "study_estimate",
        "study": study.name,
        "title": study.title,
        "fidelity": str(study.fidelity),
        "lines": list(lines),
        "total": total(lines),
    }
    return Rendering(data, (_table(study, lines),), caveats=tuple(_caveats(study, lines, budget_usd)))


def _table(study: Study, lines: Sequence[EstimateLine]) -> Table:
    """Return a row for each line of the estimate, and their total."""
    table = Table(f"{study.title} (fidelity {study.fidelity})", columns=list(COLUMNS))
    for line in lines:
        table.add_row(f"{line.kind} {_short_name(line)}", *_cells(line))
    table.add_section()
    table.add_row("total", *_cells(total(lines)), style="bold")
    return table


def _cells(line: EstimateLine) -> tuple[Value, ...]:
    """Return the cells of a line; what does not apply is empty."""
    has_calls = bool(line.calls)
    tokens = (line.input_tokens, line.output_tokens)
    return (
        (line.done, line.stages),
        "" if line.calls is None else f"{line.bound} {line.calls:,}".strip(),
        " / ".join(_format_count(count) for count in tokens if count),
        line.card_hours if line.card_hours >= 0.05 else "",
        *((line.seconds, line.expected_usd, line.maximum_usd) if has_calls else ("", "", "")),
    )


def _caveats(study: Study, lines: Sequence[EstimateLine], budget_usd: float | None) -> list[str]:
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
        notes.append(f"Budget of the study: {format_rounded_usd(budget_usd)}, a hard limit.")
    notes.append(
        "Requests are counted; ≈ marks estimates: tokens from characters, GPU hours from "
        f"{CARD_TERAFLOPS:.0f} TFLOP/s in training and {CARD_TOKENS_PER_SECOND:,.0f} tokens/s in generation "
        "(assumed for an RTX 4090, not measured). 'At most' includes every allowed retry. No "
        "request was sent."
    )
    return notes


def _short_name(line: EstimateLine) -> str:
    """Return what a line is about, without the owner of a model: `Llama-3.1-8B, SFT`."""
    return line.what if line.endpoint else line.what.rpartition("/")[2]


def _format_count(tokens: int) -> str:
    """Format a number of tokens as `21.5 M` or `14 k`."""
    if tokens >= 1_000_000:
        return f"{tokens / 1e6:.1f} M"
    return f"{tokens / 1000:.0f} k" if tokens >= 1000 else str(tokens or "")
