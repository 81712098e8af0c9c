"""Quality of the judges: consistency, agreement with each other, and accuracy against human ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agents.models.family import self_preference_warning
from agents.models.response_model import answering_model_note
from results.report.audit_summary import JudgeAudit, SplitAudit
from results.report.conclusions import NONE, between, counted, percent, points, reasons
from results.report.context import JudgedContest, ReportContext
from results.report.judge_agreement import JudgePairAgreement
from results.report.sections.section import PlainRow, PlainTable, Section
from results.report.templates import render_template
from results.statistics.cluster_bootstrap import ClusteredEstimate
from results.statistics.not_estimable import NotEstimable
from results.statistics.within_rater_test import WithinRaters

_HEADS = (
    "judge",
    "dialogues",
    "consistency",
    "first position",
    "ties",
    "longer wins",
    "unscored",
    "retried",
)
_AGREEMENT = ("judges", "agreement", "95 %", "at most", "AC1", "κ", "prefer A, tie, B", "n")
_AUDIT = (
    "judge",
    "agreement",
    "95 %",
    "ratings 1 and 3",
    "within raters",
    "consistency",
    "first position",
    "longer",
    "n",
    "unscored",
)


@dataclass(frozen=True, slots=True)
class AuditView:
    """One audit, for the template."""

    split: str
    title: str
    table: PlainTable


def judges(material: ReportContext) -> Section | None:
    """Render the section; None without contests."""
    if not material.pairs:
        return None
    agreements = material.agreements
    html = render_template(
        "judges",
        answerers=answering_model_notes(material),
        same_family=self_preference_caveats(material),
        each=each_judge(material) if len(material.pairs) > 1 else None,
        agreement=agreement_table(material),
        alpha=""
        if agreements.alpha is None
        else f"Krippendorff's α over all of them: {_decimal(agreements.alpha)}.",
        refused=sorted(
            {
                str(judge_pair.found.kappa)
                for judge_pair in agreements.pairs
                if isinstance(judge_pair.found.kappa, NotEstimable)
            }
        ),
        audits=audit_views(material),
    )
    return Section("judges", "What the judges are worth", html)


def self_preference_caveats(material: ReportContext) -> list[str]:
    """Return the warnings on judges of the same family as an author."""
    notes = []
    for contests in _by_judge(material):
        same_family = list(
            {match.set_id: match for contest in contests for match in contest.contest.same_family}.values()
        )
        if same_family:
            notes.append(f"{self_preference_warning(contests[0].contest.judge, same_family)}.")
    return notes


def answering_model_notes(material: ReportContext) -> list[str]:
    """Return notes on other models that answered under a judge's name, over all contests."""
    notes = []
    for contests in _by_judge(material):
        counts: Counter[str] = Counter()
        for judged_contest in contests:
            counts.update(judged_contest.contest.answering_models)
        first, left_out = (
            contests[0].contest,
            sum(judged_contest.contest.left_out for judged_contest in contests),
        )
        if not contests[0].is_control:
            notes.append(answering_model_note(first.judge, first.judge_model, counts, left_out))
    return [note for note in notes if note]


def each_judge(material: ReportContext) -> PlainTable:
    """Return a row per judge over all contests, models first."""
    return PlainTable(_HEADS, tuple(_row(contests) for contests in _by_judge(material)))


def agreement_table(material: ReportContext) -> PlainTable | None:
    """Return a row per pair of judges; None with fewer than two models."""
    pairs = material.agreements.pairs
    return PlainTable(_AGREEMENT, tuple(_agreement(judge_pair) for judge_pair in pairs)) if pairs else None


def audit_views(material: ReportContext) -> list[AuditView]:
    """Return one audit per split."""
    return [_audit(audit) for audit in material.audits]


def _by_judge(material: ReportContext) -> list[list[JudgedContest]]:
    every = [judged_contest for pair in material.pairs for judged_contest in pair.judged]
    by_judge: dict[str, list[JudgedContest]] = {}
    for judged_contest in sorted(every, key=lambda each: (each.is_control, each.contest.judge)):
        by_judge.setdefault(judged_contest.contest.judge_id, []).append(judged_contest)
    return list(by_judge.values())


def _row(contests: Sequence[JudgedContest]) -> PlainRow:
    unscored: dict[str, int] = {}
    for judged_contest in contests:
        for reason, count in judged_contest.unscored.items():
            unscored[reason] = unscored.get(reason, 0) + count
    return PlainRow(
        (
            contests[0].contest.judge,
            f"{sum(judged_contest.hard.n for judged_contest in contests):,}",
            _mean([(judged_contest.hard.consistency, judged_contest.hard.n) for judged_contest in contests]),
            _mean(
                [
                    (judged_contest.hard.first_position_rate, judged_contest.hard.n)
                    for judged_contest in contests
                ]
            ),
            _mean([(judged_contest.hard.ties, judged_contest.hard.n) for judged_contest in contests]),
            _mean(
                [(judged_contest.lengths.longer_wins, judged_contest.hard.n) for judged_contest in contests]
            ),
            reasons(unscored),
            str(sum(judged_contest.contest.asked_again for judged_contest in contests)),
        ),
        quiet=contests[0].is_control,
    )


def _mean(shares: Sequence[tuple[float | None, int]]) -> str:
    """Return the mean of the shares, weighted by dialogues."""
    there = [(share, n) for share, n in shares if share is not None]
    return percent(sum(share * n for share, n in there) / sum(n for _, n in there)) if there else NONE


def _agreement(judge_pair: JudgePairAgreement) -> PlainRow:
    agreement = judge_pair.found
    shares = ", ".join(percent(agreement.prevalence.get(answer)) for answer in (1.0, 0.5, 0.0))
    return PlainRow(
        (
            f"{judge_pair.one} and {judge_pair.other}",
            percent(agreement.agreement),
            between(agreement.low, agreement.high),
            percent(agreement.attainable),
            _decimal(agreement.ac1),
            _decimal(agreement.kappa),
            shares,
            f"{agreement.n:,}",
        )
    )


def _decimal(value: float | NotEstimable | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else NONE


def _audit(split_audit: SplitAudit) -> AuditView:
    title = (
        f"{split_audit.split} split: {counted(split_audit.pairs, 'pair')} of responses with "
        "different ratings, in "
        f"{counted(split_audit.dialogues, 'dialogue')}."
    )
    return AuditView(
        split_audit.split,
        title,
        PlainTable(_AUDIT, tuple(_audited(judge_audit) for judge_audit in split_audit.judges)),
    )


def _audited(judge_audit: JudgeAudit) -> PlainRow:
    estimates = judge_audit.found
    return PlainRow(
        (
            judge_audit.name,
            _value(estimates.agreement),
            between(estimates.agreement.low, estimates.agreement.high),
            _value(estimates.rating_gap_2),
            _within(estimates.within),
            percent(estimates.consistency),
            percent(estimates.first_position_rate),
            _value(estimates.length.judge),
            f"{estimates.n:,}",
            f"{judge_audit.unscored:,}",
        ),
        quiet=judge_audit.is_baseline,
    )


def _within(excess: WithinRaters | NotEstimable) -> str:
    return NONE if isinstance(excess, NotEstimable) else f"{points(excess.excess)} (p {excess.p:.3f})"


def _value(estimate: ClusteredEstimate) -> str:
    return percent(estimate.value)
