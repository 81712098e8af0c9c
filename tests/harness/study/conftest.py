"""Small real stages, a study file, and a runner that keeps its folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.study.scheduler import StageScheduler, StudyResult
from harness.study.stage_cache import Stage, StageCache, StageInputs, StageOutput

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
    """A study that trains nobody: two contests, two judges, every model emulated."""
    path = tmp_path / "two.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


class StageRecorder:
    """Stages that add up numbers, what they did, and a folder that remembers."""

    def __init__(self, folder: Path) -> None:
        self.memory = StageCache(folder)
        self.ran: list[str] = []
        self.at_once: list[set[str]] = []
        self._now: set[str] = set()

    def stage(self, name: str, value: int, needs: Iterable[str] = (), **more: Any) -> Stage:
        """A stage whose output is its value plus those that it needs."""
        return Stage(
            "sum", name, {"value": value}, self._add(value), tuple(f"sum {one}" for one in needs), **more
        )

    def failing(self, name: str, needs: Iterable[str] = (), error: Exception | None = None) -> Stage:
        """A stage that fails."""

        async def fail(ready: StageInputs) -> StageOutput:
            self.ran.append(ready.stage.title)
            raise error or ValueError("out of salt")

        return Stage("sum", name, {}, fail, tuple(f"sum {one}" for one in needs))

    def run(self, stages: Iterable[Stage], **options: Any) -> StudyResult:
        """Run them; `ran` then says which did."""
        self.ran = []
        return asyncio.run(StageScheduler(list(stages), self.memory, **options).run())

    def outputs(self, ended: StudyResult) -> Mapping[str, str]:
        """Every done stage's output."""
        return {one.stage.title: one.record.output for one in ended.stage_statuses if one.record}

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
    """A kitchen with an empty folder."""
    return StageRecorder(tmp_path / "studies")
