"""Markdown report: the conclusion, the tables and their notes, without plots and examples."""

from __future__ import annotations

from collections.abc import Sequence

from agents.output_escape import markdown_code, markdown_row, markdown_text
from results.paper.cells import METHODS, NUMBERS
from results.report.conclusions import NONE, between, caveats, percent, reasons
from results.report.context import ReportContext
from results.report.html import banners, facts, title
from results.report.sections.controls import TITLE, controls_notes, controls_table
from results.report.sections.cost import cost_table, time_sentence
from results.report.sections.judges import (
    agreement_table,
    answering_model_notes,
    audit_views,
    each_judge,
    self_preference_caveats,
)
from results.report.sections.manifest import page_command
from results.report.sections.section import PlainRow, PlainTable
from results.report.sections.seeds import TITLE as SEEDS
from results.report.sections.seeds import seeds_table
from results.report.study_conclusions import headline_lines
from results.report.table1_grid import Table1Entry, orders_of

_LETTERS = dict(zip(METHODS, "HL", strict=True))
_HEADS = (
    "A",
    "B",
    "judge",
    "A wins",
    "95 %",
    "order-robust",
    "n",
    "consistency",
    "first position",
    "unscored",
)


def to_markdown(material: ReportContext) -> str:
    """Render the report as Markdown."""
    parts = [f"# {markdown_text(title(material))}"]
    parts += [f"> **{markdown_text(note)}**" for note in banners(material)]
    parts.append(" · ".join(map(markdown_text, facts(material))))
    headline = headline_lines(material)
    if headline is None:
        parts.append("Nothing has been judged in this run yet.")
    else:
        parts += [f"**{markdown_text(headline.sentence)}**", *map(markdown_text, headline.also)]
        parts += ["## Win rates", _table(_rates(material))]
    controls = controls_table(material)
    if controls:
        parts += [f"## {TITLE}", _table(controls), _list(controls_notes(material))]
    summarize_seeds = seeds_table(material)
    parts += [f"## {SEEDS}", _table(summarize_seeds)] if summarize_seeds else []
    if material.grid:
        parts += ["## Table 1", _table_1(material), *map(markdown_text, material.grid.notes)]
    if headline is not None:
        parts += ["## What the numbers do not say", _list(caveats(material))]
        judge_notes = (*answering_model_notes(material), *self_preference_caveats(material))
        parts += ["## Judges", *map(markdown_text, judge_notes), _table(each_judge(material))]
        agreement = agreement_table(material)
        parts += ["### Agreement between judges", _table(agreement)] if agreement else []
        for audit in audit_views(material):
            parts += ["### Against human ratings", markdown_text(audit.title), _table(audit.table)]
        parts += [
            "## Cost, time, requests",
            _table(cost_table(material.spending)),
            markdown_text(time_sentence(material)),
        ]
    parts += ["## How this was made", _list([f"run {material.run_id}", f"page: {page_command(material)}"])]
    parts += [markdown_code(invocation.command) for invocation in material.invocations]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rates(material: ReportContext) -> PlainTable:
    rows = [
        PlainRow(
            (
                pair.a.name,
                pair.b.name,
                judged.contest.judge,
                percent(judged.hard.rate),
                between(judged.hard.low, judged.hard.high),
                between(*judged.hard.order_robust),
                str(judged.hard.n),
                percent(judged.hard.consistency),
                percent(judged.hard.first_position_rate),
                reasons(judged.unscored),
            )
        )
        for pair in material.pairs
        for judged in pair.judged
    ]
    return PlainTable(_HEADS, tuple(rows))


def _table_1(material: ReportContext) -> str:
    """Return Table 1 as ours / published in percent; empty if there is neither."""
    columns = [f"{letter} {number}" for letter in _LETTERS.values() for number in NUMBERS.values()]
    heads = ("", "step", *columns)
    grid = material.grid
    rows = [
        PlainRow((f"{line.base}, by {line.judge}", line.step, *map(_cell, line.entries)))
        for line in (grid.lines if grid else ())
    ]
    legend = (
        "H: improvement over human responses. L: over LLM initial responses. Ours (order-robust bounds) / "
        "published / ours of one order."
    )
    return f"{_table(PlainTable(heads, tuple(rows)))}\n\n{legend}"


def _cell(entry: Table1Entry) -> str:
    if entry.ours is None and entry.published is None:
        return ""
    ours = f"{100 * entry.ours.rate:.1f} ({between(*entry.ours.order_robust)})" if entry.ours else ""
    published = NONE if entry.published is None else f"{100 * entry.published:.1f}"
    orders = f" / {'; '.join(orders_of(entry))}" if entry.ours else ""
    return f"{ours} / {published}{orders}"


def _table(table: PlainTable) -> str:
    rule = "| " + " | ".join(["---"] * len(table.heads)) + " |"
    return "\n".join([markdown_row(table.heads), rule, *(markdown_row(row.cells) for row in table.rows)])


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(item)}" for item in items)
