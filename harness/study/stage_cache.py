"""Stages and the cache of finished stages, identified by the content of their inputs and outputs.

A stage's key is the content id of its kind, of every setting that affects its output, and of the outputs of
the stages that it needs. A finished stage therefore never runs again, a changed setting runs exactly what
depends on it again, and if a stage that ran again has the same output, the stages after it do not run again.

Records and states are kept in the database. The files that they describe (training sets, checkpoints,
reports) are in a folder; a stage whose files are missing runs again. Earlier versions kept the records in
files FOLDER/stages/<key>.json, which are still read.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.hashing import content_id
from results.db.store import Store
from results.db.studies import (
    StageRecord,
    StoredStage,
    load_records,
    load_stages,
    save_stage,
    save_stages,
)


@dataclass(frozen=True)
class StageOutput:
    """Output of a stage: its content id, and the result as plain data."""

    output: str
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageInputs:
    """Inputs of a stage that is ready.

    Attributes:
        key: the stage's key.
        needs: records of the stages that it needs, by name.
        opened: value of its session (such as a running server), or None.
    """

    stage: Stage
    key: str
    needs: Mapping[str, StageRecord]
    opened: Any = None

    def folder(self, under: Path) -> Path:
        """Return the folder for the stage's files below `under`; it is unique to the stage's key."""
        name = "".join(
            character if character.isalnum() or character in "-_.@" else "-" for character in self.stage.title
        )
        return under / f"{name}-{self.key.rpartition(':')[2][:10]}"


class StageState(StrEnum):
    """State of a stage."""

    DONE = "done"  # in this run or an earlier one
    RUNNING = "running"  # in a process that is running, or was killed
    FAILED = "failed"  # in its last run
    BLOCKED = "blocked"  # a needed stage failed, or is not selected and not done
    READY = "ready"  # all needed stages are done
    WAITING = "waiting"  # a needed stage is not done yet


StageFunction = Callable[[StageInputs], Awaitable[StageOutput]]
Session = Callable[[Sequence[StageInputs]], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of a study.

    Attributes:
        kind: "improve", "build", "train", …
        title: name among the stages of this kind.
        settings: all settings that affect the output, besides the needed stages; plain data.
        do: function that runs the stage.
        needs: names of the needed stages.
        uses: resources that it holds exclusively while it runs ("card" for the GPU, a model's id).
        run_on_partial_inputs: whether it runs once all needed stages have ended, with those that are done.
        session_key: stages with the same key that are ready together share one session.
        session: context manager around them, such as a server.
    """

    kind: str
    title: str
    settings: Mapping[str, Any]
    do: StageFunction
    needs: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    run_on_partial_inputs: bool = False
    session_key: str = ""
    session: Session | None = None

    @property
    def name(self) -> str:
        """The kind and the title."""
        return f"{self.kind} {self.title}".strip()

    def key(self, needs: Mapping[str, StageRecord]) -> str:
        """Return the content id of everything that affects the output."""
        outputs = {name: record.output for name, record in needs.items()}
        return content_id("stage-1", [self.kind, self.title, dict(self.settings), outputs])


class StageCache:
    """Records and states of a study's stages; use `open`.

    Args:
        folder: folder of the files that stages write; several studies may share it.
        store: the database.
        study: name of the study.
        records: records of finished stages of all studies, by key.
        failures: why stages of this study failed, by key.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        study: str,
        records: Mapping[str, StageRecord],
        failures: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self._store = store
        self._study = study
        self._records = dict(records)
        self._failures = dict(failures)

    @classmethod
    async def open(cls, folder: Path, store: Store, study: str) -> StageCache:
        """Load the records and states of a study."""
        records = await store.read(load_records)
        stages = await store.read(lambda connection: load_stages(connection, study))
        failures = {stage.key: stage.why for stage in stages if stage.state == StageState.FAILED}
        return cls(folder, store, study, records, failures)

    def done(self, key: str) -> StageRecord | None:
        """Return the record of a finished stage if all its files exist."""
        record = self._records.get(key) or self._read_file(key)
        if record is None:
            return None
        paths = [record.result[name] for name in ("folder", "file") if name in record.result]
        return record if all((self.folder / path).exists() for path in paths) else None

    def failed(self, key: str) -> str:
        """Return why the last run of a stage failed; "" if it did not."""
        return self._failures.get(key, "")

    async def save(self, stages: Sequence[StoredStage]) -> None:
        """Store the states of all stages of the study."""
        await self._store.database.write(lambda connection: save_stages(connection, self._study, stages))

    async def update(self, stage: StoredStage) -> None:
        """Store the new state of a stage, with its record if it is done."""
        await self._store.database.write(lambda connection: save_stage(connection, self._study, stage))
        if stage.record is not None:
            self._records[stage.key] = stage.record
        if stage.state == StageState.FAILED:
            self._failures[stage.key] = stage.why
        else:
            self._failures.pop(stage.key, None)

    def _read_file(self, key: str) -> StageRecord | None:
        """Return a record that an earlier version stored in the folder."""
        try:
            path = self.folder / "stages" / f"{key.rpartition(':')[2]}.json"
            return StageRecord(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder of studies while the block runs.

    Raises:
        UserError: if another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                "another process is running a study in this folder",
                code="study.locked",
                where=str(folder),
                remedy="Wait until it ends, or name another folder with --out.",
            ) from error
        yield
