"""A study of five stages, killed with SIGKILL at every point: the final result is the same."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from results.db.store import Store
from results.db.studies import StoredStage, load_stages

# A diamond of stages that write files. Every step is counted, and at the given step the process kills
# itself: within a stage, before its record is stored, or after it.
SCRIPT = """
import asyncio, os, signal, sys
from pathlib import Path
from harness.study.scheduler import StageScheduler
from harness.study.stage_cache import StageOutput, StageCache, Stage
from results.db.store import Store

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(StageCache):
    async def update(self, stage):
        step()
        await super().update(stage)
        step()

def stage(name, *needs):
    async def run(inputs):
        with (folder / "ran.log").open("a") as log:
            log.write(name + "\\n")
        step()
        await asyncio.sleep(0)
        path = inputs.folder(folder / "made")
        if not path.exists():
            unfinished = path.with_name(path.name + ".partial")
            unfinished.mkdir(parents=True, exist_ok=True)
            outputs = "".join(record.output for record in inputs.needs.values())
            (unfinished / "text").write_text(name + outputs)
            step()
            unfinished.replace(path)
        step()
        text = (path / "text").read_text()
        return StageOutput(text, {"folder": str(path.relative_to(folder))})
    return Stage("write", name, {}, run, tuple(f"write {need}" for need in needs))

stages = [stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c"), stage("e", "d")]
folder.mkdir(parents=True, exist_ok=True)
async def main():
    async with await Store.open(str(folder / "results.sqlite")) as store:
        return await StageScheduler(stages, await Killed.open(folder, store, "diamond")).run()
result = asyncio.run(main())
print(result.stage_statuses[-1].record.output)
"""


def run(folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SCRIPT, str(folder), str(fatal)]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)


def values(folder: Path) -> list[StoredStage]:
    """Return the state, key and output of every stage from the database."""

    async def main() -> list[StoredStage]:
        async with await Store.open(str(folder / "results.sqlite")) as store:
            stages = await store.read(lambda connection: load_stages(connection, "diamond"))
        records = [replace(stage.record, seconds=0.0, ended=0.0) for stage in stages if stage.record]
        return [replace(stage, record=record) for stage, record in zip(stages, records, strict=True)]

    return asyncio.run(main())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "undisturbed"
    assert run(folder, 0).returncode == 0
    return folder


@pytest.mark.parametrize("every", [1, 4, 7])
def test_a_repeatedly_killed_study_has_the_same_result(undisturbed: Path, tmp_path: Path, every: int) -> None:
    folder = tmp_path / "killed"
    kills = 0
    while (done := run(folder, every + kills % 10)).returncode != 0:
        kills += 1
        assert done.returncode == -9, done.stderr
        assert kills < 60
    assert values(folder) == values(undisturbed)
    assert not list(folder.rglob("*.partial"))
    assert kills >= 1
    finished = (folder / "ran.log").read_text().split()
    assert finished.count("e") >= 1
    assert run(folder, 0).stdout == run(undisturbed, 0).stdout
    assert (folder / "ran.log").read_text().split() == finished  # nothing ran again
