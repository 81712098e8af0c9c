"""Tables of a study: every contest under every judge, unscored judgments, emulated models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.study.config import StudentSpec
from harness.study.config_loader import load
from harness.study.scheduler import StageState, StageStatus
from harness.study.stage_cache import Stage, StageInputs, StageOutput, StageRecord
from harness.study.status_tables import render_status
from results.render.format import format_duration, format_rounded_usd
from tests.tables import table_text

STUDY = load("tiny")


async def nothing(ready: StageInputs) -> StageOutput:
    return StageOutput("")


def judged(contest: str, judge: str, rate: float | None, **more: Any) -> StageStatus:
    result = {
        "judge": judge,
        "split": "test",
        "win_rate": rate,
        "low": 0.1,
        "high": 0.9,
        "n": 15,
        "unscored": {},
    }
    stage = Stage("judge", f"{contest} by {judge}", {}, nothing)
    return StageStatus(
        stage, StageState.DONE, StageRecord("key", "judge", stage.name, "out", {**result, **more})
    )


def printed(*stage_statuses: StageStatus) -> str:
    rendering = render_status(STUDY, stage_statuses)
    return "\n".join([*map(table_text, rendering.tables), *rendering.conclusions])


def test_every_contest_under_every_judge() -> None:
    text = printed(
        judged("one : base", "control/longer", 0.123),
        judged("one : base", "openai/gpt-4o", 0.456),
        judged("other : base", "control/longer", 0.789),
    )
    assert all(rate in text for rate in ("12.3 %", "45.6 %", "78.9 %"))
    assert text.count("against base") == 2
    assert "…" in text  # not judged yet
    assert "n = 15 dialogues" in text


def test_unscored_judgments_are_shown_beside_the_rate() -> None:
    text = printed(
        judged("one : base", "openai/gpt-4o", 0.5, n=12, unscored={"refused": 3}),
        judged("two : base", "openai/gpt-4o", None, n=0, low=None, high=None),
    )
    assert "refused 3" in text
    assert "n = 12" in text
    assert "n = 0" in text


def test_judgments_for_choosing_the_best_are_not_results() -> None:
    chosen = judged("one : base (development)", "control/longer", 0.5, split="development")
    assert render_status(STUDY, [chosen]).tables == ()


def test_notes_mark_emulated_and_tiny_models() -> None:
    results = [judged("one : base", "control/longer", 0.5)]
    assert {note.split(":")[0] for note in render_status(STUDY, results).conclusions} >= {"EMULATED", "TINY"}
    real = replace(STUDY, emulate=False, student_specs=(StudentSpec("llama", "meta-llama/Llama-3.1-8B"),))
    assert not {note.split(":")[0] for note in render_status(real, results).conclusions} & {
        "EMULATED",
        "TINY",
    }


def test_money_and_durations_are_formatted_for_readers() -> None:
    assert [format_rounded_usd(usd) for usd in (None, 0.0, 0.0042, 41.2251, 2710.7)] == [
        "?",
        "$0.00",
        "$0.0042",
        "$41.23",
        "$2,710.70",
    ]
    assert [format_duration(seconds) for seconds in (0, 59.6, 3600, 5040)] == [
        "0:00",
        "1:00",
        "1:00:00",
        "1:24:00",
    ]
