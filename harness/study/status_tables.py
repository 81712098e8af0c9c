"""What a study has found, as a table that people read: its contests by its judges.

Computes nothing: every number is in the record of a finished stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.models.family import FamilyMatch, self_preference_warning
from harness.study.config import TINY, Study
from harness.study.scheduler import StageStatus
from results.render.format import (
    EMULATED_NOTE,
    ORDER_ROBUST_NOTE,
    format_percent,
    format_range,
    format_reasons,
)
from results.render.table import Cell, Table, table_of
from results.statistics.win_rate import SCOPE

NOT_YET = "…"
TINY_NOTE = (
    "TINY: these students are half a million parameters of noise, built on the spot; what they win or lose "
    "means nothing."
)
Result = Mapping[str, Any]


def to_table(study: Study, stage_statuses: Sequence[StageStatus]) -> Table | None:
    """How often A wins: a row a contest, a column a judge; None where nothing is judged yet."""
    found = _judged(study, stage_statuses)
    if not found:
        return None
    contests = list(dict.fromkeys(contest for contest, _ in found))
    judges = list(dict.fromkeys(judge for _, judge in found))
    table = table_of(study.title, ("A against B: how often A wins", *judges))
    several = len({one["n"] for one in found.values()}) > 1
    for contest in contests:
        cells = (found.get((contest, judge)) for judge in judges)
        a, _, b = contest.partition(" : ")
        table.add_row((a, f"against {b}"), *(_cell(one, with_n=several) for one in cells))
    return table


def caveats(study: Study, stage_statuses: Sequence[StageStatus]) -> list[str]:
    """What a reader of the table must know."""
    found = _judged(study, stage_statuses).values()
    told = []
    for one in stage_statuses:
        if one.stage.kind == "choose" and one.record is not None:
            best = one.record.result
            told.append(
                f"best of {best['of']} on {study.selection.split if study.selection else ''} dialogues: "
                f"{best['student']} ({format_percent(best['win_rate'])} there)"
            )
    counts = {one["n"] for one in found}
    if counts:
        many = f"n = {counts.pop()} dialogues" if len(counts) == 1 else "n beside each"
        told.append(
            f"{many}, every pair in both orders; below each rate its 95 % interval, {SCOPE}. Below that "
            f"its order-robust bounds. {ORDER_ROBUST_NOTE}"
        )
    if study.emulate:
        told.append(EMULATED_NOTE)
    told += list(dict.fromkeys(note for each in found if (note := each.get("answered", ""))))
    same_family: dict[str, list[FamilyMatch]] = {}
    for each in found:
        same_family.setdefault(str(each["judge"]), []).extend(
            FamilyMatch.from_dict(one) for one in each.get("kin", ())
        )
    told += [f"{self_preference_warning(judge, of)}." for judge, of in same_family.items() if of]
    if any(one.base.startswith(TINY) for one in study.student_specs):
        told.append(TINY_NOTE)
    return told


def _judged(study: Study, stage_statuses: Sequence[StageStatus]) -> dict[tuple[str, str], Result]:
    """(contest, judge) → what came of it; not those that only choose a best."""
    found: dict[tuple[str, str], Result] = {}
    for one in stage_statuses:
        if one.stage.kind == "judge" and one.record is not None:
            told = one.record.result
            if told["split"] == study.data.split:
                found[one.stage.title.rpartition(" by ")[0], str(told["judge"])] = told
    return found


def _cell(one: Result | None, *, with_n: bool) -> Cell:
    if one is None:
        return NOT_YET
    lines = [format_percent(one["win_rate"]), format_range(one["low"], one["high"])]
    if "order_robust" in one:  # a stage done before they were computed has none
        lines.append(format_range(*one["order_robust"]))
    if with_n:
        lines.append(f"n = {one['n']}")
    if one["unscored"]:
        lines.append(f"unscored {format_reasons(one['unscored'])}")
    return tuple(lines)
