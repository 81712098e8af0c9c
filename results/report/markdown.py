"""Markdown report: the conclusion, the tables and their notes, without plots and examples."""

from __future__ import annotations

from agents.output_escape import markdown_code, markdown_text
from results.render.table import Column, Table
from results.render.writers.markdown import markdown_list, markdown_table
from results.report.conclusions import caveats
from results.report.context import ReportContext
from results.report.html import banners, facts, title
from results.report.sections.controls import TITLE, controls_notes, controls_table
from results.report.sections.cost import cost_table, time_sentence
from results.report.sections.judges import (
    agreement_table,
    answering_model_notes,
    audit_tables,
    each_judge,
    self_preference_caveats,
)
from results.report.sections.manifest import page_command
from results.report.sections.seeds import TITLE as SEEDS
from results.report.sections.seeds import seeds_table
from results.report.sections.table1 import table_1_notes, table_1_table
from results.report.study_conclusions import headline_lines


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
        parts += ["## Win rates", markdown_table(_rates(material))]
    controls = controls_table(material)
    if controls:
        parts += [f"## {TITLE}", markdown_table(controls), markdown_list(controls_notes(material))]
    summarize_seeds = seeds_table(material)
    parts += [f"## {SEEDS}", markdown_table(summarize_seeds)] if summarize_seeds else []
    if material.grid:
        grid_notes = map(markdown_text, table_1_notes(material.grid))
        parts += ["## Table 1", markdown_table(table_1_table(material.grid)), *grid_notes]
    if headline is not None:
        parts += ["## What the numbers do not say", markdown_list(caveats(material))]
        judge_notes = (*answering_model_notes(material), *self_preference_caveats(material))
        parts += ["## Judges", *map(markdown_text, judge_notes), markdown_table(each_judge(material))]
        agreement = agreement_table(material)
        parts += ["### Agreement between judges", markdown_table(agreement)] if agreement else []
        for _, audit in audit_tables(material):
            parts += ["### Against human ratings", markdown_text(audit.title), markdown_table(audit)]
        parts += [
            "## Cost, time, requests",
            markdown_table(cost_table(material.spending)),
            markdown_text(time_sentence(material)),
        ]
    parts += [
        "## How this was made",
        markdown_list([f"run {material.run_id}", f"page: {page_command(material)}"]),
    ]
    parts += [markdown_code(invocation.command) for invocation in material.invocations]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rates(material: ReportContext) -> Table:
    """Return a row per contest and judge."""
    columns = [
        Column("a", "A"),
        Column("b", "B"),
        Column("judge"),
        Column("win_rate", "A wins", "percent"),
        Column("interval", "95 %", "percent_range"),
        Column("order_robust", "order-robust", "percent_range"),
        Column("n", unit="count"),
        Column("consistency", unit="percent"),
        Column("first_position_rate", "first position", "percent"),
        Column("unscored", unit="unscored"),
    ]
    table = Table(columns=columns)
    for pair in material.pairs:
        for judged in pair.judged:
            rate = judged.hard
            table.add_row(
                pair.a.name,
                pair.b.name,
                judged.contest.judge,
                rate.rate,
                (rate.low, rate.high),
                rate.order_robust,
                rate.n,
                rate.consistency,
                rate.first_position_rate,
                judged.unscored,
            )
    return table
