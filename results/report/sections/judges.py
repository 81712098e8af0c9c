"""Quality of the judges: consistency, agreement with each other, and accuracy against human ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agents.models.family import self_preference_warning
from agents.models.response_model import answering_model_note
from results.analysis.contest_results import ContestResult
from results.render.columns import columns
from results.render.format import format_value
from results.render.judge_audit import audit_table
from results.render.judge_panel import AGREEMENT_COLUMNS, agreement_cells
from results.render.table import Column, Table
from results.report.context import ReportContext
from results.report.sections.section import Block, Section, heading, paragraph, tabulated
from results.statistics.not_estimable import NotEstimable, estimated

NO_AUDIT = (
    "No audit of these judges is in this database. `empathy audit --judge MODEL` asks one about every "
    "pair of the dataset's responses whose human ratings differ."
)
EACH_CAPTION = (
    "Consistency: dialogues whose two orders name the same author. First position: share of the verdicts "
    "that are no ties; 50 % is no preference. Longer wins: of the dialogues whose responses differ in "
    "length. Over complete dialogues of all contests together."
)
AGREEMENT_CAPTION = (
    "Comparison by comparison; intervals resample dialogues. “At most” is what the judges' own shares of "
    "each answer allow. Agreement is not accuracy: judges may share a bias."
)
AUDIT_CAPTION = (
    "Agreement: share of verdicts for the response that people rated higher; ½ is chance, and no ceiling "
    "can be estimated, for each rater rated ten responses of one responder, once. Grey: baselines that a "
    "judge must beat. The test dialogues were chosen by low ratings: compare judges and baselines on the "
    "same split only."
)


def judges(material: ReportContext) -> Section | None:
    """Return the section; None without contests."""
    if not material.pairs:
        return None
    warnings = (*answering_model_notes(material), *self_preference_caveats(material))
    blocks = [paragraph(note, "flag") for note in warnings]
    blocks += [heading("Each judge over all contests", "each-judge")]
    blocks += [tabulated(_each_judge(material), "each-judge")]
    blocks += [heading("Agreement between judges", "agreement"), *_agreement(material)]
    blocks += [heading("Against human ratings", "audits")]
    for audit in material.audits:
        label = f"audit-{audit.split}"
        table = audit_table(audit).without_empty_columns({"own_family", "repetition_stability"})
        table = table.without({"cost_usd_per_1000", "seconds_per_1000"})
        blocks += [paragraph(f"{table.title}.", label=label), tabulated(table, label)]
    blocks.append(paragraph(AUDIT_CAPTION, "hint") if material.audits else paragraph(NO_AUDIT))
    return Section("judges", "What the judges are worth", tuple(blocks))


def _agreement(material: ReportContext) -> list[Block]:
    """Return the agreement of all pairs of judges, with the reasons for missing values."""
    agreements = material.agreements
    if not agreements.pairs:
        return [paragraph("Agreement needs two judges that are models. Add another with --judge.")]
    caption = AGREEMENT_CAPTION
    if agreements.alpha is not None:
        alpha = format_value(estimated(agreements.alpha), "decimal")
        caption = f"{caption} Krippendorff's α over all of them: {alpha}."
    table = Table(caption=caption, columns=list(AGREEMENT_COLUMNS))
    for pair in agreements.pairs:
        table.add_row(f"{pair.one} – {pair.other}", *agreement_cells(pair.found))
    kappas = (pair.found.kappa for pair in agreements.pairs)
    reasons = sorted({str(kappa) for kappa in kappas if isinstance(kappa, NotEstimable)})
    return [tabulated(table, "agreement"), *(paragraph(reason, "hint") for reason in reasons)]


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


def _each_judge(material: ReportContext) -> Table:
    """Return a row per judge over all contests, models first."""
    dialogues, longer = Column("dialogues", unit="count"), Column("longer_wins", unit="percent")
    shown = columns(
        "judge", dialogues, "consistency", "first_position_rate", "ties", longer, "unscored", "retried"
    )
    table = Table(caption=EACH_CAPTION, columns=shown)
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


def _by_judge(material: ReportContext) -> list[list[ContestResult]]:
    every = [judged_contest for pair in material.pairs for judged_contest in pair.judged]
    by_judge: dict[str, list[ContestResult]] = {}
    for judged_contest in sorted(every, key=lambda each: (each.is_control, each.contest.judge)):
        by_judge.setdefault(judged_contest.contest.judge_id, []).append(judged_contest)
    return list(by_judge.values())


def _mean(shares: Sequence[tuple[float | None, int]]) -> float | None:
    """Return the mean of the shares, weighted by dialogues."""
    known = [(share, n) for share, n in shares if share is not None]
    return sum(share * n for share, n in known) / sum(n for _, n in known) if known else None
