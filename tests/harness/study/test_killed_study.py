"""A complete study, killed twenty times at seeded steps: request, answer, commit, record."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILLS = 20
LATEST_STEP = 40
STUDY = """
title = "Killed again and again"
fidelity = "ours"
emulate = true

[data]
source = "sample"
split = "test"
train_limit = 6

[teaching]
teachers = ["openai/gpt-4o"]
methods = ["over-human"]
strategies = ["sequential"]

[[student]]
name = "nobody"
base = "no/such-folder"

[judging]
judges = ["control/longer", "openai/gpt-4o", "google/gemini-2.0-flash"]
contests = [["student", "base"], ["openai/gpt-4o", "dataset:human"], ["dataset:gpt-4", "dataset:human"]]

[limits]
max_in_flight = 4
"""
# Runs the real command, which counts its steps and kills itself at the given one.
SCRIPT = """
import os, signal, sys
from agents.clients.http import HttpClient
from harness.cli import main
from harness.study.stage_cache import StageCache
from results.db.writer import Writer

fatal, steps = int(sys.argv[1]), 0

def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def count_steps(owner, name):
    inner = getattr(owner, name)
    async def around(*args):
        step()
        result = await inner(*args)
        step()
        return result
    setattr(owner, name, around)

count_steps(HttpClient, "complete")
count_steps(Writer, "_commit")
keep = StageCache.keep
def kept(self, record):
    step()
    keep(self, record)
    step()
StageCache.keep = kept
main(["run", "killed.toml", "--db", "here.sqlite", "--quiet", "--json"])
"""


def run(place: Path, fatal: int) -> int:
    place.mkdir(exist_ok=True)
    (place / "killed.toml").write_text(STUDY, encoding="utf-8")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-c", SCRIPT, str(fatal)]
    done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (1, -9), done.stderr  # 1: the student has no base, and that branch fails
    return done.returncode


def outputs(place: Path) -> dict[str, str]:
    """Return the output of every finished stage by name, without reports (they name their commands)."""
    records = [json.loads(path.read_text()) for path in (place / "runs/studies/stages").glob("*.json")]
    return {
        record["name"]: record["output"]
        for record in records
        if "output" in record and record["kind"] != "report"
    }


def test_a_study_killed_twenty_times_has_the_same_result(tmp_path: Path) -> None:
    assert run(tmp_path / "undisturbed", 0) == 1
    wanted = outputs(tmp_path / "undisturbed")
    assert {name.split(" ")[0] for name in wanted} == {"improve", "build", "respond", "judge"}
    draw = random.Random(1)
    kills = folder = 0
    while kills < KILLS:  # a study that ends before the twentieth kill restarts in another folder
        place = tmp_path / f"killed-{folder}"
        while kills < KILLS and run(place, draw.randint(1, LATEST_STEP)) == -9:
            kills += 1
        assert run(place, 0) == 1
        assert outputs(place) == wanted
        folder += 1
