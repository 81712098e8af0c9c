"""A study's stages as JSON data, and the table of its contests by judge, from records of finished stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from agents.models.family import FamilyMatch, self_preference_warning
from harness.study.config import TINY, Study
from harness.study.scheduler import StageStatus
from results.db.studies import StageRecord, StoredStage
from results.render.format import (
    EMULATED_NOTE,
    ORDER_ROBUST_NOTE,
    format_percent,
    format_reasons,
)
from results.render.rendering import Rendering
from results.render.table import Column, Quantity, Table, Value
from results.statistics.win_rate import SCOPE

NOT_YET = "…"
TINY_NOTE = "TINY: these students have half a million random parameters; their win rates mean nothing."
Result = Mapping[str, Any]


class StageData(TypedDict):
    """Stage of a study.

    Attributes:
        name: name of the stage.
        kind: kind of the stage: improve, build, base, train, respond, generate, judge, choose or report.
        state: "done", "running", "failed", "blocked", "ready" or "waiting".
        why: why it failed or is blocked, or "".
        record: record of the finished stage; null if it is not done.
    """

    name: str
    kind: str
    state: str
    why: str
    record: StageRecord | None


class StudyData(TypedDict):
    """Study and its stages.

    Attributes:
        study: name of the study.
        stages: all stages, in order.
    """

    study: str
    stages: list[StageData]


class StudyDocument(StudyData):
    """Study and its stages, after a run or now."""

    document: Literal["study"]


class StudiesDocument(TypedDict):
    """Studies of a folder.

    Attributes:
        studies: all studies, by name.
    """

    document: Literal["studies"]
    studies: list[StudyData]


def study_data(name: str, stored: Sequence[StoredStage]) -> StudyData:
    """Return a study and its stages as JSON data."""
    stages: list[StageData] = [
        {
            "name": stage.name,
            "kind": stage.kind,
            "state": str(stage.state),
            "why": stage.why,
            "record": stage.record,
        }
        for stage in stored
    ]
    return {"study": name, "stages": stages}


def render_status(study: Study, stage_statuses: Sequence[StageStatus]) -> Rendering:
    """Render the win rates: a row for each contest, a column for each judge; no table without contests."""
    results = _judged_contests(study, stage_statuses)
    tables = (_table(study, results),) if results else ()
    document: StudyDocument = {
        "document": "study",
        **study_data(study.name, [status.stored for status in stage_statuses]),
    }
    return Rendering(document, tables, tuple(_notes(study, stage_statuses, results)))


def report_path(stage_statuses: Sequence[StageStatus], folder: Path) -> Path | None:
    """Return the path of a study's report; None if it was not written."""
    for status in stage_statuses:
        if status.stage.kind == "report" and status.record is not None:
            return folder / str(status.record.result["file"])
    return None


def _table(study: Study, results: Mapping[tuple[str, str], Result]) -> Table:
    """Return the win rates by contest and judge."""
    contests = list(dict.fromkeys(contest for contest, _ in results))
    judges = list(dict.fromkeys(judge for _, judge in results))
    columns = [Column("contest", "win rate of A against B", "lines")]
    columns += [Column(judge, judge, "lines", "right") for judge in judges]
    table = Table(study.title, columns=columns)
    n_differs = len({result["n"] for result in results.values()}) > 1
    for contest in contests:
        cells = (results.get((contest, judge)) for judge in judges)
        a, _, b = contest.partition(" : ")
        table.add_row((a, f"against {b}"), *(_cell(result, with_n=n_differs) for result in cells))
    return table


def _notes(
    study: Study, stage_statuses: Sequence[StageStatus], judged: Mapping[tuple[str, str], Result]
) -> list[str]:
    """Return the selection, what the table shows, and its caveats."""
    results, notes = judged.values(), []
    for status in stage_statuses:
        if status.stage.kind == "choose" and status.record is not None:
            best = status.record.result
            notes.append(
                f"best of {best['of']} on {study.selection.split if study.selection else ''} dialogues: "
                f"{best['student']} ({format_percent(best['win_rate'])} there)"
            )
    counts = {result["n"] for result in results}
    if counts:
        n_text = f"n = {counts.pop()} dialogues" if len(counts) == 1 else "n beside each"
        notes.append(
            f"{n_text}, every pair in both orders; below each rate its 95 % interval, {SCOPE}; below that "
            f"its order-robust bounds. {ORDER_ROBUST_NOTE}"
        )
    if study.emulate:
        notes.append(EMULATED_NOTE)
    notes += list(dict.fromkeys(note for result in results if (note := result.get("answered", ""))))
    same_family: dict[str, list[FamilyMatch]] = {}
    for result in results:
        same_family.setdefault(str(result["judge"]), []).extend(
            FamilyMatch.from_dict(match) for match in result.get("kin", ())
        )
    notes += [
        f"{self_preference_warning(judge, matches)}." for judge, matches in same_family.items() if matches
    ]
    if any(status.base.startswith(TINY) for status in study.student_specs):
        notes.append(TINY_NOTE)
    return notes


def _judged_contests(study: Study, stage_statuses: Sequence[StageStatus]) -> dict[tuple[str, str], Result]:
    """Return the result of each judged contest by (contest, judge), without those of the selection."""
    results: dict[tuple[str, str], Result] = {}
    for status in stage_statuses:
        if status.stage.kind == "judge" and status.record is not None:
            result = status.record.result
            if result["split"] == study.data.split:
                results[status.stage.title.rpartition(" by ")[0], str(result["judge"])] = result
    return results


def _cell(result: Result | None, *, with_n: bool) -> Value:
    if result is None:
        return NOT_YET
    lines: list[Value] = [
        Quantity(result["win_rate"], "percent"),
        Quantity((result["low"], result["high"]), "percent_range"),
    ]
    if "order_robust" in result:  # records of older versions have none
        lines.append(Quantity(tuple(result["order_robust"]), "percent_range"))
    if with_n:
        lines.append(f"n = {result['n']}")
    if result["unscored"]:
        lines.append(f"unscored {format_reasons(result['unscored'])}")
    return tuple(lines)
