"""`empathy compare` through the command line: two authors, everyone, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.dataset import sample
from tests.harness.cli.contests import COMPARE, DB, LLMS, A, B, C, Run, author, flat, judge, judged, only

# -- two authors ---------------------------------------------------------------------------------------


def test_the_difference_is_that_of_the_two_runs_win_rates_and_mirrors(empathy: Run) -> None:
    rates = [judge(empathy, a, C, "--judge", "control/ratings")["judges"][0]["win_rate"] for a in (A, B)]
    one = only(empathy(*COMPARE, "--json").data)
    test = one["against_opponent"]
    assert one["rates"] == test["rates"] == rates
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
    p = sorted((one["p"], one["p_adjusted"]) for one in [*tests, *orders])
    stepped = 0.0
    for place, (plain, adjusted) in enumerate(p):
        stepped = max(stepped, min(1.0, plain * (len(p) - place)))
        assert adjusted == pytest.approx(stepped)
    assert all(
        order["not_estimable"] or 0 < order["p"] <= 1
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
    found = only(data)
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
    alone = only(data)
    everyone = empathy("compare", "--all", *COMPARE[3:], "--judge", by[0], "--json").data["rows"]
    assert alone["estimate"] == pytest.approx(sum(row["unadjusted"]["win_rate"] for row in everyone) / 2)
    assert (alone["seeds"], data["strategies"], data["family_size"]) == ([2], [list(LLMS[:2])], 1)
    both = empathy(*words, "--judge", by[0], "--judge", by[1], "--json").data
    together = next(one for one in both["judges"] if one["judge"] == by[0])
    assert both["family_size"] == together["family_size"] == 2
    assert together["low"] < alone["low"] < alone["high"] < together["high"]
    assert together["p_adjusted"] >= together["p"] == alone["p"]
    record_data = flat(empathy(*words, "--judge", by[0], "--judge", by[1]))
    assert "95 %, simultaneous" in record_data
    assert "2 training seeds" in record_data


# -- as good within a margin -----------------------------------------------------------------------------


def test_a_margin_is_held_against_the_comparison_that_answers(empathy: Run) -> None:
    judged(empathy, (A, C), (B, C), by=("control/ratings",))
    test = only(empathy(*COMPARE, "--json").data)["against_opponent"]
    for margin in (0.01, abs(test["low"]) + 0.01 if test["low"] < 0 else 0.01):
        data = empathy(*COMPARE, "--margin", margin, "--json").data["non_inferiority"]
        result = data["judges"]["control/ratings"]
        assert (data["margin"], data["first"], data["second"]) == (margin, A, B)
        assert (result["low"], result["high"]) == (test["low"], test["high"])
        assert (result["verdict"] == "non-inferior") == (result["low"] > -margin)
    assert "within 10 points" in flat(empathy(*COMPARE, "--margin", "0.1"))
    assert "non_inferiority" not in empathy(*COMPARE, "--json").data


def test_judges_share_the_error_rate_of_a_margin(empathy: Run) -> None:
    by = ("control/ratings", "control/longer")
    judged(empathy, (A, C), (B, C), by=by)
    words = (*COMPARE, "--margin", "0.1", "--json")
    alone = empathy(*words, "--judge", by[0]).data["non_inferiority"]["judges"][by[0]]
    both = empathy(*words, "--judge", by[0], "--judge", by[1]).data["non_inferiority"]["judges"]
    assert (alone["level"], both[by[0]]["level"]) == (0.95, 0.975)
    assert both[by[0]]["low"] < alone["low"]


def test_a_margin_is_held_against_strategies_and_not_against_everyone(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    words = ("compare", ",".join(LLMS[:2]), ",".join(LLMS[2:]), *COMPARE[3:], "--margin", "0.1")
    data = empathy(*words, "--json").data
    result = data["non_inferiority"]["judges"]["control/ratings"]
    assert (result["low"], result["high"]) == (only(data)["low"], only(data)["high"])
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
    table = data["judges"]["control/ratings"]
    assert table["sizes"] == {"seeds": 2, "dialogues": 64, "generations": 2, "repetitions": 1}
    assert sum(table["parts"].values()) == pytest.approx(table["error"] ** 2)
    assert (table["components"]["repetition"], table["not_estimable"]) == (None, None)
    assert table["best"] in table["afterwards"]
    seeds = empathy(*words, "1", "--json").data["judges"]["control/ratings"]
    assert (seeds["sizes"]["seeds"], seeds["components"]["generation"]) == (4, None)
    alone = empathy("compare", A, *COMPARE[3:], "--variance", "1", "--json").data["judges"]["control/ratings"]
    assert alone["components"]["seed"] is None
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


# -- everyone ------------------------------------------------------------------------------------------


def test_the_best_of_everyone_is_corrected_for_the_choice(empathy: Run) -> None:
    judged(empathy, *((llm, C) for llm in LLMS), by=("control/ratings",))
    words = ("compare", "--all", "--opponent", C, "--split", "all")
    data = empathy(*words, "--json").data
    best = data["best"]["control/ratings"]
    top = max(data["rows"], key=lambda row: row["unadjusted"]["win_rate"])
    assert (best["author"], best["observed"]) == (top["first"], top["unadjusted"]["win_rate"])
    assert (best["candidates"], best["n"], best["not_estimable"]) == (4, 64, None)
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
    assert soft["judges"][0]["rates"] != data["judges"][0]["rates"]
    refused = empathy(*COMPARE, "--soft", "--judge", "control/longer")
    assert refused.code == 2
    assert "no probabilities" in refused.err


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
            ).data["judges"][0]["a"]
            == named
        )
        done = empathy("compare", named, other, "--opponent", "dataset:human", "--json")
        assert done.code == 0, done.err
        assert named in done.out
    _file(workplace, "first.jsonl", "changed")
    done = empathy("compare", first, other, "--opponent", "dataset:human")
    assert "file:first.jsonl has changed" in done.err
