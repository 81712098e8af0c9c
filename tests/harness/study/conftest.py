"""Fixtures: small stages, a study file, and a runner with its own folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness.study.scheduler import StageScheduler, StageStatus, StudyResult, stage_statuses
from harness.study.stage_cache import Stage, StageCache, StageInputs, StageOutput
from results.db.store import Store
from results.db.studies import StoredStage, load_stages

Result = TypeVar("Result")
STUDY_NAME = "sums"

STUDY = """
title = "Two responders"
fidelity = "ours"
emulate = true

[data]
source = "sample"
split = "test"
limit = 6

[judging]
judges = ["control/longer", "openai/gpt-4o"]
contests = [["dataset:gpt-4", "dataset:human"], ["openai/gpt-4o", "dataset:human"]]
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """Return a study without training: two contests, two judges, every model emulated."""
    path = tmp_path / "two.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


class StageRecorder:
    """Stages that add numbers, the log of what ran, and a folder with their records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.at_once: list[set[str]] = []
        self._now: set[str] = set()

    def stage(self, name: str, value: int, needs: Iterable[str] = (), **more: Any) -> Stage:
        """Return a stage whose output is its value plus the outputs of its inputs."""
        return Stage(
            "sum", name, {"value": value}, self._add(value), tuple(f"sum {need}" for need in needs), **more
        )

    def failing(self, name: str, needs: Iterable[str] = (), error: Exception | None = None) -> Stage:
        """Return a stage that fails."""

        async def fail(ready: StageInputs) -> StageOutput:
            self.ran.append(ready.stage.title)
            raise error or ValueError("out of salt")

        return Stage("sum", name, {}, fail, tuple(f"sum {need}" for need in needs))

    def run(self, stages: Iterable[Stage], **options: Any) -> StudyResult:
        """Run the stages; `ran` lists those that ran."""
        self.ran = []
        return self.with_memory(lambda memory: StageScheduler(list(stages), memory, **options).run())

    def statuses(self, stages: Iterable[Stage]) -> list[StageStatus]:
        """Return the status of every stage without running any."""

        async def read(memory: StageCache) -> list[StageStatus]:
            return stage_statuses(stages, memory)

        return self.with_memory(read)

    def stored(self) -> list[StoredStage]:
        """Return the stages as the database has them."""

        async def main() -> list[StoredStage]:
            async with await Store.open(self.database) as store:
                return await store.read(lambda connection: load_stages(connection, STUDY_NAME))

        return asyncio.run(main())

    @property
    def database(self) -> str:
        """The path of the database."""
        return str(self.folder / "results.sqlite")

    def with_memory(self, do: Callable[[StageCache], Coroutine[Any, Any, Result]]) -> Result:
        """Call a function with the records and states in the database."""

        async def main() -> Result:
            async with await Store.open(self.database) as store:
                return await do(await StageCache.open(self.folder, store, STUDY_NAME))

        return asyncio.run(main())

    def outputs(self, ended: StudyResult) -> Mapping[str, str]:
        """Return the output of every finished stage."""
        return {status.stage.title: status.record.output for status in ended.stage_statuses if status.record}

    def _add(self, value: int) -> Callable[[StageInputs], Any]:
        async def add(ready: StageInputs) -> StageOutput:
            name = ready.stage.title
            self.ran.append(name)
            self._now.add(name)
            self.at_once.append(set(self._now))
            for _ in range(3):
                await asyncio.sleep(0)
            self._now.discard(name)
            total = value + sum(int(record.output) for record in ready.needs.values())
            return StageOutput(str(total), {"total": total})

        return add


@pytest.fixture
def kitchen(tmp_path: Path) -> StageRecorder:
    """Return a kitchen with an empty folder."""
    return StageRecorder(tmp_path / "studies")
