"""The page: nothing from elsewhere, nothing unescaped, the statistics' own numbers, the same bytes."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from results.analysis.contest_results import summarize_judging
from results.db.store import Store
from results.render import format as text_format
from results.render.contest import SINGLE_ORDER_NOTE
from results.report import render
from tests.errors import user_error

CERTAIN = [("A", "A")] * 30
MIXED = [
    ("A:0.9", "A:0.7"),
    ("A:0.6", "B:0.4"),
    ("B:0.2", "B:0.3"),
    ("A:0.8", "A:0.9"),
    ("A:0.7", "B:0.2"),
] * 8
HOLES = [("A", "A"), ("B", "B"), ("?refused", "A"), ("A", ""), ("tie", "A")] * 8
EVIL = (
    "<script>alert('x')</script><img src=https://evil.example/x onerror=alert(1)> & \"quoted\" \x07 ]]> <!--"
)


def plain(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())


RUNS: dict[str, dict[str, Any]] = {
    "one judge": {"judges": {"control/ratings": CERTAIN}},
    "several judges": {"judges": {"openai/gpt-4o": MIXED, "google/gemini": HOLES, "control/first": CERTAIN}},
    "unscored": {"judges": {"openai/gpt-4o": HOLES}},
    "all unscored": {"judges": {"openai/gpt-4o": [("?refused", "?empty")] * 4}},
    "one order only": {"judges": {"openai/gpt-4o": [("A", "")] * 4}},
    "nothing judged": {"judges": {"openai/gpt-4o": [("", "")] * 4, "control/ratings": [("", "")] * 4}},
    "not described": {"judges": {}, "described": False},
    "samples": {"judges": {"openai/gpt-4o": [("A", "B", "A", "A"), ("A", "A", "", "")] * 6}, "samples": 2},
    "one dialogue": {"judges": {"openai/gpt-4o": [("A", "A")]}},
    "price not known": {"judges": {"openai/gpt-4o": CERTAIN}, "cost_usd": None},
    "a long response": {"judges": {"control/first": CERTAIN[:6]}, "a_text": "word " * 4_200},
    "evil": {
        "judges": {f"openai/{EVIL}": HOLES},
        "a": f"file:{EVIL}",
        "a_text": EVIL,
        "raw": EVIL,
        "emotion": '" onmouseover="alert(1)',
        "prompt": EVIL + "</pre></script>",
        "command": f"empathy judge '{EVIL}'",
        "preset": "</style><b>",
    },
}


@pytest.fixture(params=RUNS)
def run_told(request: pytest.FixtureRequest) -> dict[str, Any]:
    return RUNS[request.param]


async def test_every_run_gives_a_page_that_is_whole_and_asks_nobody_for_anything(
    store: Store, put_run: Any, read_page: Any, run_told: dict[str, Any]
) -> None:
    html = await render(store, await put_run(**run_told))
    page = read_page(html)
    assert html.startswith("<!doctype html>")
    assert page.faults == []
    for name in ("src", "href", "action", "srcset", "poster", "data", "xlink:href", "formaction"):
        for element in page.elements:
            link = element.attributes.get(name, "#")
            assert link == "data:," or re.fullmatch(r"#[\w-]*", link), (element.tag, name, link)
    assert not re.search(r"@import|url\(", page.one("style").text)
    assert not re.search(r"fetch|XMLHttp|import\(|http", page.one("script").text)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    assert {
        name for element in page.elements for name in element.attributes if name.startswith("on")
    } == set()


async def test_the_policy_allows_this_style_and_this_script_and_nothing_else(
    store: Store, put_run: Any, read_page: Any, run_told: dict[str, Any]
) -> None:
    page = read_page(await render(store, await put_run(**run_told)))
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        digest = b64encode(sha256(page.one(tag).text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not any("style" in element.attributes for element in page.elements)


async def test_the_same_database_gives_the_same_bytes(
    store: Store, put_run: Any, run_told: dict[str, Any]
) -> None:
    run_id = await put_run(**run_told)
    assert await render(store, run_id) == await render(store, run_id)


async def test_what_others_wrote_is_text(store: Store, put_run: Any, read_page: Any) -> None:
    html = await render(store, await put_run(**RUNS["evil"]))
    page = read_page(html)
    shown = EVIL.replace("\x07", r"\x07")
    assert "<script>alert" not in html
    assert "\x07" not in html
    assert page.all("img") == []
    assert page.all("b") == []
    assert page.one("script").text.startswith('"use strict";')
    assert shown in [one.text for one in page.all("p", class_="said")]
    assert shown in [one.text for one in page.all("q", class_="raw")]
    assert any(shown + "</pre></script>" in one.text for one in page.all("pre"))
    article = page.all("article")[0]
    assert article.attributes["data-emotion"] == '" onmouseover="alert(1)'


async def test_the_numbers_are_those_of_the_statistics(store: Store, put_run: Any, numbers: Any) -> None:
    run_id = await put_run(RUNS["several judges"]["judges"])
    table = numbers(await render(store, run_id))
    summary = await summarize_judging(store, run_id)
    assert len(summary.contests) == 3
    for judge in summary.contests:
        name, hard, soft = judge.contest.judge, judge.hard, judge.soft
        values = {
            "win rate of dataset:gpt-4": text_format.format_percent(hard.rate),
            "95 % interval": text_format.format_range(hard.low, hard.high),
            "n": str(hard.n),
            "incomplete dialogues": str(hard.incomplete),
            "ties": text_format.format_percent(hard.ties),
            "consistency": text_format.format_percent(hard.consistency),
            "first-position rate": text_format.format_percent(hard.first_position_rate),
            "unscored": text_format.format_reasons(judge.unscored),
            "retried": "0",
            "cost": text_format.format_usd(judge.contest.cost_usd),
            "how it was made": hard.interval_method,
        }
        if hard.incomplete:
            values["bounds with these"] = text_format.format_range(hard.bound_low, hard.bound_high)
        if soft is not None:
            values["soft win rate"] = text_format.format_percent(soft.rate)
            values["its 95 % interval"] = text_format.format_range(soft.low, soft.high)
        for row, value in values.items():
            assert table[row][name] == value, row
        for row, order in (("A first", hard.a_first), ("B first", hard.b_first)):
            assert table[row][name].startswith(text_format.format_percent(order.rate))
            assert f"n = {order.n}" in table[row][name]
    assert "soft win rate" in table


async def test_the_plot_stands_where_the_numbers_are(store: Store, put_run: Any, read_page: Any) -> None:
    run_id = await put_run(RUNS["several judges"]["judges"])
    page = read_page(await render(store, run_id))
    dots = {one.attributes["cx"] for one in page.all("circle", class_="plot-rate")} - {"50.00%"}
    rates = {f"{100 * judge.hard.rate:.2f}%" for judge in (await summarize_judging(store, run_id)).contests}
    assert rates - {"50.00%"} == dots


async def test_the_seed_is_the_runs_own_unless_another_is_given(store: Store, put_run: Any) -> None:
    run_id = await put_run({"openai/gpt-4o": MIXED}, seed=7)
    assert await render(store, run_id) == await render(store, run_id, seed=7)
    assert await render(store, run_id) != await render(store, run_id, seed=8)


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({"judges": {"openai/emulated-gpt-4o": CERTAIN, "control/ratings": CERTAIN}}, True),
        ({"judges": {"control/ratings": CERTAIN}, "a": "openai/emulated-gpt-4o"}, True),
        ({"judges": {"control/ratings": CERTAIN}, "b": "openai/emulated-gpt-4o"}, True),
        ({"judges": {"openai/gpt-4o": CERTAIN}}, False),
        ({"judges": {"control/ratings": CERTAIN}, "a": "file:out/emulated-answers.jsonl"}, False),
    ],
)
async def test_the_banner_is_there_when_it_is_due_and_only_then(
    store: Store, put_run: Any, read_page: Any, values: dict[str, Any], due: bool
) -> None:
    page = read_page(await render(store, await put_run(**values)))
    assert bool(page.all("div", class_="banner")) is due
    assert ("not from a real model" in " ".join(one.text for one in page.elements)) is due


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "one judge",
            "control/ratings prefers dataset:gpt-4 to dataset:human: the win rate of dataset:gpt-4 is 100",
        ),
        (
            "nothing judged",
            "No judgments yet: dataset:gpt-4 against dataset:human, by openai/gpt-4o.",
        ),
        ("all unscored", "No complete dialogue yet"),
        ("one order only", "No complete dialogue yet"),
        ("not described", "No judgments in this run yet"),
        ("one dialogue", "over 1 dialogue, each judged in both orders"),
        (
            "several judges",
            "Both judges do not decide between dataset:gpt-4 and dataset:human: the win rate",
        ),
    ],
)
async def test_the_answer_is_one_sentence(
    store: Store, put_run: Any, read_page: Any, name: str, said: str
) -> None:
    page = read_page(await render(store, await put_run(**RUNS[name])))
    answer = plain(page.one("p", class_="answer").text)
    assert said in answer
    if name in ("one judge", "several judges", "one dialogue"):
        assert re.search(r"95 % interval \d+\.\d to \d+\.\d", answer)


MOSTLY_A, MOSTLY_B = [("A", "A")] * 27 + [("B", "B")] * 3, [("B", "B")] * 27 + [("A", "A")] * 3
EVEN = [("A", "B")] * 30
THREE_QUARTERS = [("A", "A")] * 23 + [("B", "B")] * 7


@pytest.mark.parametrize(
    ("judges", "sign", "points", "answer"),
    [
        ({"openai/1": MOSTLY_A, "google/2": MOSTLY_A}, False, False, "Both judges prefer dataset:gpt-4"),
        ({"openai/1": MOSTLY_B, "google/2": MOSTLY_B}, False, False, "Both judges prefer dataset:human"),
        ({"openai/1": MOSTLY_A, "google/2": THREE_QUARTERS}, False, True, "Both judges prefer dataset:gpt-4"),
        ({"openai/1": MOSTLY_A, "google/2": MOSTLY_B}, True, True, "The 2 judges contradict each other"),
        ({"openai/1": MOSTLY_A, "google/2": EVEN}, False, True, "1 of 2 judges prefers dataset:gpt-4 to"),
        ({"openai/1": MOSTLY_A, "control/ratings": MOSTLY_B}, False, False, "openai/1 prefers dataset:gpt-4"),
    ],
)
async def test_disagreement_of_judges_is_stated(
    store: Store, put_run: Any, read_page: Any, judges: Any, sign: bool, points: bool, answer: str
) -> None:
    page = read_page(await render(store, await put_run(judges)))
    assert answer in plain(page.one("p", class_="answer").text)
    also = " ".join(plain(one.text) for one in page.all("p", class_="also"))
    assert ("The judges disagree on which author is better." in also) is sign
    assert ("points apart" in also) is points
    assert ("Control judges" in also) is ("control/ratings" in judges)


async def test_an_unscored_answer_is_shown_with_its_reason_and_its_words(
    store: Store, put_run: Any, read_page: Any, numbers: Any
) -> None:
    html = await render(store, await put_run({"openai/gpt-4o": HOLES}))
    page = read_page(html)
    assert numbers(html)["unscored"]["openai/gpt-4o"] == "16: no answer 8, refused 8"
    assert "refused" in [one.text for one in page.all("span", class_="none")]
    assert "I would rather not say." in [one.text for one in page.all("q", class_="raw")]
    assert "0:unscored" in {one.attributes["data-outcomes"] for one in page.all("article")}


async def test_what_the_numbers_do_not_say_depends_on_the_run(
    store: Store, put_run: Any, read_page: Any
) -> None:
    def caveats(html: str) -> str:
        return plain(read_page(html).one("ul", class_="caveats").text)

    whole = caveats(await render(store, await put_run({"openai/one": CERTAIN})))
    assert "over dialogues and the noise of the one generation for each; this training" in whole
    assert "balanced over order" in whole
    assert SINGLE_ORDER_NOTE in whole
    assert "chosen by low ratings" in whole
    assert "incomplete" not in whole
    other = await put_run({"openai/one": HOLES, "control/first": HOLES}, split="train")
    values = caveats(await render(store, other))
    assert "chosen by low ratings" not in values
    assert "makes its dialogue incomplete" in values
    assert "are baselines without an API key" in values


async def test_the_manifest_says_how_it_was_made(store: Store, put_run: Any, read_page: Any) -> None:
    run_id = await put_run({"openai/gpt-4o": CERTAIN, "control/first": CERTAIN})
    page = read_page(await render(store, run_id, now_text="on a Monday"))
    manifest = plain(page.one("section", class_="manifest").text)
    for said in (
        run_id,
        "0a1b2c",
        "empathy judge A B --judge J",
        "c0ffee",
        "prompt-1:abc",
        "Which of the two?",
        "temperature: 0.0",
        '"numpy": "2"',
        "made by dataset:gpt-4",
        '"dialogues": "dialogues-1:',
    ):
        assert said in manifest, said
    assert "Made on a Monday." in page.one("footer").text


async def test_a_run_that_is_not_there_or_judges_nothing_is_a_mistake_of_the_user(
    store: Store, put_run: Any
) -> None:
    with user_error("run.not-found"):
        await render(store, "run-1:0")
    other = await put_run({}, kind="responding", described=False)
    with user_error("report.no-contests"):
        await render(store, other)
