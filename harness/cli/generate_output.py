"""Output of a generation run, as data (`--json`) and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.generation import ExclusionReason
from agents.models.response_model import answering_model_note
from agents.models.spec import is_emulated
from agents.text_extraction import WORD_LIMIT
from harness.workflows.generate import GenerationResult
from harness.workflows.response_sets import ResponseSetSummary
from results.analysis.endpoint_report import EndpointReport
from results.render.format import EMULATED_NOTE, format_usd
from results.render.table import Table


def to_dict(summary: GenerationResult) -> dict[str, Any]:
    """Return the result as plain data."""
    return {
        "run": summary.run_id,
        "kind": summary.kind,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "cost_usd": summary.cost_usd,
        "response_sets": [_set_data(response_set) for response_set in summary.sets],
        "models": {name: _endpoint_data(endpoint) for name, endpoint in summary.endpoints.items()},
    }


def _set_data(response_set: ResponseSetSummary) -> dict[str, Any]:
    return {
        "author": response_set.name,
        "response_set": response_set.response_set.id,
        "provenance": response_set.response_set.made,
        "dialogues": response_set.dialogues,
        "responses": response_set.responses,
        "flaws": dict(response_set.flaws),
        "missing": response_set.missing,
        "truncated": response_set.flaws.get(ExclusionReason.TRUNCATED, 0),
        "rambling": response_set.rambling,
        "over_limit": response_set.over_limit,
        "unchanged": response_set.unchanged,
        "asked_again": response_set.asked_again,
        "dimensions": dict(response_set.dimensions),
        "mean_words": response_set.mean_words,
        "cost_usd": response_set.cost_usd,
    }


def _endpoint_data(endpoint: EndpointReport) -> dict[str, Any]:
    names = ("made", "reused", "retried", "rate_limited", "failed", "spent_usd", "stopped")
    return {name: getattr(endpoint, name) for name in names}


def to_table(summary: GenerationResult) -> Table:
    """Return the result as a table: a row for each response set; empty columns are named below it."""
    first = summary.sets[0]
    authors = {response_set.response_set.author for response_set in summary.sets}
    title = f"{summary.kind}: {first.dialogues:,} dialogues of the {summary.spec['split']} split"
    if len(authors) == 1:
        title = f"{first.response_set.author} {title}"
    counted = [_optional_columns(response_set) for response_set in summary.sets]
    columns = [name for name in counted[0] if any(counts[name] for counts in counted)]
    none = [name for name in counted[0] if name not in columns]
    caption = f"None of: {', '.join(none)}." if none else ""
    table = Table(title, caption)
    if len(authors) > 1:
        table.add_column("author")
    table.add_column("preset")
    for name in ("responses", *columns, "words"):
        table.add_column(name, justify="right")
    table.add_column("cost", justify="right")
    for response_set, counts in zip(summary.sets, counted, strict=True):
        named = (
            (response_set.response_set.preset,)
            if len(authors) == 1
            else (response_set.response_set.author, response_set.response_set.preset)
        )
        table.add_row(
            *named,
            f"{response_set.responses:,}",
            *(f"{counts[name]:,}" for name in columns),
            "-" if response_set.mean_words is None else f"{response_set.mean_words:.1f}",
            format_usd(response_set.cost_usd),
        )
    return table


def _optional_columns(response_set: ResponseSetSummary) -> dict[str, int]:
    """Return the columns that are shown only if they have values."""
    return {
        "missing": response_set.missing,
        "flawed": sum(response_set.flaws.values()),
        "rambling": response_set.rambling,
        f"> {WORD_LIMIT} words": response_set.over_limit,
        "unchanged": response_set.unchanged,
        "again": response_set.asked_again,
    }


def caveats(summary: GenerationResult) -> list[str]:
    """Return the caveats of the table."""
    notes = [EMULATED_NOTE] if _emulated(summary) else []
    for response_set in summary.sets:
        if response_set.flaws:
            notes.append(f"{response_set.name}: excluded: {format_counts(response_set.flaws)}")
        if response_set.dimensions:
            notes.append(f"{response_set.name}: named as lacking: {format_counts(response_set.dimensions)}")
    for name, endpoint in summary.endpoints.items():
        notes += filter(
            None, [answering_model_note(name, name.partition("/")[2], endpoint.answers, judging=False)]
        )
        notes.append(
            f"{name}: {endpoint.made:,} requests sent, {endpoint.reused:,} answers reused, "
            f"{endpoint.retried:,} retries"
        )
    if len(summary.sets) > 1:
        notes.append(f"total {format_usd(summary.cost_usd)}; an answer that several sets share counts once")
    return notes


def format_counts(counts: Mapping[str, int]) -> str:
    """Format counts by reason: `refused 2, truncated 1`."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _emulated(summary: GenerationResult) -> bool:
    return any(
        is_emulated(response_set.response_set.author.partition("/")[2]) for response_set in summary.sets
    )
