"""Stages and what is remembered of them: inputs and outputs identified by content.

A stage's key is the content id of its kind, of every setting that decides its output, and of the *outputs* of
the stages it needs. So a finished stage is never run again; a changed setting runs again exactly what depends
on it; and where a stage that ran again gives the same output, nothing after it does.

    FOLDER/stages/<key>.json          a finished stage: its output's id and its result
    FOLDER/stages/<key>.failed.json   why the last try failed

Each file is written whole or not at all, after what it tells of is there. Knows nothing of what stages do.
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
    """A finished stage.

    Attributes:
        output: content id of what it made.
        result: what those that need it, and people, are told; plain data.
        needed: output of each stage it needed, by the stage's name.
        settings: what decided its output.
        seconds: it took.  ended: when, in seconds since 1970.
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
    """What a stage made: the content id of its output, and its result."""

    output: str
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageInputs:
    """A stage that may begin: its key, and the records of what it needs, by name.

    `opened` is what its session gave (a server), or None.
    """

    stage: Stage
    key: str
    needs: Mapping[str, StageRecord]
    opened: Any = None

    def folder(self, under: Path) -> Path:
        """Where its files go: a place of this key alone, so that what is there is its own."""
        bare = "".join(one if one.isalnum() or one in "-_.@" else "-" for one in self.stage.title)
        return under / f"{bare}-{self.key.rpartition(':')[2][:10]}"


Do = Callable[[StageInputs], Awaitable[StageOutput]]
Session = Callable[[Sequence[StageInputs]], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, eq=False)
class Stage:
    """One piece of a study.

    Attributes:
        kind: "improve", "build", "train" …
        title: which one; with the kind before it, its name within the study.
        settings: everything that decides its output, but for what it needs; plain data.
        needs: names of stages.  uses: what it holds alone while it runs ("card", a model's lane).
        do: makes it.
        patient: it runs once all that it needs has ended, with what of it is done (a report).
        session: opened around it and every ready stage with the same `session_key` (a server).
    """

    kind: str
    title: str
    settings: Mapping[str, Any]
    do: Do
    needs: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    run_on_partial_inputs: bool = False
    session_key: str = ""
    session: Session | None = None

    @property
    def name(self) -> str:
        """`kind title`."""
        return f"{self.kind} {self.title}".strip()

    def key(self, needs: Mapping[str, StageRecord]) -> str:
        """Content id of everything that decides the output."""
        outputs = {name: record.output for name, record in needs.items()}
        return content_id("stage-1", [self.kind, self.title, dict(self.settings), outputs])


class StageCache:
    """What is remembered of stages, in a folder that several studies may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stages = folder / "stages"

    def done(self, key: str) -> StageRecord | None:
        """The record of a finished stage whose files are all still there."""
        told = _read(self._place(key))
        if told is None:
            return None
        record = StageRecord(**told)
        places = [record.result[name] for name in ("folder", "file") if name in record.result]
        return record if all((self.folder / place).exists() for place in places) else None

    def keep(self, record: StageRecord) -> None:
        """It is finished."""
        atomic_write(self._place(record.key), json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")
        self._failed(record.key).unlink(missing_ok=True)

    def failed(self, key: str) -> str:
        """Why its last try failed; "" where none did."""
        told = _read(self._failed(key))
        return str(told["why"]) if told else ""

    def fail(self, key: str, name: str, why: str) -> None:
        """It failed, and why."""
        atomic_write(self._failed(key), json.dumps({"name": name, "why": why}, ensure_ascii=False) + "\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs, no other process works in this folder.

        Raises:
            UserError: one does.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    "another process is running a study in this folder",
                    code="study.locked",
                    where=str(self.folder),
                    remedy="Wait until it ends, or name another folder with --out.",
                ) from error
            yield

    def _place(self, key: str) -> Path:
        return self._stages / f"{key.rpartition(':')[2]}.json"

    def _failed(self, key: str) -> Path:
        return self._stages / f"{key.rpartition(':')[2]}.failed.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
