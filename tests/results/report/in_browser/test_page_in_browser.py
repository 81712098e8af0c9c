"""The page in a browser: nothing fails, nothing is fetched, nothing sticks out, the keyboard is enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from results.db.store import Store
from results.queries.checkpoints import save_checkpoint
from results.queries.contests import load_contests
from results.report import render

pytestmark = pytest.mark.slow

LONG = "student:llama-over-human-all-dimensions-with-a-name-that-does-not-end-sft"
TOLD = {"a": LONG, "b": "base:llama", "a_text": "I hear you. " * 150, "b_text": "a" * 400}
JUDGES = {
    "openai/gpt-4o": [("A", "A"), ("B", "B"), ("A", "B"), ("?refused", "A"), ("tie", "A")] * 6,
    "google/gemini-2.0-flash": [("A", "A"), ("A", "A"), ("A", "B"), ("B", "B"), ("A", "A")] * 6,
    "control/longer": [("A", "A"), ("A", "A"), ("A", "A"), ("B", "B"), ("A", "A")] * 6,
}
# every text of the page against what lies behind it, by WCAG 2: those below 4.5
FAINT = """(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const linear = (part) => (part <= 10.3 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = parts(getComputedStyle(at).backgroundColor);
      if (ground.length < 4 || ground[3] > 0) return ground;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const unseen = ["SCRIPT", "title", "desc"].includes(element.tagName) || !element.getClientRects().length;
    if (!own || unseen) continue;
    const style = getComputedStyle(element);
    const ink = parts(element instanceof SVGElement ? style.fill : style.color);
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const name = `${element.tagName}.${element.getAttribute("class")}`;
    if ((one + 0.05) / (other + 0.05) < 4.5) found.push(name);
  }
  return found;
})()"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHOWN = "[...document.querySelectorAll('.example')].filter((one) => !one.hidden)"
FOCUS = """(() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const box = at.getBoundingClientRect();
  return {
    name: at.id || at.textContent.trim().slice(0, 30) || at.tagName,
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    within: box.left >= 0 && box.right <= innerWidth + 1,
    order: [...document.querySelectorAll("*")].indexOf(at),
  };
})()"""


@pytest.fixture
async def page(store: Store, put_run: Any, tmp_path: Path) -> Path:
    """A page with two models, a control, unscored answers and long names."""
    place = tmp_path / "page.html"
    place.write_text(await render(store, await put_run(JUDGES, **TOLD)), encoding="utf-8")
    return place


@pytest.fixture
async def study_page(store: Store, put_run: Any, tmp_path: Path) -> Path:
    """The same against two opponents, as a study, with the student's training."""
    runs = [await put_run(JUDGES, **TOLD), await put_run(JUDGES, **{**TOLD, "b": "student:low-rated-sft"})]
    found = [contest for run_id in runs for contest in await load_contests(store, run_id)]
    spec = {"study": "A study with a title that goes on", "name": "mine", "split": "test", "seed": 0}
    made, invocation = await store.start_run("judging", spec, command="empathy run mine", context={})
    await store.save_run_dialogues(made, [dialogue.key for dialogue in found[0].dialogues])
    await store.save_contests(made, [(one.judge_id, one.a.id, one.b.id, 1) for one in found])
    await store.finish_run(invocation)
    record = {
        "name": LONG.removeprefix("student:"),
        "stage": "sft",
        "base": {"name": "llama"},
        "parent": None,
    }
    record["data"] = {"method": "over-human", "strategy": "all-dimensions"}
    steps = [{"step": at, "loss": 3.0 / at} for at in range(1, 40)]
    await save_checkpoint(store, "checkpoint-1:only", record, steps, "folder")
    place = tmp_path / "study.html"
    place.write_text(await render(store, made), encoding="utf-8")
    return place


def address(page: Path) -> str:
    return page.resolve().as_uri()


@pytest.mark.parametrize("kind", ["page", "study_page"])
async def test_the_page_is_sound_in_a_browser(page: Path, study_page: Path, browser: Any, kind: str) -> None:
    page = {"page": page, "study_page": study_page}[kind]
    for width in (1280, 360):
        for scheme in ("light", "dark"):
            await browser.media(scheme=scheme)
            await browser.open(page, width=width)
            assert await browser.value(WIDER) == 0, width
            assert await browser.value(FAINT) == [], scheme
    await browser.media(medium="print")
    assert await browser.value(FAINT) == []
    assert browser.complaints == []
    assert {one for one in browser.requests if not one.startswith("data:")} == {address(page)}


async def test_the_examples_are_filtered_by_the_keyboard_alone(page: Path, browser: Any) -> None:
    await browser.open(page)
    assert await browser.value("document.getElementById('filter').hidden") is False
    every = await browser.value("document.querySelectorAll('.example').length")
    assert await browser.value(f"{SHOWN}.length") == 12 < every
    await browser.value("document.getElementById('filter-outcome').focus()")
    for letter in "uns":  # chooses by the first letters, as any list does
        await browser.press(letter, letter)
    await browser.press("Tab")  # to "by"
    assert await browser.value("document.getElementById('filter-outcome').value") == "unscored"
    unscored = await browser.value(f"{SHOWN}.every((one) => one.dataset.outcomes.includes(':unscored'))")
    assert unscored
    fitting = await browser.value("document.getElementById('count').textContent")
    assert "6 that fit" in fitting
    await browser.value("document.getElementById('filter-disagree').focus()")
    await browser.press(" ", " ")
    assert await browser.value("document.getElementById('filter-disagree').checked")
    await browser.press("Tab")
    await browser.press("Enter", "\r")  # "Clear"
    await browser.value("new Promise((done) => setTimeout(done))")
    assert await browser.value(f"{SHOWN}.length") == 12
    await browser.value("document.getElementById('filter-text').focus()")
    await browser.call("Input.insertText", text="d17")
    assert await browser.value(f"{SHOWN}.length") == 1
    assert browser.complaints == []


async def test_tabbing_goes_down_the_page_and_is_seen(page: Path, browser: Any) -> None:
    await browser.open(page, width=360)
    met = []
    for _ in range(24):
        await browser.press("Tab")
        met.append(await browser.value(FOCUS))
    assert met[0]["name"] == "To the result"
    assert all(one["seen"] and one["within"] for one in met), met
    assert [one["order"] for one in met] == sorted(one["order"] for one in met)


async def test_printing_opens_what_is_folded_and_leaves_it_as_it_was(page: Path, browser: Any) -> None:
    await browser.open(page)
    closed = "document.querySelectorAll('details:not([open])').length"
    before = await browser.value(closed)
    assert before > 0
    await browser.value("dispatchEvent(new Event('beforeprint'))")
    assert await browser.value(closed) == 0
    await browser.value("dispatchEvent(new Event('afterprint'))")
    assert await browser.value(closed) == before
