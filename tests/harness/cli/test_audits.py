"""`empathy audit`, `rejudge`, `leaderboard`, and a cheap judge with a gold one, end to end."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.types import Split
from harness.data.dataset import sample
from harness.data.splits import dialogues_in_split
from harness.workflows.interchange import parse_judgments
from results.analysis.controlled_ranking import COVARIATES
from results.db.mappers import judgment_row
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
PAIR = ("dataset:gpt-4", "dataset:human")
CONTROLS = ("--judge", "control/longer", "--judge", "control/ratings")
JUDGE = ("judge", *PAIR, "--data", "sample", "--quiet", "--split", "all")


@pytest.fixture
def judged(empathy: Run) -> str:
    """A database in which two control judges have judged the sample's pair; the run's id."""
    return str(empathy(*JUDGE, *CONTROLS, "--json").data["run"])


# -- audit ---------------------------------------------------------------------------------------------


def test_an_audit_lists_every_control_judge_with_its_description(empathy: Run) -> None:
    done = empathy("audit", "--data", "sample", "--on", "both", "--quiet", "--json")
    assert done.code == 0, done.err
    train, test = done.data["audits"]
    assert (train["split"], test["split"]) == ("train", "test")
    named = {one["judge"] for one in test["baselines"]}
    assert {f"control/{name}" for name in ("author", "first", "longer", "random", "ratings")} < named
    assert "control/ratings" not in {one["judge"] for one in train["baselines"]}
    assert "control/ratings (out of fold)" in {one["judge"] for one in train["baselines"]}
    assert "low ratings" in test["selection"]
    assert test["ceiling"] is None
    first = next(one for one in test["baselines"] if one["judge"] == "control/first")
    assert (first["agreement"]["value"], first["consistency"]) == (0.5, 0.0)
    assert first["agreement"]["low"] < 0.5 < first["agreement"]["high"]


def test_a_model_and_the_control_judges_share_one_audit_page(empathy: Run, workplace: Path) -> None:
    words = (
        "audit",
        "openai/gpt-4o",
        "--data",
        "sample",
        "--on",
        "train",
        "--limit",
        "6",
        "--emulate",
        "--quiet",
    )
    done = empathy(*words, "--page", "trust.html", "--json")
    assert done.code == 0, done.err
    page = (workplace / "trust.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "openai/emulated-gpt-4o" in page
    assert "<script" not in page
    assert page.index("EMULATED") < page.index("<table")
    [audit] = done.data["audits"]
    assert audit["emulated"]
    [judge] = audit["judges"]
    assert judge["family"] == "OpenAI"
    assert judge["own_family"]["result"] is not None
    assert set(judge["over_baselines"]) == {one["judge"] for one in audit["baselines"]}
    assert judge["judgments"] == 2 * audit["pairs"]
    assert judge["cost_usd_per_1000"] > 0
    soft = judge["calibration"]["result"]
    parts = soft["miscalibration"] - soft["discrimination"] + soft["uncertainty"]
    assert soft["brier"]["value"] == pytest.approx(parts)
    assert soft["n"] + soft["left_out"] == audit["pairs"]
    assert sum(one["right"]["n"] for one in soft["bins"]) == soft["n"]
    assert {one["calibration"] for one in audit["baselines"]} == {None}
    assert "Brier score" in page
    assert 0 < audit["llm_preferred_to_human"] < 1
    [without] = empathy(*words, "--json", "--without-kin").data["audits"]
    [judge] = without["judges"]
    assert (judge["same_family"], judge["n"] + judge["excluded_same_family"]) == (["gpt-4"], audit["pairs"])
    assert all("gpt-4" not in (pair["first"], pair["second"]) for pair in judge["responders"])
    assert without["baselines"] == audit["baselines"]


def test_a_dry_run_asks_nothing_and_counts(empathy: Run, workplace: Path) -> None:
    done = empathy("audit", "openai/gpt-4o", "--data", "sample", "--emulate", "--dry-run", "--json")
    [row] = done.data["judges"]
    assert row["cost"]["calls"] == 2 * row["pairs"] > 0


# -- rejudge -------------------------------------------------------------------------------------------


def test_rejudging_asks_only_the_new_judge_without_the_dataset(empathy: Run, judged: str) -> None:
    done = empathy("rejudge", judged[6:16], "--judge", "control/first", "--quiet", "--json")
    assert done.code == 0, done.err
    [asked] = contests(done.data["judging"])
    assert (asked["judge"], asked["requests"]["made"]) == ("control/first", 128)
    jury = done.data["panel"]
    assert {one["judge"] for one in jury["judges"]} == {"control/first", "control/longer", "control/ratings"}
    again = empathy("rejudge", judged, "--judge", "control/first", "--quiet", "--json")
    [again] = contests(again.data["judging"])
    assert (again["requests"]["made"], again["requests"]["reused"]) == (0, 128)
    direct = empathy(*JUDGE, "--judge", "control/first", "--json").data
    assert direct["run"] == done.data["judging"]["run"]


def test_judges_that_are_gone_are_still_compared(empathy: Run, judged: str) -> None:
    done = empathy("rejudge", "--json")
    assert done.code == 0, done.err
    assert done.data["judging"] is None
    [pair] = done.data["panel"]["agreement"]
    assert pair["judges"] == ["control/longer", "control/ratings"]
    assert pair["agreement"] <= pair["attainable"] <= 1
    assert pair["n"] == 128


def test_a_jury_flags_kin_and_can_leave_them_out(empathy: Run, judged: str) -> None:
    models = ("--judge", "openai/gpt-4o", "--judge", "google/gemini-2.0-flash")
    done = empathy("rejudge", judged, *models, "--dimensions", "--emulate", "--quiet", "--json")
    assert done.code == 0, done.err
    jury = done.data["panel"]
    kin = {one["judge"]: one["same_family"] for one in jury["judges"]}
    assert [one["author"] for one in kin["openai/emulated-gpt-4o"]] == ["dataset:gpt-4"]
    assert kin["google/emulated-gemini-2.0-flash"] == []
    assert {"openai/emulated-gpt-4o (judge/cognitive)", "openai/emulated-gpt-4o (judge/affective)"} <= set(
        kin
    )
    assert jury["majority_judges"] == ["google/emulated-gemini-2.0-flash", "openai/emulated-gpt-4o"]
    assert jury["majority"]["n"] == 64
    [both] = [one for one in jury["agreement"] if sorted(one["judges"]) == jury["majority_judges"]]
    chance = 2 * both["prevalence"]["a"] * both["prevalence"]["b"]  # two answers: neither was offered a tie
    assert both["ac1"] == pytest.approx((both["agreement"] - chance) / (1 - chance))
    lowest, highest = jury["pooled"]["range"].values()
    assert lowest <= jury["pooled"]["win_rate"] <= highest
    without = empathy("rejudge", "last", "--without-kin", "--json").data["panel"]
    assert all("gpt-4o" not in one["judge"] for one in without["judges"])
    assert len(without["excluded_same_family"]) == 4


def test_people_correct_a_judge(empathy: Run, judged: str, workplace: Path) -> None:
    dialogues = dialogues_in_split(sample(), Split.ALL)
    rows = [(one.id, *PAIR, "a" if at % 3 else "b") for at, one in enumerate(dialogues[:45])]
    rows[0] = (rows[0][0], PAIR[1], PAIR[0], "a")  # the same preference, written the other way round
    with (workplace / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("dialogue_id", "a", "b", "preferred"), *rows])
    done = empathy("rejudge", judged, "--human", "people.csv", "--json")
    assert done.code == 0, done.err
    for one in done.data["panel"]["judges"]:
        assert one["with_people"]["result"]["n_gold"] == 45
        assert one["with_people"]["result"]["gold"] == pytest.approx(30 / 45)
        adjusted = one["bias_adjusted"]
        assert adjusted["not_estimable"] or 0 <= adjusted["result"]["rate"] <= 1


@pytest.mark.parametrize(
    ("content", "record_data"),
    [
        ("id,who\n1,a\n", "columns dialogue_id, a, b, preferred"),
        ("dialogue_id,a,b,preferred\nx,y,z,a\n", "panel.no-preference-rows"),
        ("dialogue_id,a,b,preferred\nx,y,z,maybe\n", "people.csv:2"),
        ('dialogue_id,a,b,preferred\nx,y,z,"a\nx,y,z,b\n', "people.csv:2"),
        ("dialogue_id;a;b;preferred\nx;y;z;a\n", "people.csv:1"),
        ("dialogue_id,a,b,preferred\nx,y,y,a\n", "people.csv:2"),
    ],
)
def test_other_files_are_no_preferences(
    empathy: Run, judged: str, workplace: Path, content: str, record_data: str
) -> None:
    (workplace / "people.csv").write_text(content)
    done = empathy("rejudge", judged, "--human", "people.csv")
    assert done.code == 2
    assert record_data in done.err


def test_rows_of_preferences_that_match_nothing_are_counted(
    empathy: Run, judged: str, workplace: Path
) -> None:
    ids = [one.id for one in dialogues_in_split(sample(), Split.ALL)]
    rows = [(f" {one} ", *PAIR, "A ") for one in ids[:40]]
    rows += [(one.replace(":", "-"), *PAIR, "a") for one in ids[:3]]
    rows += [(one, "gpt-4", "human", "a") for one in ids[:5]]
    with (workplace / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("dialogue_id", "a", "b", "preferred"), *rows])
    done = empathy("rejudge", judged, "--human", "people.csv", "--json")
    assert done.data["panel"]["preferences"] == {
        "rows": 48,
        "used": 40,
        "skipped": {"about other dialogues": 3, "about other authors": 5},
    }
    assert "40 of 48 rows" in empathy("rejudge", judged, "--human", "people.csv").out


def test_an_audit_of_one_judge_notes_the_missing_panel(empathy: Run) -> None:
    empathy(*JUDGE, "--judge", "control/longer")
    assert "at least two judges" in empathy("rejudge").out


def test_rejudge_refuses_an_audit(empathy: Run) -> None:
    run = empathy("audit", "--data", "sample", "--quiet", "--json").data["audits"][0]["run"]
    done = empathy("rejudge", run)
    assert done.code == 2
    assert "empathy audit" in done.err


# -- leaderboard ---------------------------------------------------------------------------------------


def test_a_leaderboard_ranks_all_authors_and_all_formats_agree(
    empathy: Run, judged: str, workplace: Path
) -> None:
    empathy("judge", "dataset:mixtral-8x7b", "dataset:human", "--data", "sample", "--split", "all", *CONTROLS)
    words = ("leaderboard", "--split", "all")
    done = empathy(*words, "--format", "md,csv,json,alpaca-eval,battles", "--out", "board")
    assert done.code == 0, done.err
    board = workplace / "board"
    data = json.loads((board / "leaderboard.json").read_text())
    assert [one["judge"] for one in data["rankings"]] == ["control/longer", "control/ratings"]
    rows = list(csv.DictReader(io.StringIO((board / "leaderboard.csv").read_text())))
    record_data = [author for ranking in data["rankings"] for author in ranking["authors"]]
    assert [row["author"] for row in rows] == [author["author"] for author in record_data]
    assert [float(row["strength"]) for row in rows] == [author["strength"] for author in record_data]
    markdown = (board / "leaderboard.md").read_text()
    assert all(author["author"] in markdown for author in record_data)
    alpaca = list(csv.DictReader(io.StringIO((board / "alpaca_eval_leaderboard.csv").read_text())))
    assert {row[""] for row in alpaca} == {"dataset:gpt-4", "dataset:mixtral-8x7b"}
    for row in alpaca:
        assert int(row["n_wins"]) + int(row["n_wins_base"]) + int(row["n_draws"]) == int(row["n_total"]) == 64
        assert 0 <= float(row["win_rate"]) <= 100
    assert len((board / "battles.jsonl").read_text().splitlines()) == 512
    assert empathy(*words, "--json").data == data


def test_battles_read_back_to_the_same_judgments(empathy: Run, judged: str, workplace: Path) -> None:
    assert empathy("leaderboard", "--format", "battles", "--out", ".").code == 0
    content = (workplace / "battles.jsonl").read_bytes()
    found = [judgment_row(judgment) for judgment in parse_judgments(content)]
    with sqlite3.connect(workplace / "runs/empathy.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        stored = [dict(row) for row in connection.execute("SELECT * FROM judgment")]
    connection.close()
    assert len(stored) == 256
    by_call = {(row["call_key"], row["first"], row["second"]): row for row in found}
    assert all(by_call[row["call_key"], row["first"], row["second"]] == row for row in stored)
    first = json.loads(content.splitlines()[0])
    assert {first["model_a"], first["model_b"]} == set(PAIR)
    assert first["winner"] in ("model_a", "model_b", "tie")


def test_an_imported_author_can_be_judged(empathy: Run, workplace: Path) -> None:
    outputs = [
        {"instruction": one.utterance, "output": "I am with you.", "generator": "theirs"}
        for one in sample().dialogues
    ]
    (workplace / "model_outputs.json").write_text(json.dumps(outputs))
    done = empathy("leaderboard", "--import", "model_outputs.json", "--data", "sample")
    assert done.code == 0, done.err
    assert "theirs: 64 responses" in done.out
    found = empathy(
        "judge", "theirs", "dataset:human", "--data", "sample", "--split", "all", *CONTROLS, "--json"
    )
    assert found.code == 0, found.err


@pytest.mark.parametrize(
    ("words", "record_data"),
    [
        (("--format", "pdf"), "[option.unknown-value]"),
        (("--format", "md,csv"), "--out DIR"),
        (("--judge", "openai/none"), "judge.no-judgments"),
        (("--format", "alpaca-eval", "--baseline", "nobody"), "--baseline"),
        (("--split", "development"), "leaderboard.no-contests"),
    ],
)
def test_what_a_leaderboard_cannot_do_is_explained(
    empathy: Run, judged: str, words: tuple[str, ...], record_data: str
) -> None:
    done = empathy("leaderboard", *(() if "--split" in words else ("--split", "all")), *words)
    assert done.code == 2, done.out
    assert record_data in done.err


def test_everybody_at_equal_length_and_style(empathy: Run, judged: str) -> None:
    for llm in ("dataset:llama-2-70b", "dataset:mixtral-8x7b"):
        empathy(
            "judge",
            llm,
            "dataset:human",
            *JUDGE[3:],
            "--judge",
            "control/longer",
            "--judge",
            "control/ratings",
        )
    words = ("leaderboard", "--split", "all")
    data = empathy(*words, "--controlled", "--json").data
    plain = {one["judge"]: one for one in empathy(*words, "--json").data["rankings"]}
    by_judge = {one["judge"]: one for one in data["rankings"]}
    assert set(by_judge) == set(plain) == {"control/longer", "control/ratings"}
    ratings = by_judge["control/ratings"]["result"]
    known = [one for one in ratings["authors"] if one["low"] is not None]
    assert all(one["low"] < one["strength"] < one["high"] for one in known)
    strengths = {one["author"]: one["strength"] for one in plain["control/ratings"]["authors"]}
    shift = {round(one["uncontrolled"] - strengths[one["author"]], 3) for one in ratings["authors"]}
    assert len(shift) == 1  # the same fit without covariates, on a scale whose 1000 may be elsewhere
    assert {effect["name"] for effect in ratings["effects"]} <= set(COVARIATES)
    assert "words" in {effect["name"] for effect in ratings["effects"]}
    assert by_judge["control/longer"]["not_estimable"]  # length decides everything there
    printed = empathy(*words, "--controlled").out
    assert "at equal length and style" in printed
    assert "Associations given length and style" in " ".join(printed.split())
    for more in (("--format", "csv"), ("--baseline", "base")):
        done = empathy(*words, "--controlled", *more)
        assert done.code == 2
        assert "--controlled" in done.err


# -- cheap and gold ------------------------------------------------------------------------------------


def test_a_cheap_judge_and_a_gold_one_give_one_estimate(empathy: Run) -> None:
    words = (*JUDGE, "--cheap", "control/longer", "--gold", "control/ratings", "--gold-share", "0.5")
    done = empathy(*words, "--json")
    assert done.code == 0, done.err
    cheap, gold = contests(done.data["cheap"])[0], contests(done.data["gold"])[0]
    assert (cheap["n"], gold["n"]) == (64, 32)
    estimate = done.data["estimate"]["result"]
    assert (estimate["n_gold"], estimate["n"]) == (32, 64)
    assert estimate["low"] <= estimate["rate"] <= estimate["high"]
    assert f"effective n {estimate['effective_n']:.0f}" in empathy(*words).out
    before = empathy(*words[:-1], "0.75", "--dry-run", "--json").data["judges"]
    assert [(one["calls"], one["known"]) for one in before] == [(0, 128), (32, 64)]
    larger = empathy(*words[:-1], "0.75", "--json").data
    assert (
        contests(larger["gold"])[0]["requests"] | {"made": 32, "reused": 64}
        == (contests(larger["gold"])[0]["requests"])
    )


def test_the_gold_judge_is_asked_more_where_the_cheap_one_is_inconsistent(empathy: Run) -> None:
    words = (*JUDGE, "--cheap", "openai/gpt-4o-mini", "--gold", "openai/gpt-4o", "--emulate", "--stratified")
    done = empathy(*words, "--gold-share", "0.5", "--json")
    assert done.code == 0, done.err
    strata = {one["name"]: one for one in done.data["strata"]}
    cheap = contests(done.data["cheap"])[0]
    assert strata["consistent"]["n"] == round(cheap["consistency"] * 64)
    assert sum(one["n"] for one in strata.values()) == 64
    assert sum(one["n_gold"] for one in strata.values()) == done.data["estimate"]["result"]["n_gold"] == 32
    assert strata["inconsistent"]["probability"] > strata["consistent"]["probability"]
    again = empathy(*words, "--gold-share", "0.75", "--json").data  # a larger share holds the smaller one
    assert contests(again["gold"])[0]["requests"]["reused"] == 64
    assert "inconsistent" in empathy(*words, "--gold-share", "0.5").out
    plain = empathy(*words[:-1], "--gold-share", "0.5", "--json").data
    assert plain["strata"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("--cheap", "control/longer"),
        ("--cheap", "control/longer", "--gold", "control/longer"),
        ("--cheap", "control/longer", "--gold", "control/first", "--judge", "control/first"),
        ("--cheap", "control/longer", "--gold", "control/first", "--gold-share", "1.5"),
        ("--cheap", "control/longer", "--gold", "control/first", "--gold-share", "0.001"),
        ("--gold-share", "0.5"),
        ("--stratified",),
        ("--stratified", "--judge", "control/first"),
        ("--cheap", "control/longer", "--gold", "control/first", "--dry-run", "--assume", "rate=0.7"),
    ],
)
def test_what_does_not_go_together_is_explained(empathy: Run, words: tuple[str, ...]) -> None:
    done = empathy(*JUDGE, *words)
    assert done.code == 2
    assert re.search("cheap|gold", done.err)
