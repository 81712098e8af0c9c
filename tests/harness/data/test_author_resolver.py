"""Resolution of author names to responses: of the dataset, of a file, or stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from agents.hashing import content_id
from agents.types import Response, ResponseSet
from harness.data.author_resolver import read_file, resolve_author
from harness.data.command_hints import command
from harness.data.dataset import RESPONDERS, Dataset, sample
from results.db.store import Store
from tests.errors import user_error

MODEL = "openai/some-model"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return sample()


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "empathy.sqlite")) as opened:
        yield opened


async def keep(
    store: Store,
    dataset: Dataset,
    author: str = MODEL,
    preset: str = "default",
    made: str = "",
    count: int = 3,
) -> ResponseSet:
    """Store a set of responses to the first dialogues and return it."""
    response_set = ResponseSet(content_id("set-1", [author, preset, made]), author, preset, made)
    dialogues = dataset.dialogues[:count]
    await store.save_dialogues(dialogues)
    await store.save_responses(
        response_set, [Response(d.key, author, f"{made} {d.id}", response_set.id) for d in dialogues]
    )
    return response_set


# -- of the dataset------------------------------------------------------------------------------------


@pytest.mark.parametrize("responder", RESPONDERS)
async def test_a_responder_of_the_dataset_is_an_author(
    store: Store, dataset: Dataset, responder: str
) -> None:
    author = await resolve_author(f"dataset:{responder}", dataset, store)
    assert author.name == f"dataset:{responder}"
    texts = dataset.texts[responder]
    assert {key: r.text for key, r in author.responses.items()} == {
        dialogue.key: texts[dialogue.id] for dialogue in dataset.dialogues
    }
    assert {r.set_id for r in author.responses.values()} == {author.set.id}


@pytest.mark.parametrize("name", ["dataset:", "dataset:gpt4", "dataset:Human", "dataset:human@default"])
async def test_an_unknown_responder_is_refused(store: Store, dataset: Dataset, name: str) -> None:
    with user_error("dataset.unknown-responder", found=f"'{name}'") as error:
        await resolve_author(name, dataset, store)
    assert "dataset:human, dataset:gpt-4" in error.fault.remedy


# -- of a file -----------------------------------------------------------------------------------------


def lines_of(dataset: Dataset, texts: list[str]) -> list[str]:
    return [
        json.dumps({"dialogue_id": dialogue.id, "response": text})
        for dialogue, text in zip(dataset.dialogues, texts, strict=False)
    ]


@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), min_size=1, max_size=5
    ),
    ends=st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    mark=st.booleans(),
)
def test_the_text_of_a_file_is_kept_exactly(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], ends: str, mark: bool
) -> None:
    dataset = sample()
    path = tmp_path_factory.mktemp("own") / "responses.jsonl"
    path.write_text(ends.join(lines_of(dataset, texts)), "utf-8-sig" if mark else "utf-8", newline="")
    author = read_file(path, dataset.dialogues)
    assert [r.text for r in author.responses.values()] == texts
    assert list(author.responses) == [d.key for d in dataset.dialogues[: len(texts)]]


def test_a_file_is_identified_by_its_content(tmp_path: Path, dataset: Dataset) -> None:
    paths = [tmp_path / name for name in ("one.jsonl", "two.jsonl", "three.jsonl")]
    for path, text in zip(paths, ("a", "a", "b"), strict=True):
        path.write_text(lines_of(dataset, [text])[0])
    first, second, third = (read_file(path, dataset.dialogues) for path in paths)
    assert first.set.id == second.set.id != third.set.id
    assert first.name == f"file:{paths[0]}"
    [response], [same] = first.responses.values(), second.responses.values()
    assert response.id == same.id


def test_jsonl_rows_may_have_extra_fields(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "more.jsonl"
    path.write_text(json.dumps({"dialogue_id": dataset.dialogues[0].id, "response": "Oh.", "model": "mine"}))
    assert [r.text for r in read_file(path, dataset.dialogues).responses.values()] == ["Oh."]


async def test_every_fault_of_a_file_is_reported_with_its_line(
    store: Store, tmp_path: Path, dataset: Dataset
) -> None:
    path = tmp_path / "bad.jsonl"
    good = lines_of(dataset, ["first", "second"])
    wrong = [
        ("{", "file.not-json"),
        ('["a"]', "file.not-object"),
        ('{"dialogue_id": "sample:001_conv:001"}', "responses.missing-text"),
        ('{"dialogue_id": 1, "response": "x"}', "responses.wrong-type"),
        ('{"dialogue_id": "nobody", "response": "x"}', "responses.unknown-dialogue"),
        (good[0], "responses.duplicate-dialogue"),
        (json.dumps({"dialogue_id": dataset.dialogues[3].id, "response": " \n"}), "responses.empty-text"),
        ('{"dialogue_id": "\\ud800", "response": "x"}', "file.lone-surrogate"),
    ]
    path.write_text("\n".join([good[0], "", good[1], *(line for line, _ in wrong)]))
    with user_error("responses.invalid") as error:
        await resolve_author(f"file:{path}", dataset, store)
    assert [(fault.where, fault.code) for fault in error.faults] == [
        (f"{path}:{line}", code) for line, (_, code) in enumerate(wrong, 4)
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_a_file_without_responses_is_refused(tmp_path: Path, dataset: Dataset, content: bytes) -> None:
    (tmp_path / "none.jsonl").write_bytes(content)
    with user_error("responses.empty"):
        read_file(tmp_path / "none.jsonl", dataset.dialogues)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    row = {"dialogue_id": dataset.dialogues[0].id, "response": "café"}
    (tmp_path / "latin.jsonl").write_text(json.dumps(row, ensure_ascii=False), "latin-1")
    with user_error("file.not-utf8", where=f"{tmp_path / 'latin.jsonl'}:1"):
        read_file(tmp_path / "latin.jsonl", dataset.dialogues)


@pytest.mark.parametrize("name", ["file:none.jsonl", "file:", "file:.", "file:" + "x" * 5000])
async def test_an_unreadable_file_is_refused(store: Store, dataset: Dataset, name: str) -> None:
    with user_error("file.unreadable"):
        await resolve_author(name, dataset, store)


# -- stored --------------------------------------------------------------------------------------------


async def test_a_model_name_selects_its_default_response_set(store: Store, dataset: Dataset) -> None:
    plain, hot = await keep(store, dataset), await keep(store, dataset, preset="hot", made="hot", count=2)
    author, other = [await resolve_author(name, dataset, store) for name in (MODEL, f"{MODEL}@hot")]
    assert (author.set, author.name, len(author.responses)) == (plain, MODEL, 3)
    assert (other.set, other.name, len(other.responses)) == (hot, f"{MODEL}@hot", 2)
    assert (await resolve_author(f"{MODEL}@default", dataset, store)).set == plain


async def test_ambiguous_set_names_are_listed(store: Store, dataset: Dataset) -> None:
    sets = [await keep(store, dataset, made=made) for made in ("at noon", "at night")]
    with user_error("author.ambiguous", found=repr(MODEL)) as error:
        await resolve_author(MODEL, dataset, store)
    for response_set in sets:
        assert response_set.id in str(error.value)
        assert response_set.made in str(error.value)
        assert (await resolve_author(f"{MODEL}@{response_set.id}", dataset, store)).set == response_set
        assert (await resolve_author(f"{MODEL}@{response_set.id[:16]}", dataset, store)).set == response_set
    with user_error("author.no-responses"):
        await resolve_author(f"openai/other@{sets[0].id}", dataset, store)


async def test_a_set_without_responses_is_ignored(store: Store, dataset: Dataset) -> None:
    await keep(store, dataset, made="stopped at once", count=0)
    with user_error("author.no-responses", found=repr(MODEL)):
        await resolve_author(MODEL, dataset, store)
    response_set = await keep(store, dataset, made="well")
    assert (await resolve_author(MODEL, dataset, store)).set == response_set


@pytest.mark.parametrize("name", ["openai/gpt-4o", "vllm/base", "openai/gpt-4o@hot", "openai/gpt%"])
async def test_missing_responses_name_the_command_that_generates_them(
    store: Store, dataset: Dataset, name: str
) -> None:
    await keep(store, dataset, "openai/gpt-4o-mini")
    with user_error("author.no-responses", found=repr(name)) as error:
        await resolve_author(name, dataset, store)
    assert f"empathy respond {name.partition('@')[0]} --split test" in error.fault.remedy


async def test_emulated_responses_are_suggested(store: Store, dataset: Dataset) -> None:
    await keep(store, dataset, "openai/emulated-gpt-4o")
    with user_error("author.no-responses") as error:
        await resolve_author("openai/gpt-4o", dataset, store)
    assert "openai/emulated-gpt-4o" in error.fault.remedy


@pytest.mark.parametrize("name", ["gpt-4", "", "human", "@", "Dataset:human"])
async def test_an_invalid_name_lists_the_valid_forms(store: Store, dataset: Dataset, name: str) -> None:
    with user_error("author.no-responses", found=repr(name)) as error:
        await resolve_author(name, dataset, store)
    assert "dataset:NAME" in error.fault.remedy
    assert "file:PATH" in error.fault.remedy


@pytest.mark.parametrize(
    ("author", "preset", "record_data"),
    [
        ("openai/gpt-4o", "default", "empathy respond openai/gpt-4o"),
        ("student:mine", "paper", "empathy respond student:mine --preset paper"),
        ("a/emulated-b", "default", "empathy respond a/emulated-b --emulate"),
        ("a/b", "naive-over-human", "empathy improve --teacher a/b --rewrite human --strategies naive"),
        (
            "a/b",
            "sequential-over-llm-released-warm",
            "empathy improve --teacher a/b --rewrite llm --strategies sequential --fidelity released"
            " --preset warm",
        ),
        (
            "a/emulated-b",
            "all-dimensions-over-human-ours",
            "empathy improve --teacher a/emulated-b --rewrite human --strategies all-dimensions"
            " --fidelity ours --emulate",
        ),
        (
            "a/b",
            "naive-over-c/d",
            "empathy improve --teacher a/b --rewrite llm --initial-responses c/d --strategies naive",
        ),
        (
            "a/b",
            "naive-over-human-mine",
            "empathy improve --teacher a/b --rewrite human --strategies naive --preset mine",
        ),
        ("a/b", "game-over-human", "empathy respond a/b --preset game-over-human"),
    ],
)
def test_the_command_that_generates_a_set(author: str, preset: str, record_data: str) -> None:
    assert command(author, preset) == record_data
    assert "--split test" in command(author, preset, "test")


async def test_improvements_have_their_own_command(store: Store, dataset: Dataset) -> None:
    await keep(store, dataset, "openai/emulated-gpt-4o", "naive-over-human")
    with user_error("author.no-responses") as error:
        await resolve_author("openai/gpt-4o@naive-over-human", dataset, store)
    command_line = "empathy improve --teacher openai/gpt-4o --rewrite human --strategies naive --split test"
    assert command_line in error.fault.remedy
    assert "openai/emulated-gpt-4o@naive-over-human" in error.fault.remedy
    with user_error("author.no-responses") as error:
        await resolve_author("control/first", dataset, store)
    assert "--judge" in error.fault.remedy
