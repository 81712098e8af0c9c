"""The complete chain on CPU: improve, build, train, serve, judge, report; with kills in between."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("torch")
pytest.importorskip("trl")

COMMAND = (
    "from harness.cli import main; main(['run', 'tiny', '--out', 'here', '--db', 'here/empathy.sqlite'])"
)
# the process is killed when each of these is first printed
MOMENTS = (
    "building a tiny",
    "rows, ",  # kills within training steps: finetune/test_resume.py
    "…   train tiny-over-human-all-dimensions-dpo",
    "…   generate",
    "done  generate",
    "done  judge",
)


def begin(place: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        cwd=place,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(place: Path) -> tuple[int, str]:
    child = begin(place)
    out, err = child.communicate(timeout=400)
    return child.returncode, out + err


def outputs(place: Path) -> dict[str, str]:
    """Return the output of every finished stage by name."""
    with closing(sqlite3.connect(place / "here/empathy.sqlite")) as connection:
        return dict(connection.execute("SELECT name, output FROM stage_record"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("undisturbed")
    code, output = run(place)
    assert code == 0, output
    assert "EMULATED" in output
    return place


def test_the_report_is_one_page(undisturbed: Path) -> None:
    (page,) = (undisturbed / "here" / "reports").glob("tiny-*.html")
    text = page.read_text(encoding="utf-8")
    assert "student:tiny-over-human-all-dimensions-dpo" in text
    assert "mulated" in text
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://127.0.0.1", "")


def test_a_study_killed_at_every_stage_has_the_same_result(undisturbed: Path, tmp_path: Path) -> None:
    wanted = outputs(undisturbed)
    left = list(MOMENTS)
    while left:
        child = begin(tmp_path)
        assert child.stderr is not None
        for line in child.stderr:
            if left and left[0] in line:
                left.pop(0)
                child.send_signal(signal.SIGKILL)
                break
        else:
            pytest.fail(f"it came to its end without saying {left[0]!r}")
        child.communicate()
    code, output = run(tmp_path)
    assert code == 0, output
    resumed = outputs(tmp_path)
    assert set(resumed) == set(wanted)
    # reports contain commands and times; all other outputs are equal, including weights and verdicts
    differ = {name for name in wanted if resumed[name] != wanted[name]}
    assert differ <= {"report tiny"}
