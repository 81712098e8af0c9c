"""All authors against one opponent: `empathy compare --all`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.cli.contests import COMPARE, LLMS, A, B, C, Run, flat, judged


def test_the_best_of_everyone_is_corrected_for_the_choice(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    words = ("compare", "--all", "--opponent", C, "--split", "all")
    data = empathy(*words, "--json").data
    row = data["best"]["control/ratings"]
    best = row["result"]
    top = max(data["rows"], key=lambda row: row["unadjusted"]["win_rate"])
    assert (row["author"], best["observed"]) == (top["first"], top["unadjusted"]["win_rate"])
    assert (best["candidates"], best["n"], row["not_estimable"]) == (4, 64, None)
    assert best["low"] <= best["estimate"] <= best["high"]
    printed = flat(empathy(*words))
    assert "corrected for selection" in printed
    assert "--split development" in printed
    assert empathy(*words, "--pairwise", "--json").data["best"] == {}


def test_one_author_has_no_selection_bias(empathy: Run) -> None:
    judged(empathy, (A, C), by=("control/ratings",))
    assert empathy("compare", "--all", "--opponent", C, "--split", "all", "--json").data["best"] == {}


def test_everyone_is_one_family_with_simultaneous_intervals(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings", "control/longer"))
    words = ("compare", "--all", "--opponent", C, "--split", "all", "--judge", "control/ratings")
    data = empathy(*words, "--json").data
    assert [row["first"] for row in data["rows"]] == sorted(LLMS)
    assert data["family_size"] == 4
    for row in data["rows"]:
        assert row["p_adjusted"] >= row["p"]
        assert row["low"] <= 2 * row["unadjusted"]["low"] - 1 + 0.02
        assert row["difference"] == pytest.approx(2 * row["unadjusted"]["win_rate"] - 1)
    both = empathy(*words, "--judge", "control/longer", "--json").data
    assert both["family_size"] == 8
    pairs = empathy(*words, "--pairwise", "--json").data
    assert (len(pairs["rows"]), pairs["family_size"]) == (6, 6)
    printed = empathy(*words).out
    assert "a family of 4 tests (Holm)" in printed
    assert (
        "Scope of every interval: over dialogues and the noise of the one generation for each; this training"
        in " ".join(printed.split())
    )
    assert "The rate of the best of several authors" in printed


def test_test_set_uses_are_distinct_opponents_and_judges(empathy: Run) -> None:
    short = ("--data", "sample", "--quiet", "--judge", "control/longer")
    for words in ((A, C), (B, C), (A, B)):
        empathy("judge", *words, *short)
    for more in ((), ("--samples", "2"), ("--limit", "4"), ("--seed", "3")):
        empathy("judge", A, C, *short, *more)  # the same opponent and judge again are no further use
    empathy("judge", A, C, *short, "--split", "train")
    record_data = empathy("judge", A, C, "--data", "sample", "--quiet", "--judge", "control/first").out
    assert f"Test-set uses so far: {A} 3" in " ".join(record_data.split())
    data = empathy("compare", A, B, "--opponent", C, "--json").data
    assert data["test_set_uses"] == {A: 3, B: 2}
    assert f"Test-set uses so far: {A} 3, {B} 2" in flat(empathy("compare", A, B, "--opponent", C))
    empathy("report", "last", "--out", "page.json")
    page = json.loads(Path("page.json").read_text())
    assert {one["author"]: one["test_set_uses"] for one in page["authors"]}[A] == 3


def test_models_precede_control_judges_and_emulated_ones_are_marked(empathy: Run) -> None:
    judged(
        empathy,
        (A, C),
        (B, C),
        by=("openai/gpt-4o", "google/gemini-2.0-flash", "control/longer"),
        more=("--emulate",),
    )
    data = empathy(*COMPARE, "--json").data
    assert [one["judge"] for one in data["judges"]] == [
        "google/emulated-gemini-2.0-flash",
        "openai/emulated-gpt-4o",
    ]
    assert data["emulated"] is True
    assert "EMULATED" in empathy(*COMPARE).out
    assert "soft" not in flat(empathy(*COMPARE))
    assert "in points, soft:" in flat(empathy(*COMPARE, "--soft"))
    soft = empathy(*COMPARE, "--soft", "--json").data
    assert soft["soft"] is True
    assert soft["judges"][0]["win_rates"] != data["judges"][0]["win_rates"]
    refused = empathy(*COMPARE, "--soft", "--judge", "control/longer")
    assert refused.code == 2
    assert "no probabilities" in refused.err
