"""Judges against human ratings, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from agents.models.family import FamilyMatch, self_preference_warning
from agents.models.spec import is_emulated
from agents.types import Split
from results.analysis.judge_audit import AuditSummary, JudgeAuditResult
from results.render.calibration import calibration_data, calibration_lines
from results.render.format import EMULATED_NOTE, format_percent, format_value
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.judge_accuracy import HUMAN_LLM, LLM_LLM, Audit, JudgeBias
from results.statistics.not_estimable import NotEstimable, estimated
from results.statistics.within_rater_test import WithinRaters

SELECTION = {
    Split.TEST: "The test dialogues were selected by low ratings, so these numbers are conditioned on the "
    "outcome and do not transfer to other dialogues. Compare judges with each other and with the baselines "
    "on the same split.",
    Split.TRAIN: "The training dialogues exclude the low-rated test dialogues, so these numbers are "
    "conditioned on the outcome in the opposite direction. Judges fitted on them are audited out of fold.",
}
NO_CEILING = (
    "Each rater rated ten responses of one responder once, so rater and responder are confounded and no "
    "ceiling of agreement can be estimated. The baselines include a judge that only uses the rater's other "
    "ratings."
)


WITHIN = (
    "Within raters: agreement beyond the mean agreement when each rater's ratings are permuted among that "
    "rater's dialogues, in points, with the p-value of no excess. It measures knowledge of single responses "
    "beyond rater and responder effects."
)
CENTRED = (
    "centring by each rater's mean does not remove the rater: a judge of leniency alone agrees in more than "
    "one half, so one half is not chance level; within_raters is the valid test"
)


def render_judge_audit(summaries: Sequence[AuditSummary]) -> Rendering:
    """Render the audits of one or both splits: `audits` in the document, one table and findings per split."""
    tables = []
    for summary in summaries:
        findings = (line for result in summary.judges for line in reliability_findings(result))
        tables.append(replace(audit_table(summary), caveats=(*general_caveats(summary), *findings)))
    return Rendering({"audits": [_data(summary) for summary in summaries]}, tuple(tables))


def _data(summary: AuditSummary) -> dict[str, Any]:
    """Return one split's audit as JSON data."""
    return {
        "run": summary.data.run_id,
        "split": summary.split,
        "selection": SELECTION[Split(summary.split)],
        "llm_preferred_to_human": summary.llm_preferred,
        "ceiling": None,
        "no_ceiling": NO_CEILING,
        "pairs": len(summary.data.pairs),
        "dialogues": len(summary.data.dialogues),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "judges": [_judge_data(audit_result) for audit_result in summary.judges],
        "baselines": [_judge_data(audit_result) for audit_result in summary.baselines],
    }


def _emulated(summary: AuditSummary) -> bool:
    """Return whether any judge is emulated."""
    return any(judge.verdicts is not None and is_emulated(judge.verdicts.model) for judge in summary.judges)


def _judge_data(result: JudgeAuditResult) -> dict[str, Any]:
    """Return one judge's audit as JSON data."""
    audit, verdicts = result.audit, result.verdicts
    return {
        "judge": result.name,
        "judge_id": verdicts.judge_id if verdicts else "",
        "answering_models": dict(verdicts.answering_models) if verdicts else {},
        "several_answering_models": verdicts is not None and len(verdicts.answering_models) > 1,
        "family": result.family,
        "same_family": list(result.same_family),
        "excluded_same_family": result.left_out,
        "agreement": asdict(audit.agreement),
        "bounds": [audit.low_bound, audit.high_bound],
        "rater_centred": asdict(audit.centred),
        "rater_centred_note": CENTRED,
        "within_raters": None if isinstance(audit.within, NotEstimable) else asdict(audit.within),
        "within_raters_not_estimable": _reason(audit.within),
        "gap_2": asdict(audit.rating_gap_2),
        "groups": {name: asdict(estimate) for name, estimate in audit.groups.items()},
        "responders": [
            {
                "first": pair.first,
                "second": pair.second,
                "agreement": asdict(pair.agreement),
                "prefer_first": {"humans": pair.humans, "judge": pair.judge},
                "kappa": estimated(pair.kappa),
                "kappa_not_estimable": _reason(pair.kappa),
            }
            for pair in audit.pairs
        ],
        "kappa": estimated(audit.kappa),
        "kappa_not_estimable": _reason(audit.kappa),
        "consistency": audit.consistency,
        "first_position_rate": audit.first_position_rate,
        "length": _bias_data(audit.length),
        "own_family": None if isinstance(audit.own_family, NotEstimable) else _bias_data(audit.own_family),
        "own_family_not_estimable": _reason(audit.own_family),
        "ties": audit.ties,
        "stability": audit.stability,
        "n": audit.n,
        "incomplete": audit.incomplete,
        "calibration": calibration_data(result.calibration),
        "over_baselines": {name: asdict(estimate) for name, estimate in result.over.items()},
        "unscored": dict(verdicts.unscored) if verdicts else {},
        "retried_judgments": verdicts.asked_again if verdicts else 0,
        "judgments": verdicts.judgments if verdicts else 0,
        "cost_usd": verdicts.cost_usd if verdicts else None,
        "cost_usd_per_1000": cost_per_1000(result),
        "seconds_per_1000": seconds_per_1000(result),
        "stopped": result.endpoint.stopped if result.endpoint else "",
    }


def _bias_data(bias: JudgeBias) -> dict[str, Any]:
    """Return a judge bias as JSON data."""
    return asdict(bias)


def _reason(value: object) -> str:
    """Return why a value is not estimable, else ""."""
    return value.reason if isinstance(value, NotEstimable) else ""


def cost_per_1000(result: JudgeAuditResult) -> float | None:
    """Return US dollars per 1,000 judgments; None if unknown or without judgments."""
    if result.verdicts is None or result.verdicts.cost_usd is None or not result.verdicts.judgments:
        return None
    return 1000 * result.verdicts.cost_usd / result.verdicts.judgments


def seconds_per_1000(result: JudgeAuditResult) -> float | None:
    """Return seconds per 1,000 sequential judgments; divide by the requests in flight."""
    return (
        None if result.verdicts is None or result.verdicts.seconds is None else 1000 * result.verdicts.seconds
    )


def _estimate(estimate: ClusteredEstimate) -> Value:
    """Return an estimate as (value, low, high)."""
    return estimate.value, estimate.low, estimate.high


def _percent(estimate: ClusteredEstimate) -> str:
    """Return a share in percent with its interval."""
    return format_value(_estimate(estimate), "percent_estimate")


def _points(estimate: ClusteredEstimate) -> str:
    """Return a difference in points with its interval."""
    return format_value(_estimate(estimate), "points_estimate")


UNSCORED = Column("unscored", unit="unscored")
AUDIT_COLUMNS = (
    Column("judge"),
    Column("agreement", unit="percent", style="bold"),
    Column("interval", "95 %", "percent_range"),
    Column("within_raters", unit="points_p"),
    Column("gap_2", "rating gap 2", "percent"),
    Column("human_llm", "human v LLM", "percent"),
    Column("llm_llm", "LLM v LLM", "percent"),
    Column("kappa", "κ", "decimal"),
    Column("consistency", unit="percent"),
    Column("first_position_rate", "first position", "percent"),
    Column("longer", unit="percent"),
    Column("own_family", unit="points"),
    Column("stability", "repeats agree", "percent"),
    Column("n", unit="count"),
    UNSCORED,
    Column("cost_usd_per_1000", "cost /1000", "usd"),
    Column("seconds_per_1000", "s /1000", "whole"),
)


def audit_table(summary: AuditSummary) -> Table:
    """Return one row per judge, then one per baseline."""
    data = summary.data
    table = Table(
        f"Agreement with human ratings, {summary.split} split: {len(data.pairs):,} pairs with "
        f"different ratings in {len(data.dialogues):,} dialogues, both orders",
        columns=list(AUDIT_COLUMNS),
    )
    for result in summary.judges:
        table.add_row(result.name, *_cells(result))
    table.add_section()
    for result in summary.baselines:
        table.add_row(result.name, *_cells(result), style="dim")
    return table


def audit_cells(audit: Audit, unscored: Value) -> tuple[Value, ...]:
    """Return the cells of the estimates, from `agreement` to `unscored`."""
    within, family = audit.within, audit.own_family
    return (
        audit.agreement.value,
        (audit.agreement.low, audit.agreement.high),
        None if isinstance(within, NotEstimable) else (within.excess, within.p),
        audit.rating_gap_2.value,
        audit.groups[HUMAN_LLM].value,
        audit.groups[LLM_LLM].value,
        estimated(audit.kappa),
        audit.consistency,
        audit.first_position_rate,
        audit.length.judge.value,
        None if isinstance(family, NotEstimable) else family.difference.value,
        audit.stability,
        audit.n,
        unscored,
    )


def _cells(result: JudgeAuditResult) -> tuple[Value, ...]:
    """Return one row of the table after the name."""
    verdicts = result.verdicts
    return (
        *audit_cells(result.audit, verdicts.unscored if verdicts else {}),
        "-" if verdicts is None else cost_per_1000(result),
        None if result.is_baseline else seconds_per_1000(result),
    )


def general_caveats(summary: AuditSummary) -> list[str]:
    """Return the caveats that concern no single judge."""
    notes = [EMULATED_NOTE] if _emulated(summary) else []
    notes += [
        f"{SELECTION[Split(summary.split)]} People rated the LLM's response higher than the human one in "
        f"{format_percent(summary.llm_preferred)} of these pairs.",
        NO_CEILING,
        "Agreement: share of verdicts for the higher-rated response, a tie counting one half; ½ is chance. "
        "Intervals resample rating tasks. κ: with fixed roles per pair of responders. Longer: share of "
        f"verdicts for the longer response (ratings: {format_percent(_humans_longer(summary))}). Own family: "
        "share of verdicts minus share of ratings for it, in points. Seconds: for sequential requests.",
        WITHIN,
    ]
    notes += [
        note
        for result in summary.judges
        if result.verdicts and (note := result.verdicts.answering_model_note)
    ]
    notes += [note for result in summary.judges if (note := _same_family_note(result))]
    return notes


def _same_family_note(result: JudgeAuditResult) -> str:
    """Return the self-preference warning of a judge; "" without responders of its family."""
    if not result.same_family:
        return ""
    warning = self_preference_warning(
        result.name, [FamilyMatch(f"dataset:{name}", "", result.family) for name in result.same_family]
    )
    left_out = f"; the {result.left_out:,} pairs with those are left out" if result.left_out else ""
    return f"{warning}{left_out}."


def _humans_longer(summary: AuditSummary) -> float | None:
    """Return the share of ratings for the longer response."""
    results = (*summary.judges, *summary.baselines)
    return next(
        (result.audit.length.humans for result in results if result.audit.length.humans is not None), None
    )


def reliability_findings(result: JudgeAuditResult) -> list[str]:
    """Return what a judge is reliable for, one line each, based on intervals instead of point estimates."""
    audit, lines = result.audit, []
    beaten = [name for name, excess in result.over.items() if excess.low is not None and excess.low > 0]
    beaten_by = [name for name, excess in result.over.items() if excess.high is not None and excess.high < 0]
    not_beaten = [name for name in result.over if name not in (*beaten, *beaten_by)]
    if audit.agreement.value is None:
        return [f"{result.name}: no result, because no pair has all its verdicts"]
    if audit.agreement.low is not None and audit.agreement.low > 0.5:
        lines.append(f"agrees with people more often than chance: {_percent(audit.agreement)}")
    else:
        lines.append(f"not shown to agree with people more often than chance: {_percent(audit.agreement)}")
    lines += _within_line(audit.within)
    if beaten:
        lines.append(f"agrees more than {_baseline_differences(result, beaten)}")
    if not_beaten:
        lines.append(f"not shown to agree more or less than {_baseline_differences(result, not_beaten)}")
    if beaten_by:
        lines.append(f"agrees less than {_baseline_differences(result, beaten_by)}")
    for name, group in audit.groups.items():
        if group.low is None or group.low <= 0.5:
            lines.append(f"not reliable for {name}: {_percent(group)}")
    if audit.consistency is not None and audit.consistency < 0.8:
        lines.append(
            f"only {format_percent(audit.consistency)} of pairs are consistent, so always judge both orders"
        )
    lines += _bias_lines(audit.length, "the longer response")
    if isinstance(audit.own_family, JudgeBias):
        lines += _bias_lines(audit.own_family, f"its own family ({result.family})")
    if audit.incomplete:
        lines.append(
            f"{audit.incomplete} pairs lack a verdict; over all pairs, agreement is between "
            f"{format_percent(audit.low_bound)} and {format_percent(audit.high_bound)}"
        )
    lines += calibration_lines(result.calibration)
    return [f"{result.name}: {line}" for line in lines]


def _within_line(result: WithinRaters | NotEstimable) -> list[str]:
    """Return the finding of the within-rater test."""
    if isinstance(result, NotEstimable):
        return []
    excess = format_value((result.excess, result.p), "points_p")
    evidence = f"{excess}; {result.movable:,} of {result.n:,} pairs are informative"
    if result.p <= 0.05 and result.excess > 0:
        return [f"agrees beyond rater and responder effects: {evidence}"]
    return [f"not shown to agree beyond rater and responder effects: {evidence}"]


def _baseline_differences(result: JudgeAuditResult, names: Sequence[str]) -> str:
    """Return the differences from baselines, such as `control/longer, +4.1 (+1.1 to +7.3) points; …`."""
    return "; ".join(f"{name}, {_points(result.over[name])} points" for name in names)


def _bias_lines(bias: JudgeBias, kind: str) -> list[str]:
    """Return the finding of a significant bias."""
    difference = bias.difference
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return []
    side = "more" if difference.low > 0 else "less"
    return [f"prefers {kind} {side} often than people: {_points(difference)} points"]


def page_title(summary: AuditSummary) -> str:
    """Return the title of the audit page."""
    return f"Judges against human ratings: {summary.split} split"
