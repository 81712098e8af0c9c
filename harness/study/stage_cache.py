"""Stages and the cache of finished stages, identified by the content of their inputs and outputs.

A stage's key is the content id of its kind, of every setting that affects its output, and of the outputs of
the stages that it needs. A finished stage therefore never runs again, a changed setting runs exactly what
depends on it again, and if a stage that ran again has the same output, the stages after it do not run again.

    FOLDER/stages/<key>.json          a finished stage: the id of its output and its result
    FOLDER/stages/<key>.failed.json   the reason why its last run failed

Each file is written atomically, after the files that it describes.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.hashing import content_id
from harness.atomic_write import atomic_write


@dataclass(frozen=True)
class StageRecord:
    """Record of a finished stage.

    Attributes:
        key: the stage's key.
        kind, name: the stage's kind and name.
        output: content id of its output.
        result: plain data for the stages that need it and for output.
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
    """Cache of finished stages, in a folder that several studies may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stages = folder / "stages"

    def done(self, key: str) -> StageRecord | None:
        """Return the record of a finished stage if all its files exist."""
        data = _read_json(self._record_path(key))
        if data is None:
            return None
        record = StageRecord(**data)
        paths = [record.result[name] for name in ("folder", "file") if name in record.result]
        return record if all((self.folder / path).exists() for path in paths) else None

    def keep(self, record: StageRecord) -> None:
        """Store the record of a finished stage."""
        atomic_write(
            self._record_path(record.key), json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n"
        )
        self._failure_path(record.key).unlink(missing_ok=True)

    def failed(self, key: str) -> str:
        """Return why the last run of a stage failed; "" if it did not."""
        data = _read_json(self._failure_path(key))
        return str(data["why"]) if data else ""

    def fail(self, key: str, name: str, why: str) -> None:
        """Store the reason why a stage failed."""
        atomic_write(
            self._failure_path(key), json.dumps({"name": name, "why": why}, ensure_ascii=False) + "\n"
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder while the block runs.

        Raises:
            UserError: if another process holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    "another process is running a study in this folder",
                    code="study.locked",
                    where=str(self.folder),
                    remedy="Wait until it ends, or name another folder with --out.",
                ) from error
            yield

    def _record_path(self, key: str) -> Path:
        return self._stages / f"{key.rpartition(':')[2]}.json"

    def _failure_path(self, key: str) -> Path:
        return self._stages / f"{key.rpartition(':')[2]}.failed.json"


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
