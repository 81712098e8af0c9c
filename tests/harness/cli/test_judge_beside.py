"""What `empathy judge` tells beside the win rates, and when it stops by itself."""

from __future__ import annotations

import pytest

from harness.data.dataset import sample
from tests.harness.cli.contests import SAMPLE, A, C, Run, judge

# -- beside the win rates ------------------------------------------------------------------------------


def test_groups_are_the_whole_and_small_ones_have_no_interval(empathy: Run) -> None:
    words = ("--judge", "control/ratings", "--by")
    whole = judge(empathy, A, C, "--judge", "control/ratings")["judges"][0]
    for by in ("sentiment", "emotion"):
        groups = judge(empathy, A, C, *words, by)["judges"][0]["group_by"]["groups"]
        assert sum(group["n"] for group in groups.values()) == 64
        mean = sum(group["n"] * group["win_rate"] for group in groups.values()) / 64
        assert mean == pytest.approx(whole["win_rate"])
        assert all((group["low"] is not None) is (group["n"] >= 20) for group in groups.values())
    assert set(groups) == {dialogue.emotion for dialogue in sample().dialogues}


def test_pooled_rates_are_shown_with_those_of_each_judge_and_their_disagreement(empathy: Run) -> None:
    models = ("openai/gpt-4o", "google/gemini-2.0-flash")
    words = [word for name in (*models, "control/first") for word in ("--judge", name)]
    data = judge(empathy, A, C, *words, "--emulate")
    pooled = data["pooled"]
    own = {row["judge"]: row["win_rate"] for row in data["judges"] if row["judge"] in pooled["judges"]}
    assert len(own) == 2  # floors are not pooled
    assert pooled["range"] == [min(own.values()), max(own.values())]
    assert pooled["win_rate"] == pytest.approx(sum(own.values()) / 2)
    assert pooled["disagree"] == (pooled["disagree_on_sign"] or pooled["disagree_by_points"])
    assert "Pooled over judges" in empathy("judge", A, C, *SAMPLE, *words, "--emulate").out
    assert "pooled" not in judge(empathy, A, C, "--judge", "control/first", "--judge", "control/longer")


def test_length_control_stands_beside_the_plain_rate(empathy: Run) -> None:
    data = judge(empathy, A, "dataset:mixtral-8x7b", "--judge", "control/ratings", "--length-control")
    found = data["judges"][0]["length_control"]
    if found["not_estimable"] is None:
        assert found["low"] < found["win_rate"] < found["high"]
        assert found["plain"] == data["judges"][0]["win_rate"]
        assert found["wording"] == "association given length"
    else:
        assert "%" in found["not_estimable"]


def test_repetitions_tell_their_stability(empathy: Run) -> None:
    words = ("--judge", "openai/gpt-4o", "--emulate", "--limit", "8", "--samples", "3")
    data = judge(empathy, A, C, *words)["judges"][0]
    assert 0 <= data["repetition_stability"] <= 1
    assert data["requests"]["made"] == 48


# -- stopping ------------------------------------------------------------------------------------------


def test_a_run_until_decided_reports_its_sequence_alone(empathy: Run) -> None:
    words = (
        "judge",
        A,
        C,
        *SAMPLE,
        "--judge",
        "control/longer",
        "--judge",
        "control/first",
        "--until",
        "decided",
    )
    data = empathy(*words, "--json").data
    first, longer = sorted(data["judges"], key=lambda row: row["judge"])
    assert (longer["stopping_rule_met"], longer["better"]) == (True, "A")
    assert longer["requests"]["saved"] == 128 - longer["requests"]["asked"] > 0
    assert longer["low"] > 0.5
    assert (first["stopping_rule_met"], first["finished"], first["exact"], first["requests"]["saved"]) == (
        False,
        True,
        False,
        0,
    )
    assert [row["estimand"] for row in data["judges"]] == ["population"] * 2
    assert {"p", "consistency", "single_orders", "soft"} & set(longer) == set()
    record_data = empathy(*words)
    assert record_data.code == 0
    assert (
        f"decided after {longer['dialogues']} of 64 dialogues: {A} is preferred"
        in record_data.out.replace("\n", " ")
    )
    assert "requests saved" in record_data.out
    assert "all 64 dialogues judged, undecided" in record_data.out
    again = empathy(*words, "--json").data
    assert [row["requests"]["made"] for row in again["judges"]] == [0, 0]
    assert [row["low"] for row in again["judges"]] == [row["low"] for row in data["judges"]]


def test_of_these_dialogues_alone_an_answer_is_known_and_never_decided(empathy: Run) -> None:
    words = ("judge", A, C, *SAMPLE, "--judge", "control/longer", "--until", "decided")
    known = empathy(*words, "--estimand", "these-dialogues", "--json").data["judges"][0]
    assert (known["stopping_rule_met"], known["known_for_these_dialogues"], known["decided"]) == (
        True,
        True,
        False,
    )
    shown = empathy(*words, "--estimand", "these-dialogues").out
    assert "known for these dialogues" in " ".join(shown.split())
    assert "decided" not in shown


def test_stop_when_narrow_prints_the_expected_size_first(empathy: Run) -> None:
    words = ("judge", A, C, *SAMPLE, "--judge", "control/longer", "--until")
    done = empathy(*words, "0.2")
    assert "a half-width of 0.2 takes" in done.err
    assert "target half-width reached after" in done.out
    refused = empathy(*words, "0.01", "--estimand", "population")
    assert refused.code == 2
    assert "early-stopping.half-width-unreachable" in refused.err
    for more in (("--by", "emotion"), ("--length-control",), ("--report", "page.html")):
        beside = empathy(*words, "decided", *more)
        assert beside.code == 2
        assert beside.codes == ["option.conflict"]
