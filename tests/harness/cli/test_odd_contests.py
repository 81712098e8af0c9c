"""Contests with little or no information: one dialogue, all ties, one order; their results and notes."""

from __future__ import annotations

from tests.harness.cli.contests import (
    COMPARE,
    SAMPLE,
    A,
    B,
    C,
    Run,
    author,
    change,
    contests,
    flat,
    judged,
    only,
)


def test_one_dialogue_gives_a_small_sample_note(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), more=("--limit", "1"))
    test = only(empathy(*COMPARE, "--json").data)["against_opponent"]
    assert (test["n"], test["p"]) == (1, 1)
    assert test["high"] - test["low"] > 1
    assert "one shared dialogue" in empathy(*COMPARE).out
    values = empathy(
        "judge",
        A,
        C,
        *SAMPLE,
        "--judge",
        "control/longer",
        "--limit",
        "1",
        "--length-control",
        "--by",
        "emotion",
    )
    assert values.code == 0
    assert "1 complete dialogues, at least 20 are required" in values.out
    assert "too few" in values.out or "one complete dialogue" in values.out


def test_all_ties_are_no_difference_and_no_interval_of_zero_width(empathy: Run) -> None:
    texts = ("one two three", "four five six", "seven eight nine")
    a, b, c = (author(f"{at}.jsonl", dict.fromkeys(range(30), text)) for at, text in enumerate(texts))
    judged(empathy, (a, c), (b, c))
    words = ("compare", a, b, "--opponent", c, "--split", "all")
    found = only(empathy(*words, "--json").data)
    test = found["against_opponent"]
    assert (test["difference"], test["p"], test["win_rates"], found["verdict"]) == (
        0,
        1,
        [0.5, 0.5],
        "undecided",
    )
    assert test["low"] < 0 < test["high"]
    assert (test["mde"], found["required_sample_size"]) == (None, None)
    assert "the same score in every dialogue" in empathy(*words).out
    until = empathy("judge", a, c, *SAMPLE, "--judge", "control/longer", "--until", "decided")
    assert "all 30 dialogues judged, undecided" in until.out


def test_a_contest_without_scores_has_no_difference_and_a_reason(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C))
    change("UPDATE judgment SET preference = NULL, unscored = 'refused'")
    found = only(empathy(*COMPARE, "--json").data)
    test = found["against_opponent"]
    assert (test["difference"], test["low"], test["p"], found["verdict"]) == (None, None, None, "")
    assert (test["bounds"], test["left_out"]) == ({"low": -1, "high": 1}, 64)
    values = empathy(*COMPARE)
    assert values.code == 0
    assert "no dialogue is complete for both" in flat(values)
    everyone = empathy("compare", "--all", "--opponent", C, "--split", "all")
    assert everyone.code == 0
    pooled = empathy(
        "judge", A, C, *SAMPLE, "--judge", "control/longer", "--by", "sentiment", "--length-control"
    )
    assert pooled.code == 1, "not one verdict was read"
    assert "0 complete dialogues" in pooled.out


def test_perfect_separation_has_no_length_control_and_a_note_in_the_comparison(empathy: Run) -> None:
    lengths = [(at * 7) % 50 + 1 for at in range(50)]
    a = author("a.jsonl", {at: "word " * lengths[at] for at in range(50)})
    b = author("b.jsonl", dict.fromkeys(range(50), "word " * 25))
    c = author("c.jsonl", dict.fromkeys(range(50), "word"))
    values = empathy("judge", a, b, *SAMPLE, "--judge", "control/longer", "--length-control", "--json").data
    control = contests(values)[0]["length"]["control"]
    assert control["win_rate"] is None
    assert "perfectly" in control["not_estimable"]
    judged(empathy, (b, a), (c, a))
    found = only(empathy("compare", b, c, "--opponent", a, "--split", "all", "--json").data)
    assert found["verdict"] == "first"
    assert 0 < found["against_opponent"]["p"] < 0.05


def test_authors_without_a_common_dialogue_cannot_be_compared(empathy: Run) -> None:
    a = author("a.jsonl", dict.fromkeys(range(20), "a few words"))
    b = author("b.jsonl", dict.fromkeys(range(20, 40), "a few words"))
    refused = empathy("judge", a, b, *SAMPLE, "--judge", "control/longer")
    assert refused.code == 2
    assert "no dialogue in common" in refused.err
    judged(empathy, (a, C), (b, C))
    words = ("compare", a, b, "--opponent", C, "--split", "all")
    data = empathy(*words, "--json").data
    found = only(data)
    assert (found["against_opponent"]["difference"], found["unshared"], data["family_size"]) == (None, 40, 0)
    values = empathy(*words)
    assert values.code == 0
    assert "no result" in values.out
    strategies = empathy("compare", f"{a},{A}", f"{b},{B}", *words[3:])
    assert strategies.code == 2  # A and B were not judged yet
    judged(empathy, (A, C), (B, C))
    strategies = empathy("compare", f"{a},{A}", f"{b},{B}", *words[3:])
    assert strategies.code == 0
    assert "0 dialogues are complete under every checkpoint" in flat(strategies)


def test_one_order_missing_leaves_only_the_bounds(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C))
    change("DELETE FROM judgment WHERE first IN (SELECT id FROM response WHERE author = 'dataset:gpt-4')")
    found = only(empathy(*COMPARE, "--single-orders", "--json").data)
    test = found["against_opponent"]
    assert test["difference"] is None
    assert -1 < test["bounds"]["low"] < test["bounds"]["high"] < 1
    assert found["single_orders"][0]["not_estimable"]
    assert "with all missing judgments for one author" in empathy(*COMPARE).out.replace("\n", " ")
