"""Non-inferiority margins and variance components of `empathy compare`."""

from __future__ import annotations

import pytest

from tests.harness.cli.contests import COMPARE, LLMS, A, B, C, Run, flat, judged, only

# -- as good within a margin -----------------------------------------------------------------------------


def test_a_margin_is_held_against_the_comparison_that_answers(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), by=("control/ratings",))
    test = only(empathy(*COMPARE, "--json").data)["against_opponent"]
    for margin in (0.01, abs(test["low"]) + 0.01 if test["low"] < 0 else 0.01):
        data = empathy(*COMPARE, "--margin", margin, "--json").data["non_inferiority"]
        result = data["judges"]["control/ratings"]["result"]
        assert (data["margin"], data["first"], data["second"]) == (margin, A, B)
        assert (result["low"], result["high"]) == (test["low"], test["high"])
        assert (result["verdict"] == "non-inferior") == (result["low"] > -margin)
    assert "within 10 points" in flat(empathy(*COMPARE, "--margin", "0.1"))
    assert empathy(*COMPARE, "--json").data["non_inferiority"] is None


def test_judges_share_the_error_rate_of_a_margin(empathy: Run) -> None:
    by = ("control/ratings", "control/longer")
    judged(empathy, (A, C), (B, C), by=by)
    words = (*COMPARE, "--margin", "0.1", "--json")
    alone = empathy(*words, "--judge", by[0]).data["non_inferiority"]["judges"][by[0]]["result"]
    both = empathy(*words, "--judge", by[0], "--judge", by[1]).data["non_inferiority"]["judges"]
    assert (alone["level"], both[by[0]]["result"]["level"]) == (0.95, 0.975)
    assert both[by[0]]["result"]["low"] < alone["low"]


def test_a_margin_is_held_against_strategies_and_not_against_everyone(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    words = ("compare", ",".join(LLMS[:2]), ",".join(LLMS[2:]), *COMPARE[3:], "--margin", "0.1")
    data = empathy(*words, "--json").data
    result, strategies = data["non_inferiority"]["judges"]["control/ratings"]["result"], only(data)["result"]
    assert (result["low"], result["high"]) == (strategies["low"], strategies["high"])
    refused = empathy("compare", LLMS[0], ",".join(LLMS[2:]), *COMPARE[3:], "--margin", "0.1", "--json").data
    assert refused["non_inferiority"]["judges"]["control/ratings"]["not_estimable"]
    done = empathy("compare", "--all", *COMPARE[3:], "--margin", "0.1")
    assert done.code == 2
    assert "--margin" in done.err


# -- where the noise is --------------------------------------------------------------------------------------


def test_the_variance_table_of_a_crossed_design(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    words = ("compare", ",".join(LLMS), *COMPARE[3:], "--variance")
    data = empathy(*words, "2", "--json").data
    assert data["checkpoints"] == [list(LLMS[:2]), list(LLMS[2:])]
    row = data["judges"]["control/ratings"]
    table = row["result"]
    assert table["sizes"] == {"seeds": 2, "dialogues": 64, "generations": 2, "repetitions": 1}
    assert sum(table["parts"].values()) == pytest.approx(table["error"] ** 2)
    assert (table["components"]["repetition"], row["not_estimable"]) == (None, None)
    assert table["best"] in table["afterwards"]
    seeds = empathy(*words, "1", "--json").data["judges"]["control/ratings"]["result"]
    assert (seeds["sizes"]["seeds"], seeds["components"]["generation"]) == (4, None)
    alone = empathy("compare", A, *COMPARE[3:], "--variance", "1", "--json").data["judges"]
    assert alone["control/ratings"]["result"]["components"]["seed"] is None
    printed = empathy(*words, "2").out
    assert all(source in printed for source in ("training seed", "generation", "order", "best:"))


@pytest.mark.parametrize(
    "words", [(A, B), (), ("--all",), (f"{A},{B}", "--margin", "0.1"), (",".join(LLMS[:3]), "2")]
)
def test_what_has_no_variance_table(empathy: Run, words: tuple[str, ...]) -> None:
    judged(empathy, *((llm, C) for llm in LLMS[:3]), by=("control/ratings",))
    generations = words[-1] if words[-1:] == ("2",) else "1"
    names = words[:-1] if words[-1:] == ("2",) else words
    done = empathy("compare", *names, *COMPARE[3:], "--variance", generations)
    assert done.code == 2
    assert "--variance" in done.err or "--margin" in done.err
