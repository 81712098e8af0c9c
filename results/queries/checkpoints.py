"""Students in the database: what each says of itself, every step of its training, and where it lay.

    await put_checkpoint(store, id, record, metrics, folder)
    await store.read(lambda connection: checkpoints_of(connection, ["student:llama-over-llm-2"]))

A row is written when a training ends and when a student is first asked, so that a report can tell of both
from the database alone. Knows nothing of adapters, trainers and files; `record` is the folder's
`checkpoint.json` (`finetune/checkpoint.py` says what stands in it).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select, update

from results.db.bulk import insert_if_absent
from results.db.mappers import storable
from results.db.schema import CheckpointRow, table
from results.db.store import Store

STUDENT = "student:"
_checkpoints = table(CheckpointRow)


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint as the database knows it.

    Attributes:
        id: content id of base weights, adapter and how it is asked.
        name: `student:NAME` without the prefix.
        stage: "sft" or "dpo".
        base: the base's name.
        parent: id of the checkpoint it went on from; "" for the base.
        folder: where it lay when it was last seen.
        record: all of `checkpoint.json`.
        metrics: one mapping per optimiser step: `step` (from 1), `loss` (nats), `learning_rate`, `grad_norm`,
            `seconds`; for DPO `rewards/margins`, `rewards/accuracies` and more of trl's.
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
        """As users name it."""
        return f"{STUDENT}{self.name}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyper-parameter by name (`finetune/config.py`), the seed among them."""
        return dict(self.record.get("settings", {}))

    @property
    def health(self) -> Mapping[str, Any]:
        """The check for forgetting and collapse (`finetune/post_training_check.py`, class Health); {} without one."""
        return dict(self.record.get("health", {}))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the check found worth a word."""
        return tuple(map(str, self.health.get("warnings", ())))

    def curve(self, key: str = "loss") -> list[tuple[int, float]]:
        """(optimiser step, value) of one metric, in order; [] where it was not measured."""
        return [(int(row["step"]), float(row[key])) for row in self.metrics if row.get(key) is not None]


def load_checkpoints(connection: Connection, names: Iterable[str] | None = None) -> list[CheckpointRecord]:
    """The checkpoints of these names (with or without `student:`), or all; the first registered first.

    A name that nobody has gives nothing; one that two trainings had gives both.
    """
    wanted = select(_checkpoints).order_by(_checkpoints.c.registered_at, _checkpoints.c.id)
    if names is not None:
        bare = sorted({name.partition("@")[0].removeprefix(STUDENT) for name in names})
        wanted = wanted.where(_checkpoints.c.name.in_(bare))
    return [_registered(row) for row in connection.execute(wanted)]


def lineage(connection: Connection, checkpoint: CheckpointRecord) -> list[CheckpointRecord]:
    """A checkpoint and those that it went on from, the first trained first: SFT, then DPO.

    One that was never registered ends the line.
    """
    line = [checkpoint]
    while line[0].parent and line[0].parent not in {one.id for one in line}:
        wanted = select(_checkpoints).where(_checkpoints.c.id == line[0].parent)
        row = connection.execute(wanted.order_by(_checkpoints.c.registered_at)).first()
        if row is None:
            break
        line.insert(0, _registered(row))
    return line


async def save_checkpoint(
    store: Store,
    id: str,
    record: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    folder: str,
) -> None:
    """Register a checkpoint; of one that is there already, only where it lies is written anew."""
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
    there = (_checkpoints.c.id == id) & (_checkpoints.c.name == row["name"])

    def work(connection: Connection) -> None:
        insert_if_absent(connection, _checkpoints, [row])
        connection.execute(update(_checkpoints).where(there).values(folder=folder))

    await store.database.write(work)


def _registered(row: Row[Any]) -> CheckpointRecord:
    plain = {name: getattr(row, name) for name in ("id", "name", "stage", "base", "parent", "folder")}
    metrics = tuple(orjson.loads(row.metrics))
    return CheckpointRecord(
        **plain, record=orjson.loads(row.record), metrics=metrics, registered_at=row.registered_at
    )
