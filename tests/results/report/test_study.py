"""A study's page: found by its name, students held against base and format controls, told in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from agents.hashing import content_id
from results.db.store import Store
from results.paper.cells import published
from results.queries.checkpoints import save_checkpoint
from results.queries.contests import load_contests
from results.report import build_context, find_run, render
from results.report.author_roles import AuthorRole
from results.statistics import win_rate
from tests.errors import user_error

SFT, DPO = (f"student:llama-3.1-8b-over-human-naive-{step}" for step in ("sft", "sft-dpo"))
LOW, BASE = "student:llama-3.1-8b-low-rated-sft", "base:Llama-3.1-8B"
GOOD, BAD = [("A", "A")] * 19 + [("B", "B")] * 6, [("A", "A")] * 5 + [("B", "B")] * 20
EVEN = [("A", "A")] * 12 + [("B", "B")] * 12 + [("A", "B")]
PAIRS = {
    (SFT, BASE): {"openai/gpt-4o": GOOD, "google/gemini-2.0-flash": GOOD, "control/longer": EVEN},
    (DPO, BASE): {"openai/gpt-4o": GOOD, "google/gemini-2.0-flash": EVEN, "control/longer": EVEN},
    (SFT, LOW): {"openai/gpt-4o": EVEN, "google/gemini-2.0-flash": BAD, "control/longer": EVEN},
}
RECORD = {
    "name": DPO.removeprefix("student:"),
    "stage": "dpo",
    "base": {"name": "meta-llama/Llama-3.1-8B"},
    "parent": {"id": "checkpoint-1:first"},
    "data": {"method": "over-human", "strategy": "naive", "taught_by": ["openai/gpt-4o"], "fidelity": "ours"},
    "settings": {"seed": 42, "rank": 8, "learning_rate": 5e-5, "beta": 0.1},
    "health": {
        "slice": "held out",
        "dialogues": 16,
        "loss_base": 2.6,
        "loss_parent": 2.2,
        "loss": 2.1,
        "general_base": 2.0,
        "general": 2.9,
        "words": 28.0,
        "cut": 0.1,
        "distinct": 0.9,
        "new_tokens": 128,
        "warnings": ["forgetting: <b>general text</b> is much worse"],
    },
    "steps": 3,
    "seconds": 75.0,
    "device": "cuda",
}
STEPS = [{"step": at, "loss": 0.69 / at, "rewards/margins": 0.1 * at} for at in (1, 2, 3)]


def plain(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())


@pytest.fixture
async def study(store: Store, put_run: Any) -> str:
    """A study of three contests under two models and a control; one student is known by its record."""
    for (a, b), judges in PAIRS.items():
        run_id = await put_run(judges, a=a, b=b, a_text="I hear you. That must be hard.", b_text="Oh.")
    dialogues = [dialogue.key for dialogue in (await load_contests(store, run_id))[0].dialogues]
    ids = {author: content_id("set-1", [author, "default"]) for pair in PAIRS for author in pair}
    contests = sorted(
        (content_id("judge-1", judge), ids[a], ids[b], 1)
        for (a, b), judges in PAIRS.items()
        for judge in judges
    )
    spec = {"study": "What a study found", "name": "mine", "fidelity": "ours", "split": "test", "seed": 0}
    made, invocation = await store.start_run("judging", spec, command="empathy run mine", context={})
    await store.save_run_dialogues(made, dialogues)
    await store.save_contests(made, contests)
    await store.finish_run(invocation)
    first = {**RECORD, "name": SFT.removeprefix("student:"), "stage": "sft", "parent": None, "health": {}}
    await save_checkpoint(store, "checkpoint-1:first", first, STEPS, "first")
    await save_checkpoint(store, "checkpoint-1:second", RECORD, STEPS, "second")
    return made


@pytest.mark.parametrize("written", ["mine", "What a study found", "somewhere/mine.toml", "last"])
async def test_a_study_is_found_by_its_name_its_title_or_its_file(
    store: Store, study: str, written: str
) -> None:
    assert await find_run(store, written) == study


async def test_a_study_that_was_not_run_is_a_mistake(store: Store, study: str) -> None:
    with user_error("run.not-found"):
        await find_run(store, "another.toml")


async def test_roles_are_told(store: Store, study: str) -> None:
    material = await build_context(store, study)
    roles = {author.response_set.author: author.role for author in material.authors.values()}
    assert roles == {
        SFT: AuthorRole.STUDENT,
        DPO: AuthorRole.STUDENT,
        LOW: AuthorRole.LOW_RATED,
        BASE: AuthorRole.BASE,
    }


async def test_the_answer_names_every_judge_and_holds_students_against_the_controls(
    store: Store, study: str, read_page: Any
) -> None:
    html = await render(store, study)
    page = read_page(html)
    assert page.faults == []
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    named = " ".join(element.attributes.get("aria-labelledby", "") for element in page.elements)
    linked = [one.attributes["href"][1:] for one in page.all("a") if one.attributes["href"] != "#"]
    assert set(named.split()) | set(linked) <= set(ids)
    assert page.one("h1").text == "What a study found"
    answer = plain(page.one("p", class_="answer").text)
    assert answer.startswith("Of 2 students against the uncut base: google/gemini-2.0-flash prefers 1 and")
    assert "openai/gpt-4o prefers both" in answer
    assert "in brackets 95 % intervals, over 25 dialogues" in answer
    also = [plain(one.text) for one in page.all("p", class_="also")]
    assert any("Of 1 student against the student trained on low-rated responses" in one for one in also)
    assert any("The judges disagree by more than 10 points for 1 of 2" in one for one in also)
    assert any("openai/gpt-4o is of the same family (OpenAI) as 2 authors" in one for one in also)
    assert any(f"{BASE} is untrained and not truncated" in one for one in also)
    whole = plain(" ".join(one.text for one in page.all("main")))
    assert whole.count("evidence of empathy") == whole.count("no evidence of empathy") > 0


async def test_table_1_has_ours_beside_the_published_value_and_leaves_the_rest_empty(
    store: Store, study: str, read_page: Any
) -> None:
    page = read_page(await render(store, study))
    material = await build_context(store, study)
    assert material.grid is not None
    assert material.grid.filled_cells == 4  # two students, two judges
    texts = [one.text for one in page.all("span", class_="line")]
    shown = {text for text in texts if re.fullmatch(r"[\d.]+†?", text)}
    assert {text.rstrip("†") for text in shown} == {"76.0", "50.0"}
    assert any(text.endswith("†") for text in shown)  # GPT-4o judges what GPT-4o taught
    beside = [entry for line in material.grid.lines for entry in line.entries if entry.published is not None]
    assert len(beside) == 56  # LLaMA's cells under both judges
    assert {entry.published for entry in beside} <= set(published().values())
    assert "published 56.4" in texts


async def test_training_is_shown_with_curves_and_warnings(store: Store, study: str, read_page: Any) -> None:
    page = read_page(await render(store, study))
    (card,) = page.all("article", class_="card")  # one line: DPO went on from SFT
    assert "forgetting: <b>general text</b> is much worse" in card.text
    assert len(page.all("svg", class_="curve")) == 3
    assert "learning rate 5e-5" in card.text
    assert page.all("b") == []


async def test_every_form_has_the_statistics_own_numbers(store: Store, study: str) -> None:
    record_data = json.loads(await render(store, study, form="json"))
    rows = list(csv.DictReader(io.StringIO(await render(store, study, form="csv"))))
    markdown = await render(store, study, form="md")
    contests = {
        (one.a.name, one.b.name, one.judge): win_rate(one.columns, seed=0)
        for one in await load_contests(store, study)
    }
    assert len(record_data["contests"]) == len(rows) == len(contests) == 9
    for data, row in zip(record_data["contests"], rows, strict=True):
        rate = contests[data["a"], data["b"], data["judge"]]
        assert (data["win_rate"], data["low"], data["high"]) == (rate.rate, rate.low, rate.high)
        assert float(row["win_rate"]) == rate.rate
        assert (row["a"], row["b"], row["judge"]) == (data["a"], data["b"], data["judge"])
    for heading in ("# What a study found", "## Student against format controls", "## Table 1"):
        assert heading in markdown
    assert "empathy run mine" in markdown
    widths = {
        line.count(" | ") for line in markdown.splitlines() if line.startswith("| student") and "▲" in line
    }
    assert widths == {3}


async def test_markdown_holds_no_markup_of_others(store: Store, put_run: Any) -> None:
    evil = "file:<script>*x*</script>|`[a](http://b)"
    text = await render(store, await put_run({"openai/gpt-4o": EVEN}, a=evil), form="md")
    assert not re.search(r"(?<!\\)<script", text)
    assert "\\|" in text


async def test_judges_that_say_the_same_agree_and_length_goes_with_the_longer(
    store: Store, put_run: Any
) -> None:
    judges = {"openai/one": EVEN, "google/two": EVEN}
    run_id = await put_run(judges, a_text="a long response indeed", b_text="short")
    material = await build_context(store, run_id)
    (pair,) = material.agreements.pairs
    assert pair.found.agreement == 1.0
    assert material.agreements.alpha == 1.0
    (judged, _) = material.pairs[0].judged
    assert judged.lengths.a_longer == 1.0
    assert judged.lengths.longer_wins == judged.hard.rate
    assert sum(one.calls for one in material.spending.by_model) == 100


async def test_students_alike_but_for_their_seed_are_taken_together(
    store: Store, study: str, read_page: Any
) -> None:
    assert (await build_context(store, study)).seeds == ()
    for seed, author in ((1, SFT), (2, DPO)):
        twin = {**RECORD, "name": author.removeprefix("student:"), "settings": {"seed": seed, "rank": 8}}
        await save_checkpoint(store, f"checkpoint-1:{seed}", twin, STEPS, "twin")
    material = await build_context(store, study)
    assert [(one.opponent, one.judge) for one in material.seeds] == [
        (BASE, judge) for judge in ("control/longer", "google/gemini-2.0-flash", "openai/gpt-4o")
    ]
    found = {one.judge: one.found for one in material.seeds}["google/gemini-2.0-flash"]
    assert found.estimate == pytest.approx((19 / 25 + 12.5 / 25) / 2)
    assert found.seeds == (2,)
    page = read_page(await render(store, study))
    assert "Over training seeds" in [one.text for one in page.all("h2")]
