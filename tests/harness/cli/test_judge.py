"""`empathy judge` end to end, on the written sample with judges that need no key and with emulated ones."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from agents.seeded_order import seeded_subset
from agents.types import Split
from harness.data.dataset import sample
from harness.data.splits import dialogues_in_split
from tests.harness.cli.contests import contests

Run = Callable[..., Any]
PAIR = ("dataset:gpt-4", "dataset:human")
JUDGE = ("judge", *PAIR, "--data", "sample", "--quiet")
CONTROLS = ("--judge", "control/longer", "--judge", "control/first", "--judge", "control/ratings")
ALL = ("--split", "all")
RATES = ("win_rate", "low", "high", "level", "ties", "consistency", "first_position_rate")


def by_name(data: Any) -> dict[str, Any]:
    return {judge["judge"]: judge for judge in contests(data)}


def counts(database: Path) -> dict[str, int]:
    """Rows of every table."""
    with sqlite3.connect(database) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        found = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    connection.close()
    return found


def words(text: str) -> int:
    return len(text.split())


# -- what is printed -----------------------------------------------------------------------------------


def test_released_prompts_judge_in_rehearsal_and_are_kept(
    empathy: Run, workplace: Path, released_prompts: Path
) -> None:
    judges = ("--judge", "openai/gpt-4o", "--judge", "google/gemini-2.0-flash")
    words = ("dataset:gpt-4", "dataset:human", *judges, "--data", "sample", "--emulate", "--quiet")
    done = empathy("judge", *words, "--fidelity", "released", "--json")
    assert done.code == 0, done.err
    assert {one["judge"]: one["n"] for one in contests(done.data)} == {
        "openai/emulated-gpt-4o (released/judge/gpt-4o)": 15,
        "google/emulated-gemini-2.0-flash (released/judge/gemini)": 15,
    }
    with sqlite3.connect(workplace / "runs/empathy.sqlite") as connection:
        kept = {row[0]: row[1] for row in connection.execute("SELECT name, text FROM prompt")}
    connection.close()
    assert kept["released/judge/gpt-4o"].startswith("=== system ===\nSay 1 or 2.")


def test_repetitions_at_temperature_0_are_allowed_and_said_to_be_so(empathy: Run) -> None:
    words = (*JUDGE, "--judge", "openai/gpt-4o", "--emulate", "--limit", "4", "--samples", "2")
    [zero] = contests(empathy(*words, "--temperature", "0", "--json").data)
    assert (zero["temperature"], zero["samples"]) == (0.0, 2)
    assert "temperature 0" in zero["repeatability"]
    assert "at temperature 0" in empathy(*words, "--temperature", "0").out
    [unset] = contests(empathy(*words, "--json").data)
    assert unset["temperature"] is None
    assert unset["judge_id"] != zero["judge_id"]
    [single] = contests(empathy(*words[:-2], "--json").data)
    assert (single["temperature"], single["repeatability"]) == (0.0, "")


def test_json_has_rates_between_0_and_1(empathy: Run) -> None:
    data = empathy(*JUDGE, *CONTROLS, *ALL, "--json").data
    assert set(data["spec"]) == {
        *("a", "b", "dialogues", "judges", "samples", "seed", "split", "data_sha256"),
    }
    assert set(by_name(data)) == {"control/longer", "control/first", "control/ratings"}
    for judge in contests(data):
        singles = [judge["single_orders"][order] for order in ("a_first", "b_first")]
        rates = [judge[name] for name in RATES] + list(judge["bounds"].values())
        rates += [one[name] for one in singles for name in ("win_rate", "low", "high")]
        assert all(0 <= rate <= 1 for rate in rates if rate is not None)
        assert judge["low"] <= judge["win_rate"] <= judge["high"]
        assert judge["low"] < judge["high"]
        assert (judge["a"], judge["b"], judge["n"], judge["level"]) == (*PAIR, 64, 0.95)
        assert judge["expected_judgments"] == judge["requests"]["made"] == 128
        assert (judge["unscored"], judge["incomplete"], judge["cost_usd"]) == ({}, 0, 0)


def test_the_rates_are_what_the_judges_taste_makes_them(empathy: Run) -> None:
    judges = by_name(empathy(*JUDGE, *CONTROLS, *ALL, "--json").data)
    first, longer = judges["control/first"], judges["control/longer"]
    assert (first["win_rate"], first["consistency"], first["first_position_rate"]) == (0.5, 0, 1)
    assert first["single_orders"]["a_first"]["win_rate"] == 1
    assert first["single_orders"]["b_first"]["win_rate"] == 0
    text = resources.files("harness.data.sample").joinpath("dialogues.csv").read_text(encoding="utf-8")
    scores = []
    for row in csv.DictReader(text.splitlines(keepends=True)):
        gpt, human = words(row["response_chatgpt_empathy"]), words(row["response_human"])
        scores.append(0.5 + 0.5 * ((gpt > human) - (gpt < human)))
    assert longer["win_rate"] == pytest.approx(sum(scores) / len(scores))
    assert longer["ties"] == pytest.approx(scores.count(0.5) / len(scores))


def test_the_other_way_round_everything_is_mirrored(empathy: Run) -> None:
    one = by_name(empathy(*JUDGE, *CONTROLS, *ALL, "--json").data)
    other_pair = ("judge", *reversed(PAIR), "--data", "sample", "--quiet")
    other = by_name(empathy(*other_pair, *CONTROLS, *ALL, "--json").data)
    for name, judge in one.items():
        assert judge["win_rate"] + other[name]["win_rate"] == pytest.approx(1)
        assert judge["low"] + other[name]["high"] == pytest.approx(1)
        assert judge["consistency"] == other[name]["consistency"]
        assert judge["first_position_rate"] == other[name]["first_position_rate"]
        assert other[name]["requests"]["reused"] == 128  # the same comparisons: nothing is asked again


def test_the_table_agrees_with_json(empathy: Run) -> None:
    done = empathy(*JUDGE, *CONTROLS, *ALL)
    data = by_name(empathy(*JUDGE, *CONTROLS, *ALL, "--json").data)
    assert done.code == 0
    for name, judge in data.items():
        [line] = [line for line in done.out.splitlines() if name in line and "│" in line]
        assert f"{100 * judge['win_rate']:.1f} %" in line
        assert f"{100 * judge['low']:.1f} to {100 * judge['high']:.1f}" in line
        assert "128 / 0 / 0" in line
    assert "None of: incomplete, ties, unscored, retried." in done.out
    assert "balanced over order" in done.out
    assert "EMULATED" not in done.out


def test_a_rate_of_nothing_is_shown(empathy: Run, workplace: Path) -> None:
    rows = [json.dumps({"dialogue_id": d.id, "response": "Oh."}) for d in sample().dialogues]
    (workplace / "mine.jsonl").write_text("\n".join(rows))
    command = ("judge", "file:mine.jsonl", PAIR[1], "--data", "sample", "--judge", "control/longer", *ALL)
    [line] = [line for line in empathy(*command).out.splitlines() if line.startswith("│control/longer")]
    assert line.split("│")[2].strip() == "0.0 %"
    assert by_name(empathy(*command, "--json").data)["control/longer"]["win_rate"] == 0


# -- asked once ----------------------------------------------------------------------------------------


def test_a_repeated_command_sends_nothing_and_prints_the_same(empathy: Run, workplace: Path) -> None:
    once = empathy(*JUDGE, *CONTROLS, *ALL, "--json").data
    stored = counts(workplace / "runs" / "empathy.sqlite")
    again = empathy(*JUDGE, *CONTROLS, *ALL, "--json").data
    now = counts(workplace / "runs" / "empathy.sqlite")
    assert now == stored | {"invocation": stored["invocation"] + 1}
    assert stored["judgment"] == 3 * 128
    assert stored["claim"] == 0
    for invocation in (*once.pop("invocation").values(), *again.pop("invocation").values()):
        calls = invocation["requests"]
        assert (calls["made"], calls["reused"]) in ((128, 0), (0, 128))
    assert once == again


def test_a_limit_is_a_nested_seeded_subset(empathy: Run, workplace: Path) -> None:
    small = empathy(*JUDGE, "--judge", "control/longer", *ALL, "--limit", "5", "--json").data
    large = empathy(*JUDGE, "--judge", "control/longer", *ALL, "--limit", "9", "--json").data
    whole = empathy(*JUDGE, "--judge", "control/longer", *ALL, "--limit", "999", "--json").data
    assert [contests(data)[0]["n"] for data in (small, large, whole)] == [5, 9, 64]
    assert [contests(data)[0]["requests"]["made"] for data in (small, large, whole)] == [10, 8, 110]
    with sqlite3.connect(workplace / "runs" / "empathy.sqlite") as connection:
        asked = connection.execute(
            "SELECT dialogue FROM run_dialogue WHERE run_id = ? ORDER BY position", [small["run"]]
        ).fetchall()
    connection.close()
    assert [key for (key,) in asked] == [d.key for d in seeded_subset(sample().dialogues, 5, 0)]
    other = empathy(*JUDGE, "--judge", "control/longer", *ALL, "--limit", "5", "--seed", "1", "--json").data
    assert other["spec"]["dialogues"] != small["spec"]["dialogues"]


def test_a_split_is_asked_about_and_no_other(empathy: Run) -> None:
    found = {
        split: contests(empathy(*JUDGE, "--judge", "control/longer", "--split", split, "--json").data)[0]["n"]
        for split in Split
    }
    assert found == {split: len(dialogues_in_split(sample(), split)) for split in Split}
    assert found[Split.TEST] + found[Split.TRAIN] == found[Split.ALL]


def test_samples_are_asked_each(empathy: Run) -> None:
    command = (*JUDGE, "--judge", "control/first", "--limit", "3")
    assert contests(empathy(*command, "--samples", "2", "--json").data)[0]["requests"]["made"] == 12
    more = contests(empathy(*command, "--samples", "3", "--json").data)[0]
    assert (more["requests"]["made"], more["requests"]["reused"]) == (6, 12)
    assert (more["samples"], more["repetition_stability"], more["n"]) == (3, 1, 3)


def test_a_file_of_responses_is_an_author_on_what_it_answers(empathy: Run, workplace: Path) -> None:
    test = dialogues_in_split(sample(), Split.TEST)[:4]
    rows = [json.dumps({"dialogue_id": d.id, "response": "word " * 300}) for d in test]
    (workplace / "mine.jsonl").write_text("\n".join(rows))
    command = ("judge", "file:mine.jsonl", "dataset:human", "--data", "sample", "--judge", "control/longer")
    judge = contests(empathy(*command, "--json").data)[0]
    assert (judge["n"], judge["win_rate"], judge["a"]) == (4, 1, "file:mine.jsonl")
    assert judge["low"] < 1


# -- where it goes -------------------------------------------------------------------------------------


def test_the_database_is_where_it_is_named(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPATHY_DB", "by/environment.sqlite")
    short = (*JUDGE, "--judge", "control/first", "--limit", "2")
    for more, place in (((), "by/environment.sqlite"), (("--db", "by/flag.sqlite"), "by/flag.sqlite")):
        assert contests(empathy(*short, *more, "--json").data)[0]["requests"]["made"] == 4
        assert counts(workplace / place)["judgment"] == 4
    assert not (workplace / "runs" / "empathy.sqlite").exists()


def test_a_report_is_one_page_that_asks_the_network_nothing(empathy: Run, workplace: Path) -> None:
    done = empathy(*JUDGE, *CONTROLS, "--report", "new/page.html", "--json")
    page = (workplace / "new" / "page.html").read_text(encoding="utf-8")
    assert "Report: new/page.html" in done.err
    assert done.data["run"] in page
    assert "control/ratings" in page
    assert [found for found in re.findall(r'(?:src|href)="([^"]*)', page) if found[:1] != "#"] == ["data:,"]
    assert "@import" not in page
    assert "url(" not in page


def test_a_dry_run_asks_nothing_and_counts_exactly(empathy: Run, workplace: Path) -> None:
    command = (*JUDGE, *CONTROLS, "--judge", "openai/gpt-4o", *ALL, "--limit", "6")
    values = empathy(*command, "--dry-run", "--json").data
    assert [judge["calls"] for judge in values["judges"]] == [12] * 4
    gpt = values["judges"][-1]
    assert 0 < gpt["expected_usd"] < gpt["maximum_usd"]
    stored = counts(workplace / "runs" / "empathy.sqlite")
    assert stored["completion"] == stored["run"] == 0
    assert "No request was sent." in empathy(*command, "--dry-run").out


# -- emulated ------------------------------------------------------------------------------------------

EMULATED = ("openai/gpt-4o", "google/gemini-2.0-flash", "anthropic/claude-sonnet-4-5")


def test_emulated_judges_are_asked_over_http_once_and_say_what_they_are(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no proxy stands between us and this machine
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    command = (*JUDGE, *(word for name in EMULATED for word in ("--judge", name)), "--limit", "3")
    once = empathy(*command, "--emulate", "--json").data
    assert once["emulated"] is True
    names = [name.replace("/", "/emulated-") for name in sorted(EMULATED)]
    assert sorted(by_name(once)) == sorted(names)
    assert [judge["requests"]["made"] for judge in contests(once)] == [6, 6, 6]
    assert all(judge["emulated"] for judge in contests(once))
    assert by_name(once)["openai/emulated-gpt-4o"]["soft"] is not None
    assert all(judge["cost_usd"] > 0 for judge in contests(once))
    assert os.environ["NO_PROXY"] == "intranet.example"
    again = empathy(*command, "--emulate")
    assert "EMULATED" in again.out
    assert again.out.count("0 / 6 / 0") == 3
    folder = workplace / "mine" / "judge"
    folder.mkdir(parents=True)
    asked = "{{context}} {{utterance}} 1: {{response_1}} 2: {{response_2}} Which is warmer? Answer 1 or 2."
    variables = "context, utterance, response_1, response_2"
    head = f"---\ntitle: Mine\nvariables: {variables}\nanswers: 1, 2\n---\n"
    (folder / "pairwise.md").write_text(head + asked)
    other = (*JUDGE, "--judge", EMULATED[0], "--limit", "1", "--emulate", "--prompts", "mine", "--json")
    assert contests(empathy(*other).data)[0]["requests"]["made"] == 2  # another prompt is another measurement


# -- models of later days ------------------------------------------------------------------------------


def test_newer_models_are_asked_in_their_own_way_and_rehearsed_by_their_family(empathy: Run) -> None:
    """The emulator refuses what the providers refuse: a temperature, the old name of a limit."""
    names = ("openai/gpt-5.5", "openai/gpt-6.2-sol", "google/gemini-4-argon", "google/gemini-2.5-pro")
    names += ("anthropic/claude-opus-5-5", "anthropic/claude-sonnet-4-6")
    judges = [word for name in names for word in ("--judge", name)]
    data = empathy(*JUDGE, *judges, "--emulate", "--limit", "2", "--json").data
    assert {
        name.replace("emulated-", ""): judge["n"] for name, judge in by_name(data).items()
    } == dict.fromkeys(names, 2)
    values = empathy(*JUDGE, "--judge", "openai/llama-9", "--emulate")
    assert values.code == 2
    assert values.codes == ["emulator.unknown-model"]
