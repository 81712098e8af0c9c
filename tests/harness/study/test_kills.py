"""A study of five stages, killed with SIGKILL at every point: the final result is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# A diamond of stages that write files. Every step is counted, and at the given step the process kills
# itself: within a stage, before its record is stored, or after it.
SCRIPT = """
import asyncio, os, signal, sys
from pathlib import Path
from harness.study.scheduler import StageScheduler
from harness.study.stage_cache import StageOutput, StageCache, Stage

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
memory = StageCache(folder)
steps = 0

def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(StageCache):
    def keep(self, record):
        step()
        super().keep(record)
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
result = asyncio.run(StageScheduler(stages, Killed(folder)).run())
print(result.stage_statuses[-1].record.output)
"""


def run(folder: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SCRIPT, str(folder), str(fatal)]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)


def values(folder: Path) -> dict[str, str]:
    """Return every stage's key and output from the records."""
    records = [json.loads(path.read_text()) for path in sorted((folder / "stages").glob("*.json"))]
    return {record["name"]: f"{record['key']} {record['output']}" for record in records}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "undisturbed"
    assert run(folder, 0).returncode == 0
    return folder


@pytest.mark.parametrize("every", [1, 4, 7])
def test_a_repeatedly_killed_study_has_the_same_result(undisturbed: Path, tmp_path: Path, every: int) -> None:
    folder = tmp_path / "killed"
    kills = 0
    while (done := run(folder, every + kills % 6)).returncode != 0:
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
