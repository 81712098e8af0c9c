"""Requests, tokens, cost and time."""

from __future__ import annotations

from collections.abc import Sequence

from results.report.conclusions import NONE, counted, duration, moment, money
from results.report.context import ReportContext
from results.report.cost import CostSummary, ModelCost
from results.report.sections.section import PlainRow, PlainTable, Section
from results.report.templates import render_template

_HEADS = ("for", "model", "requests", "tokens in", "tokens out", "cost", "latency")


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


def cost_table(spending: CostSummary) -> PlainTable:
    """Return a row per model and purpose, and the total."""
    return PlainTable(
        _HEADS, (*(_row(model_cost) for model_cost in spending.by_model), _sum(spending)), texts=2
    )


def _row(model_cost: ModelCost) -> PlainRow:
    return PlainRow(
        (
            model_cost.purpose,
            model_cost.model,
            f"{model_cost.calls:,}",
            f"{model_cost.input_tokens:,}",
            f"{model_cost.output_tokens:,}",
            money(model_cost.cost_usd),
            duration(model_cost.seconds) if model_cost.seconds is not None else NONE,
        ),
        quiet=model_cost.model.startswith("control/"),
    )


def _sum(spending: CostSummary) -> PlainRow:
    every: Sequence[ModelCost] = spending.by_model
    tokens = (
        sum(model_cost.input_tokens for model_cost in every),
        sum(model_cost.output_tokens for model_cost in every),
    )
    return PlainRow(
        ("all", "", f"{spending.calls:,}", f"{tokens[0]:,}", f"{tokens[1]:,}", money(spending.cost_usd), "")
    )


def time_sentence(material: ReportContext) -> str:
    """Return sentences on when requests were sent and on the duration of training."""
    time = material.spending.time
    training_seconds = [
        checkpoint.record.get("seconds") for student in material.trained for checkpoint in student.line
    ]
    sentences = []
    if time.first is not None and time.last is not None:
        sentences.append(
            f"Requested between {moment(time.first)} and {moment(time.last)}, "
            f"in {counted(time.starts, 'process', 'processes')}; total running time {duration(time.worked)}."
        )
    if material.spending.unanswered_usd:
        sentences.append(
            f"Attempts without an answer cost up to {money(material.spending.unanswered_usd)} beside that."
        )
    if any(training_seconds):
        sentences.append(
            f"Training took {duration(sum(float(seconds) for seconds in training_seconds if seconds))}."
        )
    return " ".join(sentences)
