"""Quality of the judges: consistency, agreement with each other, and accuracy against human ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agents.models.family import self_preference_warning
from agents.models.response_model import answering_model_note
from results.render.format import format_count, format_value
from results.render.judge_audit import AUDIT_COLUMNS, UNSCORED, audit_cells
from results.render.judge_panel import AGREEMENT_COLUMNS, agreement_cells
from results.render.table import Column, Table
from results.report.audit_summary import SplitAudit
from results.report.context import JudgedContest, ReportContext
from results.report.sections.section import Section
from results.report.templates import render_template
from results.statistics.not_estimable import NotEstimable, estimated


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
        else f"Krippendorff's α over all of them: {format_value(estimated(agreements.alpha), 'decimal')}.",
        refused=sorted(
            {
                str(judge_pair.found.kappa)
                for judge_pair in agreements.pairs
                if isinstance(judge_pair.found.kappa, NotEstimable)
            }
        ),
        audits=audit_tables(material),
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


def each_judge(material: ReportContext) -> Table:
    """Return a row per judge over all contests, models first."""
    columns = [
        Column("judge"),
        Column("dialogues", unit="count"),
        Column("consistency", unit="percent"),
        Column("first_position_rate", "first position", "percent"),
        Column("ties", unit="percent"),
        Column("longer_wins", unit="percent"),
        Column("unscored", unit="unscored"),
        Column("retried", unit="count"),
    ]
    table = Table(columns=columns)
    for contests in _by_judge(material):
        unscored: Counter[str] = Counter()
        for judged in contests:
            unscored.update(judged.unscored)
        table.add_row(
            contests[0].contest.judge,
            sum(judged.hard.n for judged in contests),
            _mean([(judged.hard.consistency, judged.hard.n) for judged in contests]),
            _mean([(judged.hard.first_position_rate, judged.hard.n) for judged in contests]),
            _mean([(judged.hard.ties, judged.hard.n) for judged in contests]),
            _mean([(judged.lengths.longer_wins, judged.hard.n) for judged in contests]),
            unscored,
            sum(judged.contest.asked_again for judged in contests),
            style="dim" if contests[0].is_control else "",
        )
    return table


def agreement_table(material: ReportContext) -> Table | None:
    """Return a row per pair of judges; None with fewer than two models."""
    pairs = material.agreements.pairs
    table = Table(columns=list(AGREEMENT_COLUMNS))
    for pair in pairs:
        table.add_row(f"{pair.one} – {pair.other}", *agreement_cells(pair.found))
    return table if pairs else None


def audit_tables(material: ReportContext) -> list[tuple[str, Table]]:
    """Return the split and the table of each audit."""
    return [(audit.split, _audit_table(audit)) for audit in material.audits]


def _by_judge(material: ReportContext) -> list[list[JudgedContest]]:
    every = [judged_contest for pair in material.pairs for judged_contest in pair.judged]
    by_judge: dict[str, list[JudgedContest]] = {}
    for judged_contest in sorted(every, key=lambda each: (each.is_control, each.contest.judge)):
        by_judge.setdefault(judged_contest.contest.judge_id, []).append(judged_contest)
    return list(by_judge.values())


def _mean(shares: Sequence[tuple[float | None, int]]) -> float | None:
    """Return the mean of the shares, weighted by dialogues."""
    known = [(share, n) for share, n in shares if share is not None]
    return sum(share * n for share, n in known) / sum(n for _, n in known) if known else None


def _audit_table(audit: SplitAudit) -> Table:
    """Return a row per judge, then the baselines, without columns that are empty."""
    title = (
        f"{audit.split} split: {format_count(audit.pairs, 'pair')} of responses with different ratings, in "
        f"{format_count(audit.dialogues, 'dialogue')}."
    )
    columns = AUDIT_COLUMNS[: AUDIT_COLUMNS.index(UNSCORED) + 1]
    table = Table(title, columns=list(columns))
    for judge in audit.judges:
        cells = audit_cells(judge.found, judge.unscored)
        table.add_row(judge.name, *cells, style="dim" if judge.is_baseline else "")
    return table.without_empty_columns({"own_family", "stability"})
