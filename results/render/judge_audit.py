"""Judges against human ratings, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from typing_extensions import TypedDict

from agents.models.family import FamilyMatch, self_preference_warning
from agents.models.spec import is_emulated
from agents.types import Split
from results.analysis.judge_audit import AuditSummary, JudgeAuditResult
from results.render.calibration import calibration_lines
from results.render.columns import columns
from results.render.contest import range_document
from results.render.documents import RangeDocument
from results.render.estimable import Estimable, estimable
from results.render.format import EMULATED_NOTE, format_percent, format_value
from results.render.rendering import Rendering
from results.render.table import Column, Quantity, Table, Value
from results.statistics.calibration import Calibration
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.judge_accuracy import HUMAN_LLM, LLM_LLM, JudgeBias
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


class PreferenceShares(TypedDict):
    """Shares in favour of the first of two responders, in [0, 1].

    Attributes:
        humans: share of ratings; null without pairs.
        judge: share of verdicts; null without pairs.
    """

    humans: float | None
    judge: float | None


class ResponderPairDocument(TypedDict):
    """Agreement on the pairs of two responders.

    Attributes:
        first, second: the responders.
        agreement: agreement of the judge with the ratings.
        prefer_first: shares in favour of the first responder.
        kappa: Cohen's kappa; not estimable if one outcome exceeds 90 %.
    """

    first: str
    second: str
    agreement: ClusteredEstimate
    prefer_first: PreferenceShares
    kappa: Estimable[float]


class JudgeAuditDocument(TypedDict):
    """Audit of one judge or baseline on pairs of rated responses.

    Attributes:
        judge: display name.
        judge_id: content id of the judge; "" for a baseline that is computed here.
        answering_models: number of completions by the model that answered.
        several_answering_models: whether several models answered under the judge's name.
        family: maker of the judge, or "".
        same_family: responders of the judge's model family.
        excluded_same_family: number of pairs left out because a responder is of the judge's model family.
        agreement: share of verdicts for the response with the higher rating, a tie counting one half.
        bounds: agreement with every missing verdict wrong, and right.
        rater_centred: agreement with ratings minus the rater's mean.
        rater_centred_note: what limits that number.
        within_raters: agreement beyond what rater and responder alone produce.
        gap_2: agreement on pairs rated 1 against 3.
        groups: agreement by kind of pair.
        responders: agreement by pair of responders.
        kappa: Cohen's kappa over all pairs of responders.
        consistency: share of pairs whose two orders name the same response.
        first_position_rate: share of verdicts for the first response.
        length: verdicts and ratings for the longer response.
        own_family: verdicts and ratings for responses of the judge's own model family.
        ties: share of ties among the verdicts.
        repetition_stability: share of comparisons whose samples all agree; null with one sample.
        n: number of complete pairs.
        incomplete: number of other pairs.
        calibration: calibration of soft verdicts; null for a judge without them.
        over_baselines: agreement minus that of each baseline.
        unscored: number of judgments without a verdict, by reason.
        retried_judgments: number of judgments that needed more than one attempt.
        judgments: number of judgments.
        cost_usd: cost of all completions; null if unknown.
        cost_usd_per_1000: cost of 1,000 judgments; null if unknown.
        seconds_per_1000: time of 1,000 judgments; null if unknown.
        stopped: why the endpoint was disabled, or "".
    """

    judge: str
    judge_id: str
    answering_models: dict[str, int]
    several_answering_models: bool
    family: str
    same_family: list[str]
    excluded_same_family: int
    agreement: ClusteredEstimate
    bounds: RangeDocument
    rater_centred: ClusteredEstimate
    rater_centred_note: str
    within_raters: Estimable[WithinRaters]
    gap_2: ClusteredEstimate
    groups: dict[str, ClusteredEstimate]
    responders: list[ResponderPairDocument]
    kappa: Estimable[float]
    consistency: float | None
    first_position_rate: float | None
    length: JudgeBias
    own_family: Estimable[JudgeBias]
    ties: float | None
    repetition_stability: float | None
    n: int
    incomplete: int
    calibration: Estimable[Calibration] | None
    over_baselines: dict[str, ClusteredEstimate]
    unscored: dict[str, int]
    retried_judgments: int
    judgments: int
    cost_usd: float | None
    cost_usd_per_1000: float | None
    seconds_per_1000: float | None
    stopped: str


class SplitAuditDocument(TypedDict):
    """Judges against human ratings on one split.

    Attributes:
        run: id of the run.
        split: the split.
        selection: how its dialogues were selected.
        llm_preferred_to_human: share of human-LLM pairs whose LLM response has the higher rating.
        ceiling: upper limit of agreement; null, because none can be estimated.
        no_ceiling: why there is none.
        pairs: number of pairs.
        dialogues: number of dialogues.
        interrupted: whether this process was interrupted.
        emulated: whether any judge is emulated.
        judges: the audited judges.
        baselines: what a judge must beat.
    """

    run: str
    split: str
    selection: str
    llm_preferred_to_human: float | None
    ceiling: None
    no_ceiling: str
    pairs: int
    dialogues: int
    interrupted: bool
    emulated: bool
    judges: list[JudgeAuditDocument]
    baselines: list[JudgeAuditDocument]


class AuditDocument(TypedDict):
    """Judges against human ratings, beside baselines.

    Attributes:
        audits: audit of one or both splits.
    """

    document: Literal["audit"]
    audits: list[SplitAuditDocument]


def render_judge_audit(summaries: Sequence[AuditSummary]) -> Rendering:
    """Render the audits of one or both splits: `audits` in the document, one table and findings per split."""
    tables = []
    for summary in summaries:
        findings = (line for result in summary.judges for line in reliability_findings(result))
        tables.append(replace(audit_table(summary), caveats=(*general_caveats(summary), *findings)))
    document: AuditDocument = {
        "document": "audit",
        "audits": [split_audit_document(summary) for summary in summaries],
    }
    return Rendering(document, tuple(tables))


def split_audit_document(summary: AuditSummary) -> SplitAuditDocument:
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


def _judge_data(result: JudgeAuditResult) -> JudgeAuditDocument:
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
        "agreement": audit.agreement,
        "bounds": range_document(audit.low_bound, audit.high_bound),
        "rater_centred": audit.centred,
        "rater_centred_note": CENTRED,
        "within_raters": estimable(audit.within),
        "gap_2": audit.rating_gap_2,
        "groups": dict(audit.groups),
        "responders": [
            {
                "first": pair.first,
                "second": pair.second,
                "agreement": pair.agreement,
                "prefer_first": {"humans": pair.humans, "judge": pair.judge},
                "kappa": estimable(pair.kappa),
            }
            for pair in audit.pairs
        ],
        "kappa": estimable(audit.kappa),
        "consistency": audit.consistency,
        "first_position_rate": audit.first_position_rate,
        "length": audit.length,
        "own_family": estimable(audit.own_family),
        "ties": audit.ties,
        "repetition_stability": audit.stability,
        "n": audit.n,
        "incomplete": audit.incomplete,
        "calibration": None if result.calibration is None else estimable(result.calibration),
        "over_baselines": dict(result.over),
        "unscored": dict(verdicts.unscored) if verdicts else {},
        "retried_judgments": verdicts.asked_again if verdicts else 0,
        "judgments": verdicts.judgments if verdicts else 0,
        "cost_usd": verdicts.cost_usd if verdicts else None,
        "cost_usd_per_1000": cost_per_1000(result),
        "seconds_per_1000": seconds_per_1000(result),
        "stopped": result.endpoint.stopped if result.endpoint else "",
    }


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


AUDIT_COLUMNS = columns(
    *("judge", "agreement", "interval", Column("within_raters", unit="points_p")),
    *(Column("gap_2", "rating gap 2", "percent"), Column("human_llm", "human v LLM", "percent")),
    *(Column("llm_llm", "LLM v LLM", "percent"), "kappa", "consistency", "first_position_rate"),
    *(Column("longer", unit="percent"), Column("own_family", unit="points"), "repetition_stability"),
    *("n", "unscored", Column("cost_usd_per_1000", "cost /1000", "usd")),
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


def _cells(result: JudgeAuditResult) -> tuple[Value, ...]:
    """Return one row of the table after the name."""
    audit, verdicts = result.audit, result.verdicts
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
        verdicts.unscored if verdicts else {},
        Quantity(None, "text") if verdicts is None else cost_per_1000(result),
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
