"""Runs written straight into a database, verdict by verdict, and a page read as a browser would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from agents.hashing import content_id
from agents.types import Dialogue, Response, ResponseSet
from results.db.bulk import insert_if_absent
from results.db.schema import CompletionRow, JudgmentRow, table
from results.db.store import Store

VOID = {"meta", "link", "br", "input", "img", "hr", "wbr"}
Verdicts = Sequence[tuple[str, ...]]  # per dialogue: with A first, with B first (then the same per sample)


@dataclass
class Told:
    """What is to be in the database.

    A verdict is "A", "B" or "tie", "?reason" for an answer that could not be read, "" for none yet;
    "A:0.8" adds the judge's P(A).
    """

    judges: Mapping[str, Verdicts]
    a: str = "dataset:gpt-4"
    b: str = "dataset:human"
    a_text: str = "That must be hard."
    b_text: str = "Oh well."
    emotion: str = "sad"
    raw: str = "I would rather not say."
    split: str = "test"
    samples: int = 1
    kind: str = "judging"
    described: bool = True
    preset: str = "default"
    prompt: str = "Which of the two?"
    command: str = "empathy judge A B --judge J"
    cost_usd: float | None = 0.001
    seed: int = 0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "empathy.sqlite")) as opened:
        yield opened


async def put(store: Store, record_data: Told) -> str:
    """Write a run into the database; its id."""
    count = max((len(verdicts) for verdicts in record_data.judges.values()), default=0)
    dialogues = [
        Dialogue(f"d{at}", f"Situation {at}", f"It happened again, {at}.", record_data.emotion)
        for at in range(count)
    ]
    sets = [
        ResponseSet(
            content_id("set-1", [author, record_data.preset]), author, record_data.preset, f"made by {author}"
        )
        for author in (record_data.a, record_data.b)
    ]
    spec = {
        "judges": sorted(record_data.judges),
        "seed": record_data.seed,
        "split": record_data.split,
        "data_sha256": "0a1b2c",
        "dialogues": content_id("dialogues-1", [d.key for d in dialogues]),
        "a": sets[0].id,
        "b": sets[1].id,
        "samples": record_data.samples,
    }
    context = {"python": "3.11", "git": {"commit": "c0ffee", "dirty": True}, "packages": {"numpy": "2"}}
    run_id, invocation = await store.start_run(
        record_data.kind, spec, command=record_data.command, context=context
    )
    if record_data.described:
        responses = [
            [Response(d.key, of.author, text, of.id) for d in dialogues]
            for of, text in zip(sets, (record_data.a_text, record_data.b_text), strict=True)
        ]
        await store.save_dialogues(dialogues)
        for of, texts in zip(sets, responses, strict=True):
            await store.save_responses(of, texts)
        await store.save_prompt("prompt-1:abc", "judge/pairwise", record_data.prompt)
        await store.save_run_dialogues(run_id, [d.key for d in dialogues])
        for name, verdicts in record_data.judges.items():
            judge_id = await _put_judge(store, name)
            await store.save_contests(run_id, [(judge_id, sets[0].id, sets[1].id, record_data.samples)])
            await _put_verdicts(store, record_data, name, judge_id, verdicts, responses, invocation)
    await store.finish_run(invocation)
    return run_id


async def _put_judge(store: Store, name: str) -> str:
    provider, _, model = name.partition("/")
    judge_id = content_id("judge-1", name)
    await store.save_judge(
        id=judge_id,
        name=name,
        provider=provider,
        model=model,
        identity="",
        prompt_version="" if provider == "control" else "prompt-1:abc",
        sampling='{"temperature":0.0,"stop":[],"seed":null}',
    )
    return judge_id


async def _put_verdicts(
    store: Store,
    record_data: Told,
    name: str,
    judge_id: str,
    verdicts: Verdicts,
    responses: Sequence[Sequence[Response]],
    invocation: str,
) -> None:
    judgments: list[dict[str, Any]] = []
    completions: list[dict[str, Any]] = []
    for at, of_dialogue in enumerate(verdicts):
        a, b = responses[0][at], responses[1][at]
        for place, verdict in enumerate(of_dialogue):
            sample, a_first = place // 2, place % 2 == 0
            if not verdict:
                continue
            first, second = (a, b) if a_first else (b, a)
            key = content_id("call-1", [name, at, a_first, sample])
            completions.append(_completion(key, name, record_data, invocation, verdict))
            judgments.append(
                {
                    "call_key": key,
                    "first": first.id,
                    "second": second.id,
                    "parser": "verdict-1",
                    "judge_id": judge_id,
                    "dialogue": a.dialogue,
                    "sample": sample,
                    "attempt": 0,
                    **_outcome(verdict, a_first=a_first),
                }
            )
    await store.database.write(
        lambda connection: (
            insert_if_absent(connection, table(CompletionRow), completions),
            insert_if_absent(connection, table(JudgmentRow), judgments),
        )
    )


def _completion(key: str, name: str, record_data: Told, invocation: str, verdict: str) -> dict[str, Any]:
    return {
        "key": key,
        "invocation_id": invocation,
        "model": name,
        "text": record_data.raw if verdict.startswith("?") else "1",
        "finish": "stop",
        "input_tokens": 10,
        "output_tokens": 1,
        "logprobs": None,
        "server_model": name,
        "request_id": "",
        "latency_seconds": 0.1,
        "cost_usd": record_data.cost_usd,
        "answered_at": 1.0,
    }


def _outcome(verdict: str, *, a_first: bool) -> dict[str, Any]:
    nothing = {"preference": None, "p_first": None, "p_second": None, "p_tie": None, "outside": None}
    if verdict.startswith("?"):
        return {**nothing, "unscored": verdict[1:]}
    author, _, p_a = verdict.partition(":")
    place = "tie" if author == "tie" else "first" if (author == "A") == a_first else "second"
    record_data = {**nothing, "preference": place, "unscored": None}
    if p_a:
        p_first = float(p_a) if a_first else 1.0 - float(p_a)
        record_data |= {"p_first": p_first, "p_second": 1.0 - p_first, "p_tie": 0.0, "outside": 0.01}
    return record_data


@dataclass
class Element:
    """An element of the page with the text in it, its children's included."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """A parsed page."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Elements of a tag with these attributes (`class_` matches one class)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [one for one in self.elements if one.tag == tag and _fits(one.attributes, wanted)]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]


def _fits(attributes: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(
        value in attributes.get(name, "").split() if name == "class" else attributes.get(name) == value
        for name, value in wanted.items()
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.page.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.page.faults.append(f"</{tag}> closes {self._open[-1].tag if self._open else 'nothing'}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def close(self) -> None:
        super().close()
        self.page.faults += [f"<{element.tag}> is never closed" for element in self._open]


def read(html: str) -> Page:
    """The page, parsed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def make_table(html: str) -> dict[str, dict[str, str]]:
    """The table of numbers: name of the row (without its hint) → judge → value."""
    rows: dict[str, dict[str, str]] = {}
    inside = html.split('<table class="numbers"')[1].split("</table>", maxsplit=1)[0]
    for row in inside.split("<tr")[1:]:
        parsed = read("<tr" + row.split("</tr>")[0] + "</tr>")
        headers = parsed.all("th", scope="row")
        if headers:
            hint = parsed.all("span", class_="hint")
            name = headers[0].text.removesuffix(hint[0].text if hint else "").strip().replace("\u00a0", " ")
            rows[name] = {
                cell.attributes["data-judge"]: cell.text.replace("\u00a0", " ") for cell in parsed.all("td")
            }
    return rows


PutRun = Callable[..., Awaitable[str]]


@pytest.fixture
def put_run(store: Store) -> PutRun:
    """Write a run into this test's database: `await put_run(judges, …)`, as in `Told`."""

    async def write(judges: Mapping[str, Verdicts], **record_data: Any) -> str:
        return await put(store, Told(judges, **record_data))

    return write


@pytest.fixture
def put_into() -> Callable[..., Awaitable[str]]:
    """Write a run into any database: `await put_into(store, judges)`."""

    async def write(store: Store, judges: Mapping[str, Verdicts]) -> str:
        return await put(store, Told(judges))

    return write


@pytest.fixture
def read_page() -> Callable[[str], Page]:
    """The page, parsed."""
    return read


@pytest.fixture
def numbers() -> Callable[[str], dict[str, dict[str, str]]]:
    """The page's table of numbers: row → judge → value, with plain spaces."""
    return make_table
