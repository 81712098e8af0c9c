"""An audit as data and as tables: the same numbers, no other. Computes nothing.

Rates lie in [0, 1] in the data and are percent in tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agents.models.family import FamilyMatch, self_preference_warning
from agents.models.spec import is_emulated
from agents.types import Split
from results.analysis.audit_baselines import LENIENCY
from results.analysis.judge_audit import AuditSummary, JudgeAuditResult
from results.render.calibration import calibration_data, calibration_lines
from results.render.format import EMULATED_NOTE, format_percent, format_range, format_reasons
from results.render.table import Table
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.judge_accuracy import HUMAN_LLM, LLM_LLM, JudgeBias
from results.statistics.not_estimable import NotEstimable
from results.statistics.within_rater_test import WithinRaters

SELECTION = {
    Split.TEST: "The test dialogues were chosen by their low ratings, so these numbers are conditioned on "
    "the outcome: what a judge reaches here it need not reach elsewhere. Compare judges with each other and "
    "with the floors, on the same split.",
    Split.TRAIN: "The training dialogues are what the choice of the low-rated test dialogues left over, so "
    "they are conditioned on the outcome too, the other way; judges that were fitted on them are audited out "
    "of fold alone.",
}
NO_CEILING = (
    "Each rater rated ten responses of one responder, once: rater and responder are confounded and no "
    "ceiling of agreement can be estimated. A judge that reads nothing but what the rater gave elsewhere "
    "stands among the floors."
)


WITHIN = (
    "Within raters: how much more the judge agrees than where each rater's ratings are permuted among the "
    "dialogues that it rated, its task and responder kept, in points, with the p of no excess: what the "
    "judge knows of single responses, beyond who rated and who responded."
)
CENTRED = (
    "taking off each rater's mean does not remove the rater: leniency alone agrees in more than one half, so "
    "one half is not the level of chance; within_raters is the test"
)


def to_dict(summary: AuditSummary) -> dict[str, Any]:
    """One split's audit as plain data."""
    return {
        "run": summary.found.run_id,
        "split": summary.split,
        "selection": SELECTION[Split(summary.split)],
        "llm_preferred_to_human": summary.llm_preferred,
        "ceiling": None,
        "no_ceiling": NO_CEILING,
        "pairs": len(summary.found.pairs),
        "dialogues": len(summary.found.dialogues),
        "interrupted": summary.interrupted,
        "emulated": _emulated(summary),
        "judges": [_judge_data(one) for one in summary.judges],
        "baselines": [_judge_data(one) for one in summary.baselines],
    }


def _emulated(summary: AuditSummary) -> bool:
    return any(one.said is not None and is_emulated(one.said.model) for one in summary.judges)


def _judge_data(one: JudgeAuditResult) -> dict[str, Any]:
    found, said = one.audit, one.said
    return {
        "judge": one.name,
        "judge_id": said.judge_id if said else "",
        "answering_models": dict(said.answerers) if said else {},
        "several_answering_models": said is not None and len(said.answerers) > 1,
        "family": one.family,
        "same_family": list(one.same_family),
        "excluded_same_family": one.left_out,
        "agreement": asdict(found.agreement),
        "bounds": [found.low_bound, found.high_bound],
        "rater_centred": asdict(found.centred),
        "rater_centred_note": CENTRED,
        "within_raters": None if isinstance(found.within, NotEstimable) else asdict(found.within),
        "within_raters_refused": _reason(found.within),
        "gap_2": asdict(found.rating_gap_2),
        "groups": {name: asdict(estimate) for name, estimate in found.groups.items()},
        "responders": [
            {
                "first": pair.first,
                "second": pair.second,
                "agreement": asdict(pair.agreement),
                "prefer_first": {"humans": pair.humans, "judge": pair.judge},
                "kappa": _number(pair.kappa),
                "kappa_refused": _reason(pair.kappa),
            }
            for pair in found.pairs
        ],
        "kappa": _number(found.kappa),
        "kappa_refused": _reason(found.kappa),
        "consistency": found.consistency,
        "first_position_rate": found.first_position_rate,
        "length": _leaning(found.length),
        "own_family": None if isinstance(found.own_family, NotEstimable) else _leaning(found.own_family),
        "own_family_refused": _reason(found.own_family),
        "ties": found.ties,
        "stability": found.stability,
        "n": found.n,
        "incomplete": found.incomplete,
        "calibration": calibration_data(one.calibration),
        "over_baselines": {name: asdict(estimate) for name, estimate in one.over.items()},
        "unscored": dict(said.unscored) if said else {},
        "asked_again": said.asked_again if said else 0,
        "judgments": said.judgments if said else 0,
        "cost_usd": said.cost_usd if said else None,
        "cost_usd_per_1000": cost_per_1000(one),
        "seconds_per_1000": seconds_per_1000(one),
        "stopped": one.endpoint.stopped if one.endpoint else "",
    }


def _leaning(leaning: JudgeBias) -> dict[str, Any]:
    return asdict(leaning)


def _number(value: float | NotEstimable) -> float | None:
    return None if isinstance(value, NotEstimable) else value


def _reason(value: object) -> str:
    return value.reason if isinstance(value, NotEstimable) else ""


def cost_per_1000(one: JudgeAuditResult) -> float | None:
    """US dollars for a thousand judgments; None where not known or none was made."""
    if one.said is None or one.said.cost_usd is None or not one.said.judgments:
        return None
    return 1000 * one.said.cost_usd / one.said.judgments


def seconds_per_1000(one: JudgeAuditResult) -> float | None:
    """Seconds of waiting for a thousand judgments, one after another; divide by the calls in flight."""
    return None if one.said is None or one.said.seconds is None else 1000 * one.said.seconds


def format_estimate(found: ClusteredEstimate) -> str:
    """`61.6 % (58.0 to 65.1)`."""
    return (
        "-"
        if found.value is None
        else f"{format_percent(found.value)} ({format_range(found.low, found.high)})"
    )


def format_points(found: ClusteredEstimate) -> str:
    """`+4.2 (−0.3 to +8.8)` in points."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def format_decimal(value: float | NotEstimable | None) -> str:
    """Two decimals, or `-`."""
    return f"{value:.2f}" if isinstance(value, float) else "-"


def to_table(summary: AuditSummary) -> Table:
    """Judges, then floors, a row each."""
    found = summary.found
    table = Table(
        f"Agreement with human ratings, {summary.split} split: {len(found.pairs):,} pairs with "
        f"different ratings in {len(found.dialogues):,} dialogues, both orders"
    )
    table.add_column("judge")
    for name in audit_cells(summary.judges[0] if summary.judges else summary.baselines[0]):
        table.add_column(name, justify="right", style="bold" if name == "agreement" else "")
    for one in summary.judges:
        table.add_row(one.name, *audit_cells(one).values())
    if summary.judges:
        table.add_section()
    for one in summary.baselines:
        table.add_row(one.name, *audit_cells(one).values(), style="dim")
    return table


def audit_cells(one: JudgeAuditResult) -> dict[str, str]:
    """One row of the table, by heading."""
    found = one.audit
    family = found.own_family
    cost, seconds = cost_per_1000(one), seconds_per_1000(one)
    return {
        "agreement": format_percent(found.agreement.value),
        "95 %": format_range(found.agreement.low, found.agreement.high),
        "within raters": format_within(found.within),
        "gap 2": format_percent(found.rating_gap_2.value),
        "human v LLM": format_percent(found.groups[HUMAN_LLM].value),
        "LLM v LLM": format_percent(found.groups[LLM_LLM].value),
        "κ": format_decimal(found.kappa),
        "consistency": format_percent(found.consistency),
        "first place": format_percent(found.first_position_rate),
        "longer": format_percent(found.length.judge.value),
        "own family": "-" if isinstance(family, NotEstimable) else points_only(family.difference),
        "repeats agree": format_percent(found.stability),
        "n": str(found.n),
        "unscored": format_reasons(one.said.unscored) if one.said else "0",
        "cost /1000": "-" if one.said is None else "not known" if cost is None else f"${cost:.2f}",
        "s /1000": "-" if seconds is None or one.is_baseline else f"{seconds:,.0f}",
    }


def format_within(found: WithinRaters | NotEstimable) -> str:
    """`+4.2 (p 0.001)`, in points."""
    return "-" if isinstance(found, NotEstimable) else f"{100 * found.excess:+.1f} (p {found.p:.3f})"


def points_only(found: ClusteredEstimate) -> str:
    """`+4.2`, in points."""
    return "-" if found.value is None else f"{100 * found.value:+.1f}"


def caveats(summary: AuditSummary) -> list[str]:
    """What a reader of the table must know."""
    told = [EMULATED_NOTE] if _emulated(summary) else []
    told += [
        f"{SELECTION[Split(summary.split)]} People rated the LLM's response higher than the person's in "
        f"{format_percent(summary.llm_preferred)} of these pairs of the two.",
        NO_CEILING,
        "Agreement: share of verdicts for the response rated higher, a tie one half; ½ is chance. Intervals "
        "resample rating tasks. κ: responders' roles fixed. Longer: share of verdicts for the longer "
        f"response (ratings: {format_percent(_humans_longer(summary))}). Own family: verdicts for it less ratings "
        "for it, in points. Seconds: of waiting, one call after another.",
        WITHIN,
    ]
    told += [note for one in summary.judges if one.said and (note := one.said.answering_model_note)]
    told += [note for one in summary.judges if (note := _kin_note(one))]
    told += [line for one in summary.judges for line in reliability_findings(one)]
    return told


def _kin_note(one: JudgeAuditResult) -> str:
    if not one.same_family:
        return ""
    told = self_preference_warning(
        one.name, [FamilyMatch(f"dataset:{name}", "", one.family) for name in one.same_family]
    )
    left_out = f"; the {one.left_out:,} pairs with those are left out" if one.left_out else ""
    return f"{told}{left_out}."


def _humans_longer(summary: AuditSummary) -> float | None:
    every = (*summary.judges, *summary.baselines)
    return next((one.audit.length.humans for one in every if one.audit.length.humans is not None), None)


def reliability_findings(one: JudgeAuditResult) -> list[str]:
    """What a judge may be trusted for, a line each; from intervals alone, never from a point estimate."""
    found, lines = one.audit, []
    beaten = [name for name, more in one.over.items() if more.low is not None and more.low > 0]
    beaten_by = [name for name, more in one.over.items() if more.high is not None and more.high < 0]
    not_beaten = [name for name in one.over if name not in (*beaten, *beaten_by)]
    if found.agreement.value is None:
        return [f"{one.name}: nothing can be said, no pair has all its verdicts"]
    if found.agreement.low is not None and found.agreement.low > 0.5:
        lines.append(f"agrees with people more than chance does: {format_estimate(found.agreement)}")
    else:
        lines.append(
            f"not shown to agree with people more than chance does: {format_estimate(found.agreement)}"
        )
    lines += _within_line(found.within)
    if beaten:
        lines.append(f"agrees more than {_by_how_much(one, beaten)}")
    if not_beaten:
        lines.append(f"not shown to agree more or less than {_by_how_much(one, not_beaten)}")
    if beaten_by:
        lines.append(f"agrees less than {_by_how_much(one, beaten_by)}")
    for name, group in found.groups.items():
        if group.low is None or group.low <= 0.5:
            lines.append(f"not to be relied on for {name}: {format_estimate(group)}")
    if found.consistency is not None and found.consistency < 0.8:
        lines.append(
            f"its two orders agree in {format_percent(found.consistency)} only: never use one order alone"
        )
    lines += _leanings(found.length, "the longer response")
    if isinstance(found.own_family, JudgeBias):
        lines += _leanings(found.own_family, f"its own family ({one.family})")
    if found.incomplete:
        lines.append(
            f"{found.incomplete} pairs lack a verdict: over all pairs, agreement is between "
            f"{format_percent(found.low_bound)} and {format_percent(found.high_bound)}"
        )
    lines += calibration_lines(one.calibration)
    return [f"{one.name}: {line}" for line in lines]


def _within_line(found: WithinRaters | NotEstimable) -> list[str]:
    if isinstance(found, NotEstimable):
        return []
    told = f"{format_within(found)}; {found.movable:,} of {found.n:,} pairs can tell"
    if found.p <= 0.05 and found.excess > 0:
        return [f"knows more of single responses than who rated and who responded: {told}"]
    return [f"not shown to know more than who rated and who responded: {told}"]


def _by_how_much(one: JudgeAuditResult, names: Sequence[str]) -> str:
    """`control/longer, +4.1 (+1.1 to +7.3) points; …`."""
    return "; ".join(f"{name}, {format_points(one.over[name])} points" for name in names)


def _leanings(leaning: JudgeBias, what: str) -> list[str]:
    more = leaning.difference
    if more.low is None or more.high is None or more.low <= 0 <= more.high:
        return []
    side = "more" if more.low > 0 else "less"
    return [f"prefers {what} {side} often than people do: {format_points(more)} points"]


def page_title(summary: AuditSummary) -> str:
    """Of the page."""
    return f"Judges against human ratings: {summary.split} split"


__all__ = [
    "LENIENCY",
    "audit_cells",
    "caveats",
    "cost_per_1000",
    "page_title",
    "reliability_findings",
    "seconds_per_1000",
    "to_dict",
    "to_table",
]
