"""`empathy data fetch | describe | split` and `empathy prompts`."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from agents.types import Split
from harness.data import download
from harness.data.dataset import read, sample
from harness.data.splits import dialogues_in_split
from prompts import Library, released

Run = Callable[..., Any]
SAMPLE = resources.files("harness.data.sample").joinpath("dialogues.csv").read_bytes()


def test_fetch_from_a_file_puts_it_where_every_command_looks(
    empathy: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "REAL_SHA256", sha256(SAMPLE).hexdigest())
    (workplace / "mine.csv").write_bytes(SAMPLE)
    done = empathy("data", "fetch", "--from", "mine.csv")
    assert (done.code, done.out) == (0, "64 dialogues in data/llms-vs-humans.csv; the hash matches.\n")
    assert (workplace / "data" / "llms-vs-humans.csv").read_bytes() == SAMPLE
    assert empathy("data", "describe", "--json").data["dialogues"] == 64
    assert empathy("data", "fetch", "--from", "mine.csv", "--to", "else/where.csv").code == 0
    assert (workplace / "else" / "where.csv").read_bytes() == SAMPLE


def test_describe_shows_both_figures_as_tables(empathy: Run) -> None:
    shown = empathy("data", "describe", "--data", "sample").out
    data = empathy("data", "describe", "--data", "sample", "--json").data
    assert "the paper's Figure 3" in shown
    assert "the paper's Figure 4" in shown
    assert f"64 dialogues ({data['sentiments']['negative']} negative" in shown
    for responder, of in data["ratings"].items():
        [line] = [line for line in shown.splitlines() if f"│{responder} " in line]
        assert [cell.strip() for cell in line.split("│")[2:5]] == [str(of[v]) for v in ("1", "2", "3")]
    assert sum(data["pairs"]["gpt-4"].values()) == 64


def test_describe_the_real_one_by_the_environment(
    empathy: Run, real_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPATHY_DATA", str(real_dataset))
    data = empathy("data", "describe", "--json").data
    assert (data["dialogues"], data["train"], data["test"]) == (2000, 1750, 250)
    assert "1,295" in empathy("data", "describe").out


def test_describe_draws(empathy: Run, workplace: Path) -> None:
    done = empathy("data", "describe", "--data", "sample", "--plot", "figures.png", "--json")
    assert done.data["dialogues"] == 64
    assert (workplace / "figures.png").read_bytes().startswith(b"\x89PNG")


def test_split_over_human_has_the_papers_sizes(empathy: Run, real_dataset: Path) -> None:
    sizes = empathy("data", "split", "--method", "over-human", "--data", real_dataset, "--json").data
    assert (sizes["sft_dialogues"], sizes["dpo_pairs"], sizes["test"], sizes["train"]) == (
        950,
        800,
        250,
        1750,
    )
    assert sizes["sft_rows"] == 1900
    shown = empathy("data", "split", "--method", "over-human", "--data", real_dataset).out
    for number in ("950", "1,900", "800", "250", "1,750"):
        assert number in shown


@pytest.mark.parametrize("method", ["direct", "over-human", "over-llm", "low-rated"])
@pytest.mark.parametrize("fidelity", ["paper", "released", "ours"])
def test_split_writes_what_it_counts_and_never_trains_on_test(
    empathy: Run, workplace: Path, method: str, fidelity: str
) -> None:
    words = ("data", "split", "--method", method, "--fidelity", fidelity, "--data", "sample")
    sizes = empathy(*words, "--out", "parts", "--json").data
    rows = {
        name: [json.loads(line) for line in (workplace / "parts" / f"{name}.jsonl").read_text().splitlines()]
        for name in ("sft", "dpo", "test")
    }
    assert len(rows["test"]) == sizes["test"] == len(dialogues_in_split(sample(), Split.TEST))
    assert (len(rows["sft"]), len(rows["dpo"])) == (sizes["sft_dialogues"], sizes["dpo_pairs"])
    assert sum(len(row["responses"]) for row in rows["sft"]) == sizes["sft_rows"]
    test = {row["dialogue_id"] for row in rows["test"]}
    assert not test & {row["dialogue_id"] for row in rows["sft"] + rows["dpo"]}
    assert empathy(*words, "--out", "parts", "--json").data == sizes


def test_the_control_method_has_a_written_and_a_stored_name(empathy: Run) -> None:
    words = ("data", "split", "--data", "sample", "--json", "--method")
    written = empathy(*words, "low-rated-control")
    assert written.code == 0, written.err
    assert written.data == empathy(*words, "low-rated").data
    assert written.data["method"] == "low-rated"
    assert empathy(*words, "high-rated").code == 2


def test_split_direct_of_one_llm_and_of_all(empathy: Run, real_dataset: Path) -> None:
    def sizes(llm: str) -> dict[str, int]:
        done = empathy("data", "split", "--method", "direct", "--llm", llm, "--data", real_dataset, "--json")
        found: dict[str, int] = done.data
        return found

    each = [sizes(llm) for llm in ("gpt-4", "llama-2-70b", "gemini-1.0-pro", "mixtral-8x7b")]
    combined = sizes("combined")
    for name in ("sft_rows", "dpo_pairs"):
        assert combined[name] == sum(one[name] for one in each)


# -- prompts -------------------------------------------------------------------------------------------


def test_prompts_are_listed_with_version_and_variables(empathy: Run) -> None:
    library = Library()
    shown = empathy("prompts", "list").out
    rows = empathy("prompts", "list", "--json").data["prompts"]
    assert [row["name"] for row in rows] == [prompt.name for prompt in library]
    for row, prompt in zip(rows, library, strict=True):
        assert row["version"] == prompt.version
        assert row["variables"] == list(prompt.variables)
        assert prompt.version.removeprefix("prompt-1:") in shown
    assert {"respond", "judge/pairwise"} <= {row["name"] for row in rows}
    assert sum(row["name"].startswith("improve/") for row in rows) >= 7


def test_a_prompt_is_shown_as_it_is_sent(empathy: Run) -> None:
    for prompt in Library():
        done = empathy("prompts", "show", prompt.name)
        assert done.code == 0
        assert done.out.removesuffix("\n").split("\n=== next turn ===\n") == list(prompt.turns)


def test_ones_own_prompt_overrides_by_name(empathy: Run, workplace: Path) -> None:
    (workplace / "mine").mkdir()
    head = "---\ntitle: Mine\nvariables: context, utterance\n---\n"
    (workplace / "mine" / "respond.md").write_text(head + "{{context}} {{utterance}} Say a word.")
    assert "Say a word." in empathy("prompts", "show", "respond", "--prompts", "mine").out
    included, overridden = (
        {row["name"]: row["version"] for row in empathy("prompts", "list", "--json", *more).data["prompts"]}
        for more in ((), ("--prompts", "mine"))
    )
    assert {name for name in included if included[name] != overridden[name]} == {"respond"}


def test_a_copied_prompt_has_the_version_of_what_it_was_copied_from(empathy: Run, workplace: Path) -> None:
    names = [prompt.name for prompt in Library()]
    assert empathy("prompts", "copy", *names, "--to", "mine").code == 0
    included, overridden = (
        {row["name"]: row["version"] for row in empathy("prompts", "list", "--json", *more).data["prompts"]}
        for more in ((), ("--prompts", "mine"))
    )
    assert included == overridden
    again = empathy("prompts", "copy", "respond", "--to", "mine")
    assert (again.code, again.codes) == (2, ["prompt.not-copied", "file.exists"])


def test_released_prompts_are_fetched_listed_shown_and_never_copied(
    empathy: Run, workplace: Path, released_prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(released.ENVIRONMENT, "nowhere")
    before = {row["name"] for row in empathy("prompts", "list", "--json").data["prompts"]}
    assert not before & set(released.PROMPTS)
    done = empathy("prompts", "fetch", "--from", released_prompts, "--to", "here")
    assert (done.code, "15 prompts from 10 scripts in here (10 new)" in done.out) == (0, True)
    assert "(0 new)" in empathy("prompts", "fetch", "--from", "nowhere", "--to", "here").out
    monkeypatch.setenv(released.ENVIRONMENT, "here")
    after = {row["name"] for row in empathy("prompts", "list", "--json").data["prompts"]}
    assert after == before | set(released.PROMPTS)
    assert empathy("prompts", "show", "released/respond/teacher").out.endswith("Response:\n")
    assert "=== system ===" in empathy("prompts", "show", "released/judge/gpt-4o").out
    assert empathy("prompts", "copy", "released/judge/gpt-4o", "--to", "mine").code == 2


def test_nothing_is_fetched_where_one_file_is_another(
    empathy: Run, workplace: Path, released_prompts: Path
) -> None:
    (released_prompts / released.GEMINI_JUDGE).write_text("another")
    (released_prompts / released.INITIAL).unlink()
    done = empathy("prompts", "fetch", "--from", released_prompts, "--to", "here")
    assert done.code == 2
    assert done.err.count("win_rate_gemini.py") == 1
    assert "m3_1_batch_generate_inital_response.py" in done.err
    assert not (workplace / "here").exists()


def test_clean_puts_commas_where_empathetic_dialogues_writes_a_word(empathy: Run, workplace: Path) -> None:
    (workplace / "odd.csv").write_bytes(SAMPLE.replace(b"the", b"the_comma_"))
    found = empathy("data", "describe", "--data", "odd.csv", "--json")
    assert (found.code, "_comma_" in found.err) == (0, True)
    done = empathy("data", "clean", "--data", "odd.csv", "--out", "clean.csv")
    assert done.code == 0, done.err
    after = empathy("data", "describe", "--data", "clean.csv", "--json")
    assert (after.data, after.err) == (found.data, "")
    assert read((workplace / "clean.csv").read_bytes(), "") is not None
    assert empathy("data", "clean", "--data", "odd.csv", "--out", "clean.csv").code == 2
