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
    "first place",
    "ties",
    "longer wins",
    "unscored",
    "asked again",
)
_AGREEMENT = ("judges", "agreement", "95 %", "at most", "AC1", "κ", "prefer A, tie, B", "n")
_AUDIT = (
    "judge",
    "agreement",
    "95 %",
    "ratings 1 and 3",
    "within raters",
    "consistency",
    "first place",
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
    found = material.agreements
    html = render_template(
        "judges",
        answerers=answering_model_notes(material),
        same_family=self_preference_caveats(material),
        each=each_judge(material) if len(material.pairs) > 1 else None,
        agreement=agreement_table(material),
        alpha="" if found.alpha is None else f"Krippendorff's α over all of them: {_decimal(found.alpha)}.",
        refused=sorted(
            {
                str(judge_pair.found.kappa)
                for judge_pair in found.pairs
                if isinstance(judge_pair.found.kappa, NotEstimable)
            }
        ),
        audits=audit_views(material),
    )
    return Section("judges", "What the judges are worth", html)


def self_preference_caveats(material: ReportContext) -> list[str]:
    """The judges that are of an author's family, in words."""
    notes = []
    for of in _by_judge(material):
        same_family = list(
            {match.set_id: match for judged in of for match in judged.contest.same_family}.values()
        )
        if same_family:
            notes.append(f"{self_preference_warning(of[0].contest.judge, same_family)}.")
    return notes


def answering_model_notes(material: ReportContext) -> list[str]:
    """Return notes on other models that answered under a judge's name, over all contests."""
    notes = []
    for of in _by_judge(material):
        counts: Counter[str] = Counter()
        for one in of:
            counts.update(one.contest.answering_models)
        first, left_out = of[0].contest, sum(one.contest.left_out for one in of)
        if not of[0].is_control:
            notes.append(answering_model_note(first.judge, first.judge_model, counts, left_out))
    return [note for note in notes if note]


def each_judge(material: ReportContext) -> PlainTable:
    """Every judge over all contests, the models first."""
    return PlainTable(_HEADS, tuple(_row(of) for of in _by_judge(material)))


def agreement_table(material: ReportContext) -> PlainTable | None:
    """Two judges a row; None with fewer than two models."""
    pairs = material.agreements.pairs
    return PlainTable(_AGREEMENT, tuple(_agreement(judge_pair) for judge_pair in pairs)) if pairs else None


def audit_views(material: ReportContext) -> list[AuditView]:
    """The audits, one a split."""
    return [_audit(audit) for audit in material.audits]


def _by_judge(material: ReportContext) -> list[list[JudgedContest]]:
    every = [one for pair in material.pairs for one in pair.judged]
    found: dict[str, list[JudgedContest]] = {}
    for one in sorted(every, key=lambda one: (one.is_control, one.contest.judge)):
        found.setdefault(one.contest.judge_id, []).append(one)
    return list(found.values())


def _row(of: Sequence[JudgedContest]) -> PlainRow:
    unscored: dict[str, int] = {}
    for one in of:
        for reason, count in one.unscored.items():
            unscored[reason] = unscored.get(reason, 0) + count
    return PlainRow(
        (
            of[0].contest.judge,
            f"{sum(one.hard.n for one in of):,}",
            _mean([(one.hard.consistency, one.hard.n) for one in of]),
            _mean([(one.hard.first_position_rate, one.hard.n) for one in of]),
            _mean([(one.hard.ties, one.hard.n) for one in of]),
            _mean([(one.lengths.longer_wins, one.hard.n) for one in of]),
            reasons(unscored),
            str(sum(one.contest.asked_again for one in of)),
        ),
        quiet=of[0].is_control,
    )


def _mean(shares: Sequence[tuple[float | None, int]]) -> str:
    """Contests' shares, each counting with its dialogues."""
    there = [(share, n) for share, n in shares if share is not None]
    return percent(sum(share * n for share, n in there) / sum(n for _, n in there)) if there else NONE


def _agreement(judge_pair: JudgePairAgreement) -> PlainRow:
    found = judge_pair.found
    shares = ", ".join(percent(found.prevalence.get(answer)) for answer in (1.0, 0.5, 0.0))
    return PlainRow(
        (
            f"{judge_pair.one} and {judge_pair.other}",
            percent(found.agreement),
            between(found.low, found.high),
            percent(found.attainable),
            _decimal(found.ac1),
            _decimal(found.kappa),
            shares,
            f"{found.n:,}",
        )
    )


def _decimal(value: float | NotEstimable | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else NONE


def _audit(split_audit: SplitAudit) -> AuditView:
    title = (
        f"{split_audit.split} split: {counted(split_audit.pairs, 'pair')} of responses with different ratings, in "
        f"{counted(split_audit.dialogues, 'dialogue')}."
    )
    return AuditView(
        split_audit.split, title, PlainTable(_AUDIT, tuple(_audited(line) for line in split_audit.judges))
    )


def _audited(line: JudgeAudit) -> PlainRow:
    found = line.found
    return PlainRow(
        (
            line.name,
            _value(found.agreement),
            between(found.agreement.low, found.agreement.high),
            _value(found.rating_gap_2),
            _within(found.within),
            percent(found.consistency),
            percent(found.first_position_rate),
            _value(found.length.judge),
            f"{found.n:,}",
            f"{line.unscored:,}",
        ),
        quiet=line.is_baseline,
    )


def _within(found: WithinRaters | NotEstimable) -> str:
    return NONE if isinstance(found, NotEstimable) else f"{points(found.excess)} (p {found.p:.3f})"


def _value(found: ClusteredEstimate) -> str:
    return percent(found.value)
