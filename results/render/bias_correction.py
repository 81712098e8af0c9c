"""Corrected win rates as JSON data, table and caveats: by human preferences and by judge audits."""

from __future__ import annotations

from typing_extensions import TypedDict

from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel
from results.render.columns import columns
from results.render.estimable import Estimable, estimable
from results.render.table import Column, Table, Value
from results.statistics.bias_correction import BiasAdjusted
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold


class CorrectedRates(TypedDict):
    """Corrected win rates of one judge.

    Attributes:
        bias_adjusted: rate corrected by human preferences; null without them.
        with_people: rate with people as the gold judge; null without human preferences.
        sensitivity_analysis: rate corrected by the judge's audit; null unless requested.
    """

    bias_adjusted: Estimable[BiasAdjusted] | None
    with_people: Estimable[CheapAndGold] | None
    sensitivity_analysis: Estimable[BiasAdjusted] | None


class HumanPreferencesDocument(TypedDict):
    """Use of a file of human preferences.

    Attributes:
        rows: number of rows.
        used: number of preferences that were used.
        skipped: number of other rows, by reason.
    """

    rows: int
    used: int
    skipped: dict[str, int]


def bias_correction_data(index: int, corrected: CorrectedPanel) -> CorrectedRates:
    """Return the corrected rates of one judge of a panel, in [0, 1].

    Args:
        index: index of the judge in the panel.
        corrected: the panel's corrections.
    """
    by_people, by_audit = corrected.by_people.get(index), corrected.by_audit.get(index)
    return {
        "bias_adjusted": None if by_people is None else estimable(by_people[0]),
        "with_people": None if by_people is None else estimable(by_people[1]),
        "sensitivity_analysis": None if by_audit is None else estimable(by_audit),
    }


def human_preferences_data(corrected: CorrectedPanel) -> HumanPreferencesDocument | None:
    """Return how many human preferences were used and why others were skipped; None without any."""
    people = corrected.people
    if people is None:
        return None
    return {"rows": people.rows, "used": people.used, "skipped": dict(people.skipped)}


def bias_correction_table(panel: JudgePanel, corrected: CorrectedPanel) -> Table | None:
    """Return the table of corrected rates; None without corrections."""
    if not corrected.by_people and not corrected.by_audit:
        return None
    shown = columns(
        *("judge", Column("raw", unit="percent"), Column("bias_adjusted", "bias-adjusted", "percent")),
        *("interval", Column("sensitivity", unit="decimal"), Column("specificity", unit="decimal")),
        Column("references", "references A / B", "counts"),
    )
    if corrected.by_people:
        shown += [
            Column("with_people", "people as gold judge", "percent"),
            Column("with_people_interval", "95 %", "percent_range"),
            Column("rated", unit="of"),
            Column("effective_n", unit="whole"),
        ]
    table = Table("Corrected win rates", columns=shown)
    for index, (plug_in, powered) in corrected.by_people.items():
        judge = panel.judges[index]
        table.add_row(judge.name, judge.rate.rate, *_adjusted(plug_in), *_powered(powered))
    if corrected.by_audit and corrected.by_people:
        table.add_section()
    for index, correction in corrected.by_audit.items():
        judge = panel.judges[index]
        table.add_row(f"{judge.name}: sensitivity analysis", judge.rate.rate, *_adjusted(correction))
    return table


def _adjusted(correction: BiasAdjusted | NotEstimable) -> tuple[Value, ...]:
    """Return the cells of a bias-adjusted rate."""
    if isinstance(correction, NotEstimable):
        return "not estimable", *[None] * 4
    interval = (correction.low, correction.high)
    return (
        correction.rate,
        interval,
        correction.sensitivity,
        correction.specificity,
        correction.references,
    )


def _powered(estimate: CheapAndGold | NotEstimable) -> tuple[Value, ...]:
    """Return the cells of an estimate with people as gold judge."""
    if isinstance(estimate, NotEstimable):
        return "not estimable", *[None] * 3
    interval = (estimate.low, estimate.high)
    return estimate.rate, interval, (estimate.n_gold, estimate.n), estimate.effective_n


def bias_correction_caveats(panel: JudgePanel, corrected: CorrectedPanel) -> list[str]:
    """Return the caveats of the table: methods, assumptions, and reasons for missing rates."""
    caveats: list[str] = []
    estimates: list[tuple[int, BiasAdjusted | CheapAndGold | NotEstimable]] = [
        *((index, estimate) for index, pair in corrected.by_people.items() for estimate in pair),
        *corrected.by_audit.items(),
    ]
    caveats += [
        f"{panel.judges[index].name}: {estimate}."
        for index, estimate in estimates
        if isinstance(estimate, NotEstimable)
    ]
    notes = {
        estimate.note: None
        for _, estimate in estimates
        if isinstance(estimate, CheapAndGold) and estimate.note
    }
    caveats += [f"People as gold judge: {note}." for note in notes]
    if corrected.people is not None:
        caveats.append(f"{corrected.people.note}.")
    if corrected.by_people:
        caveats.append(
            "Bias-adjusted: (raw + specificity − 1) / (sensitivity + specificity − 1), interval by Fieller. "
            "People as gold judge: people's preference on all dialogues, by power-tuned prediction-powered "
            "inference; effective n: dialogues rated by people alone that would be equally precise."
        )
    assumed = dict.fromkeys(
        line
        for _, estimate in estimates
        if isinstance(estimate, BiasAdjusted)
        for line in estimate.assumptions
    )
    if assumed:
        caveats.append(f"Assumptions: {'; '.join(assumed)}.")
    return caveats
