"""Corrected win rates as JSON data, table and caveats: by human preferences and by judge audits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel
from results.render.table import Column, Table, Value
from results.statistics.bias_correction import BiasAdjusted
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold


def bias_correction_data(index: int, corrected: CorrectedPanel) -> dict[str, Any]:
    """Return the corrected rates of one judge of a panel, in [0, 1].

    Args:
        index: index of the judge in the panel.
        corrected: the panel's corrections.
    """
    data = {}
    if index in corrected.by_people:
        plug_in, powered = corrected.by_people[index]
        data["bias_adjusted"] = _value(plug_in)
        data["with_people"] = _value(powered)
    if index in corrected.by_audit:
        data["sensitivity_analysis"] = _value(corrected.by_audit[index])
    return data


def human_preferences_data(corrected: CorrectedPanel) -> dict[str, Any] | None:
    """Return how many human preferences were used and why others were skipped; None without any."""
    people = corrected.people
    if people is None:
        return None
    return {"rows": people.rows, "used": people.used, "skipped": dict(people.skipped)}


def _value(value: BiasAdjusted | CheapAndGold | NotEstimable) -> dict[str, Any]:
    """Return an estimate as JSON data."""
    return {"not_estimable": str(value)} if isinstance(value, NotEstimable) else asdict(value)


def bias_correction_table(panel: JudgePanel, corrected: CorrectedPanel) -> Table | None:
    """Return the table of corrected rates; None without corrections."""
    if not corrected.by_people and not corrected.by_audit:
        return None
    columns = [
        Column("judge"),
        Column("raw", unit="percent"),
        Column("bias_adjusted", "bias-adjusted", "percent"),
        Column("interval", "95 %", "percent_range"),
        Column("sensitivity", unit="decimal"),
        Column("specificity", unit="decimal"),
        Column("references", "references A / B", "counts"),
    ]
    if corrected.by_people:
        columns += [
            Column("with_people", "people as gold judge", "percent"),
            Column("with_people_interval", "95 %", "percent_range"),
            Column("rated", unit="of"),
            Column("effective_n", unit="whole"),
        ]
    table = Table("Corrected win rates", columns=columns)
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
