"""Studies in the database: their runs, the states of their stages, and the records of finished stages.

A study is reported like a run, under the id `study:NAME`. It consists of the runs of its finished stages.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from agents.errors import UserError
from results.db.bulk import insert_if_absent
from results.db.schema import StageRecordRow, StudyRow, StudyRunRow, StudyStageRow, table

STUDY_TAG = "study:"
DONE, FAILED = "done", "failed"
JUDGE, IMPROVE = "judge", "improve"
_studies, _runs, _stages = table(StudyRow), table(StudyRunRow), table(StudyStageRow)
_records = table(StageRecordRow)


@dataclass(frozen=True)
class StageRecord:
    """Record of a finished stage.

    Attributes:
        key: content id of the stage's inputs.
        kind, name: kind and name of the stage.
        output: content id of its output.
        result: plain data for the stages that need it and for display.
        needed: output of each stage that it needed, by name.
        settings: settings that affect its output.
        seconds: duration.
        ended: time of its end, in seconds since 1970.
    """

    key: str
    kind: str
    name: str
    output: str
    result: Mapping[str, Any]
    needed: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class StoredStage:
    """Stored state of a stage.

    Attributes:
        state: "done", "running", "failed", "blocked", "ready" or "waiting".
        why: the reason if it failed or is blocked.
        key: key of its record; "" while a needed stage is not done.
        record: its record if it is done.
    """

    name: str
    kind: str
    state: str
    why: str = ""
    key: str = ""
    record: StageRecord | None = None


@dataclass(frozen=True)
class StoredStudy:
    """Study as the database knows it.

    Attributes:
        spec: what a report says about it.
        session: the options that continue it.
        budget_usd: cap on the spending of all its runs; None for none.
        created_at, updated_at: seconds since 1970.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    session: Mapping[str, Any]
    budget_usd: float | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


def save_study(connection: Connection, study: StoredStudy, runs: Iterable[str] = ()) -> None:
    """Save a study, and runs that belong to it."""
    now = round(time.time(), 3)
    values = {
        "title": study.title,
        "spec": orjson.dumps(study.spec).decode(),
        "session": orjson.dumps(study.session).decode(),
        "budget_usd": study.budget_usd,
        "updated_at": now,
    }
    insert_if_absent(connection, _studies, [{"name": study.name, "created_at": now, **values}])
    connection.execute(update(_studies).where(_studies.c.name == study.name).values(values))
    for run_id in runs:
        add_run(connection, study.name, run_id)


def add_run(connection: Connection, study: str, run_id: str) -> None:
    """Record that a run belongs to a study."""
    insert_if_absent(connection, _runs, [{"study": study, "run_id": run_id}])


def save_stages(connection: Connection, study: str, stages: Sequence[StoredStage]) -> None:
    """Replace the states of all stages of a study, and add the records of those that are done."""
    connection.execute(delete(_stages).where(_stages.c.study == study))
    rows = [
        {**_stage_values(stage), "study": study, "name": stage.name, "position": position}
        for position, stage in enumerate(stages)
    ]
    if rows:
        connection.execute(insert(_stages), rows)
    records = [_record_row(stage.record) for stage in stages if stage.record is not None]
    insert_if_absent(connection, _records, records)
    _touch(connection, study)


def save_stage(connection: Connection, study: str, stage: StoredStage) -> None:
    """Save the state of one stage, and its record if it is done."""
    place = (_stages.c.study == study, _stages.c.name == stage.name)
    connection.execute(update(_stages).where(*place).values(_stage_values(stage)))
    if stage.record is not None:
        connection.execute(delete(_records).where(_records.c.key == stage.key))
        insert_if_absent(connection, _records, [_record_row(stage.record)])
    _touch(connection, study)


def load_records(connection: Connection, keys: Collection[str] | None = None) -> dict[str, StageRecord]:
    """Return the records of finished stages of all studies by key, or those with these keys."""
    query = select(_records) if keys is None else select(_records).where(_records.c.key.in_(keys))
    return {row.key: _record(row) for row in connection.execute(query)}


def load_studies(connection: Connection) -> list[StoredStudy]:
    """Return all studies, the one that was run last first."""
    query = select(_studies).order_by(_studies.c.updated_at.desc(), _studies.c.name)
    return [
        StoredStudy(
            row.name,
            row.title,
            orjson.loads(row.spec),
            orjson.loads(row.session),
            row.budget_usd,
            row.created_at,
            row.updated_at,
        )
        for row in connection.execute(query)
    ]


def load_stages(connection: Connection, study: str) -> list[StoredStage]:
    """Return the stages of a study in their order."""
    query = select(_stages).where(_stages.c.study == study).order_by(_stages.c.position)
    rows = connection.execute(query).all()
    records = load_records(connection, {row.key for row in rows if row.state == DONE})
    return [
        StoredStage(row.name, row.kind, row.state, row.why, row.key, records.get(row.key)) for row in rows
    ]


def judging_runs(connection: Connection, study: str) -> list[str]:
    """Return the runs of the finished contests of a study, without those that selected a student."""
    spec = _spec(connection, study)
    return sorted(
        {
            str(stage.record.result["run"])
            for stage in load_stages(connection, study)
            if stage.record is not None and stage.kind == JUDGE
            if stage.record.result["split"] == spec["split"]
        }
    )


def study_spec(connection: Connection, study: str) -> dict[str, Any]:
    """Return what a report says about a study, its runs, and the response sets of its teachers (`taught`).

    Raises:
        UserError: there is no such study.
    """
    improved = [
        stage.record.result
        for stage in load_stages(connection, study)
        if stage.record is not None and stage.kind == IMPROVE
    ]
    runs = {*judging_runs(connection, study), *(str(result["run"]) for result in improved)}
    taught = sorted({str(result["set"]) for result in improved})
    return {**_spec(connection, study), "runs": sorted(runs), "taught": taught}


def study_name(run_id: str) -> str:
    """Return the name of the study that an id denotes; "" for the id of a run."""
    return run_id.removeprefix(STUDY_TAG) if run_id.startswith(STUDY_TAG) else ""


def _spec(connection: Connection, study: str) -> dict[str, Any]:
    text = connection.execute(select(_studies.c.spec).where(_studies.c.name == study)).scalar_one_or_none()
    if text is None:
        raise UserError("study not found", code="study.not-found", found=repr(study))
    return dict(orjson.loads(text))


def _touch(connection: Connection, study: str) -> None:
    now = round(time.time(), 3)
    connection.execute(update(_studies).where(_studies.c.name == study).values(updated_at=now))


def _stage_values(stage: StoredStage) -> dict[str, Any]:
    return {
        "kind": stage.kind,
        "state": stage.state,
        "key": stage.key,
        "why": stage.why,
        "changed_at": round(time.time(), 3),
    }


def _record_row(record: StageRecord) -> dict[str, Any]:
    values = asdict(record) | {"ended_at": record.ended}
    del values["ended"]
    return values | {name: orjson.dumps(values[name]).decode() for name in ("result", "needed", "settings")}


def _record(row: Any) -> StageRecord:
    result, needed, settings = (orjson.loads(text) for text in (row.result, row.needed, row.settings))
    return StageRecord(
        row.key, row.kind, row.name, row.output, result, needed, settings, row.seconds, row.ended_at
    )
