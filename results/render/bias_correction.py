"""Corrected win rates as data, as a table and in words: by people's preferences, and by judges' audits.

The same numbers in each; computes nothing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel
from results.render.format import format_percent, format_range
from results.render.table import Table, make_table
from results.statistics.bias_correction import BiasAdjusted
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold


def bias_correction_data(at: int, corrected: CorrectedPanel) -> dict[str, Any]:
    """What stands beside the judge at one place of a jury; rates in [0, 1]."""
    told = {}
    if at in corrected.by_people:
        plug_in, powered = corrected.by_people[at]
        told["bias_adjusted"] = _value(plug_in)
        told["with_people"] = _value(powered)
    if at in corrected.by_audit:
        told["sensitivity_analysis"] = _value(corrected.by_audit[at])
    return told


def human_preferences_data(corrected: CorrectedPanel) -> dict[str, Any] | None:
    """How many of people's preferences were used, and why the others were not; None without any."""
    people = corrected.people
    if people is None:
        return None
    return {"rows": people.rows, "used": people.used, "skipped": dict(people.skipped)}


def _value(value: BiasAdjusted | CheapAndGold | NotEstimable) -> dict[str, Any]:
    return {"refused": str(value)} if isinstance(value, NotEstimable) else asdict(value)


def bias_correction_table(panel: JudgePanel, corrected: CorrectedPanel) -> Table | None:
    """Every judge's rate corrected, where there is anything to correct it by; None where there is not."""
    if not corrected.by_people and not corrected.by_audit:
        return None

    heads = (
        "judge",
        "raw",
        "bias-adjusted",
        "95 %",
        "sensitivity",
        "specificity",
        "references A / B",
    )
    people = ("people as gold judge", "95 %", "asked", "worth")
    table = make_table("Corrected win rates", (*heads, *(people if corrected.by_people else ())))
    for at, (plug_in, powered) in corrected.by_people.items():
        table.add_row(
            panel.judges[at].name,
            format_percent(panel.judges[at].rate.rate),
            *_adjusted(plug_in),
            *_powered(powered),
        )
    if corrected.by_audit and corrected.by_people:
        table.add_section()
    for at, found in corrected.by_audit.items():
        name = f"{panel.judges[at].name}: sensitivity analysis"
        table.add_row(name, format_percent(panel.judges[at].rate.rate), *_adjusted(found))
    return table


def _adjusted(found: BiasAdjusted | NotEstimable) -> tuple[str, ...]:
    if isinstance(found, NotEstimable):
        return ("refused", *["-"] * 4)
    errs = (f"{found.sensitivity:.2f}", f"{found.specificity:.2f}")
    references = " / ".join(map(str, found.references))
    return (format_percent(found.rate), format_range(found.low, found.high), *errs, references)


def _powered(found: CheapAndGold | NotEstimable) -> tuple[str, ...]:
    if isinstance(found, NotEstimable):
        return ("refused", *["-"] * 3)
    asked = f"{found.n_gold} of {found.n}"
    return (
        format_percent(found.rate),
        format_range(found.low, found.high),
        asked,
        f"{found.effective_n:.0f}",
    )


def bias_correction_caveats(panel: JudgePanel, corrected: CorrectedPanel) -> list[str]:
    """What a reader of that table must know: methods, assumptions, why a rate was refused."""
    told: list[str] = []
    every: list[tuple[int, BiasAdjusted | CheapAndGold | NotEstimable]] = [
        *((at, one) for at, pair in corrected.by_people.items() for one in pair),
        *corrected.by_audit.items(),
    ]
    told += [f"{panel.judges[at].name}: {one}." for at, one in every if isinstance(one, NotEstimable)]
    notes = {one.note: None for _, one in every if isinstance(one, CheapAndGold) and one.note}
    told += [f"People as gold judge: {note}." for note in notes]
    if corrected.people is not None:
        told.append(f"{corrected.people.note}.")
    if corrected.by_people:
        told.append(
            "Bias-adjusted: (raw + specificity − 1) / (sensitivity + specificity − 1), interval by Fieller. "
            "People as gold judge: what people would have said of all, by power-tuned prediction-powered "
            "inference; worth: of so many asked without the judge."
        )
    assumed = dict.fromkeys(
        line for _, one in every if isinstance(one, BiasAdjusted) for line in one.assumptions
    )
    if assumed:
        told.append(f"Assumed: {'; '.join(assumed)}.")
    return told
