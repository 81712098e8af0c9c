"""Two authors against one opponent, and mistakes: `empathy compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample
from tests.harness.cli.contests import COMPARE, DB, LLMS, A, B, C, Run, author, flat, judge, judged, only

# -- two authors ---------------------------------------------------------------------------------------


def test_the_difference_is_that_of_the_two_runs_win_rates_and_mirrors(empathy: Run) -> None:
    rates = [only(judge(empathy, a, C, "--judge", "control/ratings"))["win_rate"] for a in (A, B)]
    one = only(empathy(*COMPARE, "--json").data)
    test = one["against_opponent"]
    assert one["win_rates"] == test["win_rates"] == rates
    assert test["difference"] == pytest.approx(rates[0] - rates[1])
    assert test["low"] < test["difference"] < test["high"]
    assert (test["n"], test["left_out"], test["family_size"], one["head_to_head"]) == (64, 0, 1, None)
    mirrored = only(empathy("compare", B, A, *COMPARE[3:], "--json").data)["against_opponent"]
    assert mirrored["difference"] == pytest.approx(-test["difference"])
    assert mirrored["low"] == pytest.approx(-test["high"], abs=0.02)
    assert mirrored["p"] == pytest.approx(test["p"])


def test_contests_are_found_whichever_way_round_they_were_judged(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C))
    one = empathy(*COMPARE, "--json").data
    DB.unlink()
    judged(empathy, (C, A), (B, C))
    other = empathy(*COMPARE, "--json").data
    for data in (one, other):
        data["judges"][0].pop("runs")
    assert one == other


def test_dialogues_are_paired_over_runs_of_different_orders_and_sizes(empathy: Run) -> None:
    judged(empathy, (A, C))
    whole = only(empathy_of(empathy, B, seed=None))
    DB.unlink()
    judged(empathy, (A, C), more=("--seed", "7"))
    judged(empathy, (B, C), more=("--seed", "3", "--limit", "40"))
    some = only(empathy(*COMPARE, "--json").data)
    assert (some["against_opponent"]["n"], some["against_opponent"]["left_out"], some["unshared"]) == (
        40,
        0,
        24,
    )
    assert "24 dialogues were to be judged for only one of the two" in empathy(*COMPARE).out
    judged(empathy, (B, C), more=("--seed", "5"))
    again = only(empathy(*COMPARE, "--json").data)
    assert again["against_opponent"] == whole["against_opponent"]  # the order of judging is nothing


def empathy_of(empathy: Run, b: str, seed: int | None) -> Any:
    judged(empathy, (b, C))
    return empathy(*COMPARE, "--json").data


def test_all_printed_tests_are_one_family_and_its_size_is_printed(empathy: Run) -> None:
    by = ("control/ratings", "control/longer", "control/author")
    judged(empathy, (A, C), (B, C), (A, B), by=by)
    names = [word for name in by for word in ("--judge", name)]
    data = empathy(*COMPARE, *names, "--single-orders", "--json").data
    tests = [one[kind] for one in data["judges"] for kind in ("against_opponent", "head_to_head")]
    orders = [
        order for one in data["judges"] for order in one["single_orders"] if order["not_estimable"] is None
    ]
    assert data["family_size"] == len(tests) + len(orders)
    assert {test["family_size"] for test in tests} == {data["family_size"]}
    p = sorted(
        [(one["p"], one["p_adjusted"]) for one in tests]
        + [(one["result"]["p"], one["p_adjusted"]) for one in orders]
    )
    stepped = 0.0
    for place, (plain, adjusted) in enumerate(p):
        stepped = max(stepped, min(1.0, plain * (len(p) - place)))
        assert adjusted == pytest.approx(stepped)
    assert all(
        order["not_estimable"] or 0 < order["result"]["p"] <= 1
        for one in data["judges"]
        for order in one["single_orders"]
    )
    table = empathy(*COMPARE, *names, "--single-orders").out
    assert f"a family of {data['family_size']} tests (Holm)" in table
    assert "simultaneous" in table


def test_a_saturated_opponent_makes_head_to_head_primary(empathy: Run) -> None:
    long, longer, short = (
        author(f"{name}.jsonl", dict.fromkeys(range(40), text))
        for name, text in (("long", "word " * 30), ("longer", "word " * 60), ("short", "no"))
    )
    judged(empathy, (long, short), (longer, short))
    words = ("compare", longer, long, "--opponent", short, "--split", "all")
    blind = only(empathy(*words, "--json").data)
    assert (blind["saturated"], blind["verdict"]) == (True, "undecided")
    assert "judge the two students head to head" in flat(empathy(*words))
    judged(empathy, (long, longer))
    seen = only(empathy(*words, "--json").data)
    assert (seen["primary"], seen["verdict"]) == ("head to head", "first")
    assert seen["head_to_head"]["difference"] == 1
    assert seen["head_to_head"]["low"] < 1  # never of zero width
    assert "head to head is primary" in flat(empathy(*words))


def test_pairs_are_compared_head_to_head_where_the_opponent_saturates_and_they_were_so_judged(
    empathy: Run,
) -> None:
    long, longer, longest, short = (
        author(f"{words}.jsonl", dict.fromkeys(range(30), "word " * words)) for words in (30, 40, 50, 1)
    )
    judged(empathy, (long, short), (longer, short), (longest, short), (longer, long))
    words = ("compare", "--all", "--pairwise", "--opponent", short, "--split", "all")
    data = empathy(*words, "--json").data
    rows = {frozenset((row["first"], row["second"])): row for row in data["rows"]}
    straight = rows[frozenset((long, longer))]
    assert (straight["kind"], abs(straight["difference"])) == ("head to head", 1)
    assert {row["kind"] for row in rows.values() if row is not straight} == {"against a common opponent"}
    assert data["family_size"] == 3
    record_data = flat(empathy(*words))
    assert "head to head" in record_data
    assert "where that contest was judged" in record_data


def test_mcnemar_tests_take_their_share_of_the_simultaneous_intervals(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), by=("control/ratings",))
    plain = only(empathy(*COMPARE, "--json").data)["against_opponent"]
    beside = only(empathy(*COMPARE, "--single-orders", "--json").data)["against_opponent"]
    assert beside["family_size"] == 3
    assert beside["high"] - beside["low"] > 1.1 * (plain["high"] - plain["low"])
    assert beside["p"] == plain["p"] < beside["p_adjusted"] or plain["p"] == 1


def test_the_difference_by_sentiment_makes_up_the_whole(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), by=("control/ratings",))
    data = empathy(*COMPARE, "--json").data
    one = only(data)
    assert (data["group_by"], set(one["groups"])) == ("sentiment", {"negative", "positive"})
    total = sum(group["n"] * group["difference"] for group in one["groups"].values())
    assert total / 64 == pytest.approx(one["against_opponent"]["difference"])
    assert all((group["low"] is not None) is (group["n"] >= 20) for group in one["groups"].values())
    assert {group["p"] for group in one["groups"].values()} == {None}
    assert "By sentiment: descriptive, without tests" in flat(empathy(*COMPARE))
    emotions = only(empathy(*COMPARE, "--by", "emotion", "--json").data)["groups"]
    assert set(emotions) == {dialogue.emotion for dialogue in sample().dialogues}
    assert only(empathy(*COMPARE, "--by", "none", "--json").data)["groups"] == {}


def test_the_required_sample_size_is_shown_for_the_relevant_difference(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), by=("control/ratings",))
    small, large = (
        only(empathy(*COMPARE, "--worth", worth, "--json").data)["required_sample_size"]
        for worth in ("0.02", "0.5")
    )
    assert small["dialogues"] > 64
    assert small["more_dialogues"] == small["dialogues"] - 64
    assert large["more_dialogues"] == 0
    assert "Detecting a true difference of 2 points requires" in empathy(*COMPARE, "--worth", "0.02").out


def test_strategies_need_training_seeds(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    one = ",".join(LLMS[:2])
    data = empathy("compare", one, ",".join(LLMS[2:]), *COMPARE[3:], "--json").data
    found = only(data)["result"]
    assert found["seeds"] == [2, 2]
    assert found["low"] < found["estimate"] < found["high"]
    assert "training seeds" in found["scope"]
    refused = empathy("compare", one, LLMS[2], *COMPARE[3:])
    assert refused.code == 0
    assert "these two checkpoints" in flat(refused)


def test_one_strategy_is_compared_with_the_opponent(empathy: Run) -> None:
    by = ("control/ratings", "control/author")
    judged(empathy, *((llm, C) for llm in LLMS[:2]), by=by)
    words = ("compare", ",".join(LLMS[:2]), *COMPARE[3:])
    data = empathy(*words, "--judge", by[0], "--json").data
    alone = only(data)["result"]
    everyone = empathy("compare", "--all", *COMPARE[3:], "--judge", by[0], "--json").data["rows"]
    assert alone["estimate"] == pytest.approx(sum(row["unadjusted"]["win_rate"] for row in everyone) / 2)
    assert (alone["seeds"], data["strategies"], data["family_size"]) == ([2], [list(LLMS[:2])], 1)
    both = empathy(*words, "--judge", by[0], "--judge", by[1], "--json").data
    together = next(one["result"] for one in both["judges"] if one["judge"] == by[0])
    assert both["family_size"] == together["family_size"] == 2
    assert together["low"] < alone["low"] < alone["high"] < together["high"]
    assert together["p_adjusted"] >= together["p"] == alone["p"]
    record_data = flat(empathy(*words, "--judge", by[0], "--judge", by[1]))
    assert "95 %, simultaneous" in record_data
    assert "2 training seeds" in record_data


# -- mistakes ------------------------------------------------------------------------------------------


def test_mistakes_have_a_remedy(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), (A, B))
    for words, said in (
        ((A, "dataset:gpt4"), "[author.not-judged]"),
        ((A, A), "comparison.same-author"),
        ((A, C), "comparison.same-author"),
        ((A,), "comparison.sides"),
        ((f"{A},",), "comparison.sides"),
        ((",", A), "comparison.sides"),
        ((A, B, "--judge", "openai/gpt-4o"), "judge.no-judgments"),
        ((A, B, "--split", "train"), "--split all"),
        ((A, B, "--all"), "option.conflict"),
        ((A, B, "--pairwise"), "option.missing"),
        (("--all", "--by", "emotion", "--worth", "0.1"), "comparison.needs-two-authors"),
    ):
        done = empathy(
            "compare", *words, "--opponent", C, *(() if "--split" in words else ("--split", "all"))
        )
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    lacking = empathy("compare", A, C, "--opponent", B, "--split", "all")
    assert lacking.code == 0  # B is the opponent of both: A was judged against it, and C
    nowhere = empathy("compare", A, B, "--opponent", C, "--db", "none.sqlite")
    assert nowhere.code == 2
    assert not Path("none.sqlite").exists()


def test_a_contest_without_judgments_names_the_command_that_judges_it(empathy: Run) -> None:
    judged(empathy, (A, C), (A, B))
    done = empathy(*COMPARE)
    assert done.code == 2
    assert f"empathy judge {B} {C} --judge MODEL --split all" in done.err
    assert f"{A} against {C}: judged by control/longer" in done.err


def test_a_contest_that_stopped_when_it_was_known_is_not_compared(empathy: Run) -> None:
    judged(empathy, (A, C))
    judged(empathy, (B, C), more=("--until", "decided"))
    done = empathy(*COMPARE)
    assert done.code == 2
    assert "comparison.early-stopped" in done.err
    judged(empathy, (B, C))
    assert only(empathy(*COMPARE, "--json").data)["against_opponent"]["n"] == 64


def test_judging_setups_of_one_model_are_distinguished(empathy: Run) -> None:
    for more in (("--fidelity", "ours"), ("--fidelity", "paper")):
        judged(empathy, (A, C), (B, C), by=("openai/gpt-4o",), more=("--emulate", "--limit", "3", *more))
    done = empathy(*COMPARE)
    assert done.code == 2
    assert "judge.ambiguous" in done.err
    one = next(word.strip(":") for word in done.err.split() if word.startswith("judge-1:") and len(word) > 40)
    assert only(empathy(*COMPARE, "--judge", one, "--json").data)["judge_id"] == one


def _file(workplace: Path, name: str, word: str) -> str:
    rows = [{"dialogue_id": one.id, "response": f"I hear {word} you."} for one in sample().dialogues]
    (workplace / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"file:{name}"


@pytest.mark.parametrize(
    "name", ["resp,final.jsonl", "a,b,c.jsonl", ",x.jsonl", "a@b.jsonl", "one two.jsonl"]
)
def test_a_name_may_hold_commas_and_other_marks(empathy: Run, workplace: Path, name: str) -> None:
    mine, other = _file(workplace, name, "very"), _file(workplace, "other.jsonl", "you, you,")
    for named in (mine, other):
        assert (
            empathy(
                "judge", named, "dataset:human", "--judge", "control/longer", "--data", "sample", "--quiet"
            ).code
            == 0
        )
    for sides in ((mine, other), (other, mine), (f"{mine},{other}",), (f"{mine}, {other}",)):
        done = empathy("compare", *sides, "--opponent", "dataset:human", "--json")
        assert done.code == 0, done.err
        assert mine in done.out


def test_a_copied_file_is_reported_under_its_written_name(empathy: Run, workplace: Path) -> None:
    first, copy = _file(workplace, "first.jsonl", "very"), _file(workplace, "copy.jsonl", "very")
    other = _file(workplace, "other.jsonl", "much")
    empathy("judge", other, "dataset:human", "--judge", "control/longer", "--data", "sample", "--quiet")
    for named in (first, copy):
        assert (
            empathy(
                "judge",
                named,
                "dataset:human",
                "--judge",
                "control/longer",
                "--data",
                "sample",
                "--quiet",
                "--json",
            ).data["contests"][0]["a"]
            == named
        )
        done = empathy("compare", named, other, "--opponent", "dataset:human", "--json")
        assert done.code == 0, done.err
        assert named in done.out
    _file(workplace, "first.jsonl", "changed")
    done = empathy("compare", first, other, "--opponent", "dataset:human")
    assert "file:first.jsonl has changed" in done.err
