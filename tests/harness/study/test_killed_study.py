"""A study, killed at seeded steps (request, answer, commit, state of a stage): the database ends the same."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

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
count_steps(StageCache, "update")
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


def stages(place: Path) -> list[tuple[str, str, str]]:
    """Return name, state and output of every stage in the database.

    The output of a report is left out, because a report names the commands.
    """
    query = """
        SELECT stage.name, stage.state, coalesce(record.output, '')
        FROM study_stage stage LEFT JOIN stage_record record USING (key) ORDER BY stage.position
    """
    with closing(sqlite3.connect(place / "here.sqlite")) as connection:
        return [
            (name, state, "" if name.startswith("report ") else output)
            for name, state, output in connection.execute(query)
        ]


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_repeatedly_killed_study_has_the_same_result(tmp_path: Path, kills: int) -> None:
    assert run(tmp_path / "undisturbed", 0) == 1
    wanted = stages(tmp_path / "undisturbed")
    done = {name.split(" ")[0] for name, state, _ in wanted if state == "done"}
    assert done == {"improve", "build", "respond", "judge", "report"}
    assert {state for _, state, _ in wanted} == {"done", "failed", "blocked"}
    draw = random.Random(1)
    killed = folder = 0
    while killed < kills:  # a study that ends before the last kill restarts in another folder
        place = tmp_path / f"killed-{folder}"
        while killed < kills and run(place, draw.randint(1, LATEST_STEP)) == -9:
            killed += 1
        assert run(place, 0) == 1
        assert stages(place) == wanted
        folder += 1
