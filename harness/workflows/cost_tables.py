"""Cost estimates of judging and generating: requests, tokens, time and cost by model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from typing_extensions import TypedDict

from harness.workflows.audit import AuditPlan
from harness.workflows.generation_cost import GenerationCost
from harness.workflows.judge_cost import CostEstimate
from results.render.columns import columns
from results.render.contest_design import DesignFields
from results.render.rendering import Rendering
from results.render.table import Column, Table

NOTE = (
    "Requests are counted exactly; tokens and time are estimates. At most: with every allowed retry charged "
    "in full. No request was sent."
)


class JudgingEstimateDocument(DesignFields):
    """Cost of a judging run, before anything is sent.

    Attributes:
        judges: estimate of each judge.
    """

    document: Literal["judging_estimate"]
    judges: list[CostEstimate]


class AuditCostData(TypedDict):
    """Cost of one judge's audit on one split.

    Attributes:
        split: the split.
        pairs: number of pairs.
        cost: the estimate.
    """

    split: str
    pairs: int
    cost: CostEstimate


class AuditEstimateDocument(TypedDict):
    """Cost of an audit, before anything is sent.

    Attributes:
        judges: estimate of each judge and split.
    """

    document: Literal["audit_estimate"]
    judges: list[AuditCostData]


class GenerationEstimateDocument(TypedDict):
    """Cost of a generation run, before anything is sent.

    Attributes:
        models: estimate of each model.
    """

    document: Literal["generation_estimate"]
    models: list[GenerationCost]


def render_judging_cost(estimates: Sequence[CostEstimate], labels: Sequence[str] = ()) -> Rendering:
    """Render the estimates of judges, each named by its label; by default by the judge."""
    names = labels or [estimate.judge for estimate in estimates]
    document: JudgingEstimateDocument = {"document": "judging_estimate", "judges": list(estimates)}
    return Rendering(document, (cost_table("judge", names, estimates),), caveats=(NOTE,))


def render_audit_cost(estimates: Sequence[tuple[AuditPlan, CostEstimate]]) -> Rendering:
    """Render the estimates of audited judges, each with its split."""
    labels = [f"{cost.judge}, {plan.split} split, {len(plan.pairs):,} pairs" for plan, cost in estimates]
    rows: list[AuditCostData] = [
        {"split": plan.split, "pairs": len(plan.pairs), "cost": cost} for plan, cost in estimates
    ]
    document: AuditEstimateDocument = {"document": "audit_estimate", "judges": rows}
    return replace(render_judging_cost([cost for _, cost in estimates], labels), document=document)


def render_generation_cost(costs: Sequence[GenerationCost]) -> Rendering:
    """Render the estimates of models."""
    document: GenerationEstimateDocument = {"document": "generation_estimate", "models": list(costs)}
    table = cost_table("model", [cost.model for cost in costs], costs)
    return Rendering(document, (table,), caveats=(NOTE,))


def cost_table(kind: str, names: Sequence[str], estimates: Sequence[CostEstimate | GenerationCost]) -> Table:
    """Return one row per judge or model."""
    shown = columns(
        *(kind, "requests", Column("stored", unit="count"), "input_tokens", "output_tokens"),
        Column("seconds", "time", "duration"),
        Column("expected_usd", "expected cost", "usd"),
        Column("maximum_usd", "at most", "usd"),
    )
    table = Table(columns=shown)
    for name, estimate in zip(names, estimates, strict=True):
        table.add_row(
            name,
            estimate.calls,
            estimate.known,
            estimate.input_tokens,
            estimate.output_tokens,
            "unknown without a limit" if estimate.seconds is None else estimate.seconds,
            estimate.expected_usd,
            estimate.maximum_usd,
        )
    return table
