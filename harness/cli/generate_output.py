"""A summary of a run that made responses, as data and as a table: the same numbers, no other.

`to_dict` is what `--json` prints; `to_table` is what people read. Neither computes anything.
"""

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
    """The summary as plain data."""
    return {
        "run": summary.run_id,
        "kind": summary.kind,
        "spec": dict(summary.spec),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "cost_usd": summary.cost_usd,
        "response_sets": [_set_data(one) for one in summary.sets],
        "models": {name: _lane_data(endpoint) for name, endpoint in summary.endpoints.items()},
    }


def _set_data(one: ResponseSetSummary) -> dict[str, Any]:
    return {
        "author": one.name,
        "response_set": one.response_set.id,
        "provenance": one.response_set.made,
        "dialogues": one.dialogues,
        "responses": one.responses,
        "flaws": dict(one.flaws),
        "missing": one.missing,
        "truncated": one.flaws.get(ExclusionReason.TRUNCATED, 0),
        "rambling": one.rambling,
        "over_limit": one.over_limit,
        "unchanged": one.unchanged,
        "asked_again": one.asked_again,
        "dimensions": dict(one.dimensions),
        "mean_words": one.mean_words,
        "cost_usd": one.cost_usd,
    }


def _lane_data(endpoint: EndpointReport) -> dict[str, Any]:
    names = ("made", "reused", "retried", "rate_limited", "failed", "spent_usd", "stopped")
    return {name: getattr(endpoint, name) for name in names}


def to_table(summary: GenerationResult) -> Table:
    """The summary as a table: one row a set; columns with nothing in them are named below it instead."""
    first = summary.sets[0]
    authors = {one.response_set.author for one in summary.sets}
    title = f"{summary.kind}: {first.dialogues:,} dialogues of the {summary.spec['split']} split"
    if len(authors) == 1:
        title = f"{first.response_set.author} {title}"
    counted = [_counted(one) for one in summary.sets]
    shown = [name for name in counted[0] if any(of[name] for of in counted)]
    none = [name for name in counted[0] if name not in shown]
    caption = f"None of: {', '.join(none)}." if none else ""
    table = Table(title, caption)
    if len(authors) > 1:
        table.add_column("author")
    table.add_column("preset")
    for name in ("responses", *shown, "words"):
        table.add_column(name, justify="right")
    table.add_column("cost", justify="right")
    for one, of in zip(summary.sets, counted, strict=True):
        named = (
            (one.response_set.preset,)
            if len(authors) == 1
            else (one.response_set.author, one.response_set.preset)
        )
        table.add_row(
            *named,
            f"{one.responses:,}",
            *(f"{of[name]:,}" for name in shown),
            "-" if one.mean_words is None else f"{one.mean_words:.1f}",
            format_usd(one.cost_usd),
        )
    return table


def _counted(one: ResponseSetSummary) -> dict[str, int]:
    """What is worth a column only where there is any of it."""
    return {
        "missing": one.missing,
        "flawed": sum(one.flaws.values()),
        "rambling": one.rambling,
        f"> {WORD_LIMIT} words": one.over_limit,
        "unchanged": one.unchanged,
        "again": one.asked_again,
    }


def caveats(summary: GenerationResult) -> list[str]:
    """What is to be said beside the table."""
    told = [EMULATED_NOTE] if _emulated(summary) else []
    for one in summary.sets:
        if one.flaws:
            told.append(f"{one.name}: flawed: {counts(one.flaws)}")
        if one.dimensions:
            told.append(f"{one.name}: named as lacking: {counts(one.dimensions)}")
    for name, endpoint in summary.endpoints.items():
        told += filter(
            None, [answering_model_note(name, name.partition("/")[2], endpoint.answers, judging=False)]
        )
        told.append(
            f"{name}: {endpoint.made:,} calls made, {endpoint.reused:,} known, {endpoint.retried:,} retried"
        )
    if len(summary.sets) > 1:
        told.append(
            f"all together {format_usd(summary.cost_usd)}: an answer that several sets share counts once"
        )
    return told


def counts(of: Mapping[str, int]) -> str:
    """`refused 2, truncated 1`."""
    return ", ".join(f"{name} {count:,}" for name, count in of.items())


def _emulated(summary: GenerationResult) -> bool:
    return any(is_emulated(one.response_set.author.partition("/")[2]) for one in summary.sets)
