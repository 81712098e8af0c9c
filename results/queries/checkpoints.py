"""Trained students in the database: their records, metrics and folders.

    await save_checkpoint(store, id, record, metrics, folder)
    await store.read(lambda connection: load_checkpoints(connection, ["student:llama-over-llm-2"]))

A row is written when a training ends and when a student is first used, so that a report needs only the
database. `record` is the folder's `checkpoint.json` (see `finetune/checkpoint.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from agents.author_names import AuthorKind, AuthorName
from results.db.bulk import insert_if_absent
from results.db.mappers import storable
from results.db.schema import CheckpointRow, table
from results.db.store import Store

_checkpoints = table(CheckpointRow)


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint as stored in the database.

    Attributes:
        id: content id of base weights, adapter and prompt encoding.
        name: `student:NAME` without the prefix.
        stage: "sft" or "dpo".
        base: name of the base model.
        parent: id of the checkpoint it was trained from; "" for the base.
        folder: folder where it was last seen.
        record: content of `checkpoint.json`.
        metrics: one mapping per optimiser step: `step` (from 1), `loss` (nats), `learning_rate`, `grad_norm`,
            `seconds`; for DPO also `rewards/margins`, `rewards/accuracies` and others of trl.
        registered_at: seconds since 1970.
    """

    id: str
    name: str
    stage: str
    base: str
    parent: str
    folder: str
    record: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]
    registered_at: float

    @property
    def author(self) -> str:
        """Return the author name, `student:NAME`."""
        return str(AuthorName(AuthorKind.STUDENT, self.name))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return every hyper-parameter by name (`finetune/config.py`), including the seed."""
        return dict(self.record.get("settings", {}))

    @property
    def health(self) -> Mapping[str, Any]:
        """Return the post-training check (`finetune/post_training_check.py`); {} if it was not run."""
        return dict(self.record.get("health", {}))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings of the post-training check."""
        return tuple(map(str, self.health.get("warnings", ())))

    def curve(self, key: str = "loss") -> list[tuple[int, float]]:
        """Return (optimiser step, value) of a metric, in order; [] if it was not measured."""
        return [(int(row["step"]), float(row[key])) for row in self.metrics if row.get(key) is not None]


def load_checkpoints(connection: Connection, names: Iterable[str] | None = None) -> list[CheckpointRecord]:
    """Return the checkpoints with these names (with or without `student:`), or all, oldest first.

    Unknown names are ignored; a name used by two trainings gives both checkpoints.
    """
    query = select(_checkpoints).order_by(_checkpoints.c.registered_at, _checkpoints.c.id)
    if names is not None:
        bare = sorted({AuthorName.parse(name).name or name for name in names})
        query = query.where(_checkpoints.c.name.in_(bare))
    return [_record_from_row(row) for row in connection.execute(query)]


def lineage(connection: Connection, checkpoint: CheckpointRecord) -> list[CheckpointRecord]:
    """Return a checkpoint preceded by its ancestors, oldest first: SFT, then DPO.

    The chain ends at an ancestor that is not in the database.
    """
    line = [checkpoint]
    while line[0].parent and line[0].parent not in {ancestor.id for ancestor in line}:
        query = select(_checkpoints).where(_checkpoints.c.id == line[0].parent)
        row = connection.execute(query.order_by(_checkpoints.c.registered_at)).first()
        if row is None:
            break
        line.insert(0, _record_from_row(row))
    return line


async def save_checkpoint(
    store: Store,
    id: str,
    record: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    folder: str,
) -> None:
    """Save a checkpoint; for an existing one only the folder is updated."""
    parent = record.get("parent") or {}
    row = {
        "id": id,
        "name": str(record["name"]),
        "stage": str(record["stage"]),
        "base": str(record["base"]["name"]),
        "parent": str(parent.get("id", "")),
        "folder": folder,
        "record": storable(orjson.dumps(dict(record)).decode()),
        "metrics": storable(orjson.dumps([dict(step) for step in metrics]).decode()),
        "registered_at": round(time.time(), 3),
    }
    same_checkpoint = (_checkpoints.c.id == id) & (_checkpoints.c.name == row["name"])

    def work(connection: Connection) -> None:
        insert_if_absent(connection, _checkpoints, [row])
        connection.execute(update(_checkpoints).where(same_checkpoint).values(folder=folder))

    await store.database.write(work)


def _record_from_row(row: Row[Any]) -> CheckpointRecord:
    columns = {name: getattr(row, name) for name in ("id", "name", "stage", "base", "parent", "folder")}
    metrics = tuple(orjson.loads(row.metrics))
    return CheckpointRecord(
        **columns, record=orjson.loads(row.record), metrics=metrics, registered_at=row.registered_at
    )
