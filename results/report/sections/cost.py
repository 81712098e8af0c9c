"""Requests, tokens, cost and time."""

from __future__ import annotations

from agents.author_names import AuthorKind, AuthorName
from results.render.columns import columns
from results.render.format import format_count, format_elapsed, format_moment, format_usd
from results.render.table import Column, Table
from results.report.context import ReportContext
from results.report.cost import CostSummary
from results.report.sections.section import Section, bullets, heading, paragraph, tabulated

NOTE = "Each completion counts once, whichever run requested it. “Not known”: the price list lacks the model."
EMULATED_COST_NOTE = "Emulated answers have the price of the model they stand for; nothing was paid."


def cost(material: ReportContext) -> Section | None:
    """Return the table; None without requests."""
    if not material.spending.by_model and not material.failures:
        return None
    emulated = any(model.is_emulated for model in material.spending.by_model)
    notes = (_time_sentence(material), NOTE, EMULATED_COST_NOTE if emulated else "")
    blocks = [tabulated(_table(material.spending), "cost"), paragraph(" ".join(filter(None, notes)), "hint")]
    if material.failures:
        failures = (
            f"{each.model}: {each.failure}, {format_count(each.count, 'time')}" for each in material.failures
        )
        blocks += [heading("Attempts without an answer", "failures"), bullets(failures)]
    return Section("cost", "Cost, time, requests", tuple(blocks))


def _table(spending: CostSummary) -> Table:
    """Return a row per model and purpose, and the total."""
    purpose, latency = Column("purpose", "for"), Column("seconds", "latency", "elapsed")
    shown = columns(purpose, "model", "requests", "input_tokens", "output_tokens", "cost_usd", latency)
    table, models = Table(columns=shown), spending.by_model
    for model in models:
        table.add_row(
            model.purpose,
            model.model,
            model.calls,
            model.input_tokens,
            model.output_tokens,
            model.cost_usd,
            model.seconds,
            style="dim" if AuthorName.parse(model.model).kind is AuthorKind.CONTROL else "",
        )
    tokens = (sum(model.input_tokens for model in models), sum(model.output_tokens for model in models))
    table.add_section()
    table.add_row("all", "", spending.calls, *tokens, spending.cost_usd)
    return table


def _time_sentence(material: ReportContext) -> str:
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
