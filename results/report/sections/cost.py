"""Requests, tokens, cost and time."""

from __future__ import annotations

from results.render.format import format_count, format_elapsed, format_moment, format_usd
from results.render.table import Column, Table
from results.report.context import ReportContext
from results.report.cost import CostSummary
from results.report.sections.section import Section
from results.report.templates import render_template


def cost(material: ReportContext) -> Section | None:
    """Render the table; None without requests."""
    if not material.spending.by_model and not material.failures:
        return None
    html = render_template(
        "cost",
        table=cost_table(material.spending),
        time=time_sentence(material),
        emulated=any(model_cost.is_emulated for model_cost in material.spending.by_model),
        failures=material.failures,
    )
    return Section("cost", "Cost, time, requests", html)


def cost_table(spending: CostSummary) -> Table:
    """Return a row per model and purpose, and the total."""
    columns = [
        Column("purpose", "for"),
        Column("model"),
        Column("requests", unit="count"),
        Column("input_tokens", "tokens in", "count"),
        Column("output_tokens", "tokens out", "count"),
        Column("cost_usd", "cost", "usd"),
        Column("seconds", "latency", "elapsed"),
    ]
    table, models = Table(columns=columns), spending.by_model
    for model in models:
        table.add_row(
            model.purpose,
            model.model,
            model.calls,
            model.input_tokens,
            model.output_tokens,
            model.cost_usd,
            model.seconds,
            style="dim" if model.model.startswith("control/") else "",
        )
    tokens = (sum(model.input_tokens for model in models), sum(model.output_tokens for model in models))
    table.add_section()
    table.add_row("all", "", spending.calls, *tokens, spending.cost_usd)
    return table


def time_sentence(material: ReportContext) -> str:
    """Return sentences on when requests were sent and on the duration of training."""
    time = material.spending.time
    training_seconds = [
        checkpoint.record.get("seconds") for student in material.trained for checkpoint in student.line
    ]
    sentences = []
    if time.first is not None and time.last is not None:
        sentences.append(
            f"Requested between {format_moment(time.first)} and {format_moment(time.last)}, "
            f"in {format_count(time.starts, 'process', 'processes')}; total running time "
            f"{format_elapsed(time.worked)}."
        )
    if material.spending.unanswered_usd:
        unanswered = format_usd(material.spending.unanswered_usd)
        sentences.append(f"Attempts without an answer cost up to {unanswered} beside that.")
    if any(training_seconds):
        sentences.append(
            f"Training took {format_elapsed(sum(float(seconds) for seconds in training_seconds if seconds))}."
        )
    return " ".join(sentences)
