"""What `empathy judge` tells beside the win rates, and when it stops by itself."""

from __future__ import annotations

import pytest

from harness.data.dataset import sample
from tests.harness.cli.contests import SAMPLE, A, C, Run, contests, judge

# -- beside the win rates ------------------------------------------------------------------------------


def test_groups_are_the_whole_and_small_ones_have_no_interval(empathy: Run) -> None:
    words = ("--judge", "control/ratings", "--by")
    whole = contests(judge(empathy, A, C, "--judge", "control/ratings"))[0]
    for by in ("sentiment", "emotion"):
        data = judge(empathy, A, C, *words, by)
        groups = data["group_by"]["contests"][whole["judge_id"]]
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
    own = {row["judge"]: row["win_rate"] for row in contests(data) if row["judge"] in pooled["judges"]}
    assert len(own) == 2  # floors are not pooled
    assert pooled["range"] == {"low": min(own.values()), "high": max(own.values())}
    assert pooled["win_rate"] == pytest.approx(sum(own.values()) / 2)
    assert pooled["disagree"] == (pooled["disagree_on_sign"] or pooled["disagree_by_points"])
    assert "Pooled over judges" in empathy("judge", A, C, *SAMPLE, *words, "--emulate").out
    alone = judge(empathy, A, C, "--judge", "control/first", "--judge", "control/longer")
    assert alone["pooled"] is None


def test_length_control_stands_beside_the_plain_rate(empathy: Run) -> None:
    data = judge(empathy, A, "dataset:mixtral-8x7b", "--judge", "control/ratings", "--length-control")
    found = contests(data)[0]["length"]["control"]
    if found["not_estimable"] is None:
        assert found["low"] < found["win_rate"] < found["high"]
        assert found["plain"] == contests(data)[0]["win_rate"]
        assert found["wording"] == "association given length"
    else:
        assert "%" in found["not_estimable"]


def test_repetitions_tell_their_stability(empathy: Run) -> None:
    words = ("--judge", "openai/gpt-4o", "--emulate", "--limit", "8", "--samples", "3")
    data = contests(judge(empathy, A, C, *words))[0]
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
    first, longer = sorted(contests(data), key=lambda row: row["judge"])
    stopped, whole = longer["stopping"], first["stopping"]
    assert (stopped["rule_met"], stopped["better"]) == (True, "A")
    assert stopped["saved"] == 128 - stopped["judgments"] > 0
    assert longer["low"] > 0.5
    assert (whole["rule_met"], whole["finished"], whole["exact"], whole["saved"]) == (
        False,
        True,
        False,
        0,
    )
    assert [row["stopping"]["estimand"] for row in contests(data)] == ["population"] * 2
    assert (longer["soft"], longer["single_orders"]["a_first"]["win_rate"]) == (None, None)
    record_data = empathy(*words)
    assert record_data.code == 0
    assert (
        f"decided after {stopped['dialogues']} of 64 dialogues: {A} is preferred"
        in record_data.out.replace("\n", " ")
    )
    assert "requests saved" in record_data.out
    assert "all 64 dialogues judged, undecided" in record_data.out
    again = empathy(*words, "--json").data
    assert [row["requests"]["made"] for row in contests(again)] == [0, 0]
    assert [row["low"] for row in contests(again)] == [row["low"] for row in contests(data)]


def test_of_these_dialogues_alone_an_answer_is_known_and_never_decided(empathy: Run) -> None:
    words = ("judge", A, C, *SAMPLE, "--judge", "control/longer", "--until", "decided")
    known = contests(empathy(*words, "--estimand", "these-dialogues", "--json").data)[0]["stopping"]
    assert (known["rule_met"], known["known_for_these_dialogues"], known["decided"]) == (
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
    for more in (("--by", "emotion"), ("--length-control",)):
        beside = empathy(*words, "decided", *more)
        assert beside.code == 2
        assert beside.codes == ["option.conflict"]
