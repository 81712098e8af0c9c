"""Training datasets built from the store: sizes, absence of test dialogues, determinism."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.generation import ExclusionReason, Generation
from agents.improver import Improver, improver
from agents.messages import Completion, FinishReason
from agents.models.spec import ApiProtocol, Model
from agents.responder import Responder
from agents.student_prompt import PromptStyle, rendering
from agents.types import Dialogue, Fidelity, Response, Split, Strategy
from finetune.dataset_folder import FORMATS
from finetune.dataset_reader import read_dataset
from finetune.dialogue_selection import LLMS
from harness.data.dataset import Dataset, load, sample
from harness.data.splits import dialogues_in_split
from harness.data.training_set_checks import compare, inspect
from harness.data.training_set_spec import TrainingSetSpec
from harness.workflows.build_dataset import BuiltDataset, build
from prompts import Library
from results.db.store import Store
from tests.errors import user_error

pytestmark = pytest.mark.usefixtures("released_prompts")

LIBRARY = Library()
TEACHER = Model("openai", "teacher", ApiProtocol.OPENAI_CHAT, base_url="http://127.0.0.1:1/v1")
COLUMNS = {"gpt-4": "chatgpt", "llama-2-70b": "llama", "gemini-1.0-pro": "gemini", "mixtral-8x7b": "mixtral"}
HUMAN, LLM = "human", "llm"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "db.sqlite")) as opened:
        yield opened


def initial() -> Responder:
    return Responder(TEACHER, rendering(PromptStyle.CHAT))


def teacher(dataset: Dataset, over: str, strategy: Strategy, fidelity: Fidelity = Fidelity.PAPER) -> Improver:
    base = dataset.responses(HUMAN)[0] if over == HUMAN else initial().set
    return improver(TEACHER, strategy, base, over, LIBRARY, fidelity=fidelity)


async def stored(store: Store, agent: Improver | Responder, dialogues: list[Dialogue], word: str) -> None:
    """Store a response of the agent to every dialogue."""
    responses = [
        Response(dialogue.key, agent.name, f"{word} to {dialogue.id}.", agent.set.id)
        for dialogue in dialogues
    ]
    await store.save_responses(agent.set, responses)


async def everything(store: Store, dataset: Dataset) -> None:
    """Store initial responses and improvements by one strategy for every training dialogue."""
    train = dialogues_in_split(dataset, Split.TRAIN)
    await stored(store, initial(), train, "Initial")
    for fidelity in Fidelity:
        for over in (HUMAN, LLM):
            await stored(store, teacher(dataset, over, Strategy.NAIVE, fidelity), train, f"Improved {over}")


def recipe(method: str, **more: Any) -> TrainingSetSpec:
    if method.startswith("over"):
        more = {"strategy": Strategy.NAIVE, "teacher": TEACHER.id, **more}
    return TrainingSetSpec(method=method, **more)


def recipes() -> Iterator[tuple[str, str, Fidelity]]:
    for fidelity in Fidelity:
        yield from (("direct", llm, fidelity) for llm in (*LLMS, "combined"))
        yield from ((method, "", fidelity) for method in ("over-human", "over-llm", "low-rated"))


def make_spec(method: str, llm: str, fidelity: Fidelity) -> TrainingSetSpec:
    return recipe(method, fidelity=fidelity, **({"llm": llm} if llm else {}))


def count_rows(path: Path, method: str, llm: str, released: bool) -> tuple[int, int]:
    """Return the numbers of SFT rows and DPO pairs as defined in sections 4.1 and 5 of the paper."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["human", *COLUMNS.values()]
    rated = [
        {name: int(row[f"rating_{name}" if name == "human" else f"rating_{name}_empathy"]) for name in names}
        for row in rows
    ]
    train = [ratings for ratings in rated if list(ratings.values()).count(3) >= 2]
    if method != "direct":
        good = sum(ratings["human"] == 3 for ratings in train)
        if method == "over-llm":
            good = round(len(train) * 950 / 1750)
        if method == "low-rated":
            return len(train) - good, 0
        return 2 * good, len(train) - good
    sft = dpo = 0
    for column in COLUMNS.values() if llm == "combined" else [COLUMNS[llm]]:
        sft += 2 * sum(ratings["human"] == ratings[column] == 3 for ratings in train)
        if released:
            dpo += sum(
                ratings["human"] == 2 or (ratings["human"] == 1 and ratings[column] == 3) for ratings in train
            )
        else:
            dpo += sum(ratings["human"] in (1, 2) and ratings[column] == 3 for ratings in train)
    return sft, dpo


async def test_sizes_of_datasets_from_the_real_dataset(real_dataset: Path, store: Store) -> None:
    dataset = load(str(real_dataset))
    await everything(store, dataset)
    test = {dialogue.id for dialogue in dialogues_in_split(dataset, Split.TEST)}
    assert len(test) == 250
    for method, llm, fidelity in recipes():
        built = await build(dataset, store, make_spec(method, llm, fidelity))
        sft, dpo = count_rows(real_dataset, method, llm, fidelity is Fidelity.RELEASED)
        excluded = Counter(dialogue.stage for dialogue in built.rows.excluded)
        assert len(built.rows.sft) + excluded["sft"] == sft
        assert len(built.rows.dpo) + excluded["dpo"] == dpo
        reasons = {dialogue.reason for dialogue in built.rows.excluded}
        assert reasons <= ({"exact duplicate"} if fidelity is Fidelity.OURS else set())
        assert not built.rows.dialogues() & test
        for pair in built.rows.dpo:
            assert pair.chosen != pair.rejected
        if method == "over-human":
            assert (len(built.rows.sft), len(built.rows.dpo)) == (1900, 800)


async def test_no_test_dialogue_in_any_file_and_one_prompt_per_pair(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    test = dialogues_in_split(dataset, Split.TEST)
    for number, (method, llm, fidelity) in enumerate(recipes()):
        folder = tmp_path / str(number)
        built = await build(dataset, store, make_spec(method, llm, fidelity))
        manifest = built.write(folder, LIBRARY, FORMATS)
        for file in folder.rglob("*.json*"):
            text = file.read_text(encoding="utf-8")
            assert not any(json.dumps(dialogue.id) in text or dialogue.utterance in text for dialogue in test)
        data = read_dataset(folder)
        assert (len(data.sft), len(data.dpo)) == (manifest["rows"]["sft"], manifest["rows"]["dpo"])
        turns = {dialogue.dialogue: dialogue.turn for dialogue in data.sft} | {
            dialogue.dialogue: dialogue.turn for dialogue in data.dpo
        }
        assert all(pair.turn == turns[pair.dialogue] and pair.chosen != pair.rejected for pair in data.dpo)


async def test_building_is_deterministic(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    for method, llm, fidelity in recipes():
        folders = [tmp_path / f"{number}-{method}-{llm}-{fidelity}" for number in range(2)]
        for folder in folders:
            (await build(dataset, store, make_spec(method, llm, fidelity))).write(folder, LIBRARY, FORMATS)
        first, second = (
            {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
            for folder in folders
        )
        assert first == second


async def test_roles_by_method_and_fidelity(store: Store) -> None:
    dataset = sample()
    await everything(store, dataset)
    for fidelity, original in (("paper", "Initial"), ("released", "human"), ("ours", "Initial")):
        built = await build(dataset, store, recipe("over-llm", fidelity=Fidelity(fidelity)))
        for pair in built.rows.dpo:
            assert pair.chosen == f"Improved llm to {pair.dialogue}."
            assert (
                pair.rejected.startswith(original)
                or pair.rejected == dataset.texts[HUMAN][pair.dialogue].strip()
            )
        roles = Counter(row.role for row in built.rows.sft)
        assert roles == {
            "initial" if original == "Initial" else HUMAN: len(built.rows.sft) // 2,
            "improved": len(built.rows.sft) // 2,
        }


async def test_missing_responses_are_an_error_or_excluded_with_partial(
    store: Store,
) -> None:
    dataset = sample()
    with pytest.raises(
        UserError, match="empathy improve --teacher openai/teacher --rewrite human --strategies naive"
    ):
        await build(dataset, store, recipe("over-human"))
    some = dialogues_in_split(dataset, Split.TRAIN)[:10]
    await stored(store, teacher(dataset, HUMAN, Strategy.NAIVE), some, "Improved")
    with user_error("responses.missing"):
        await build(dataset, store, recipe("over-human"))
    built = await build(dataset, store, recipe("over-human", partial=True))
    assert built.rows.dialogues() == {dialogue.id for dialogue in some}
    per_dialogue = Counter(row.dialogue for row in built.rows.sft)
    assert set(per_dialogue.values()) == {2}
    assert sum(built.rows.count_excluded_by_reason().values()) > 0
    with pytest.raises(UserError, match="empathy respond openai/other"):
        await build(dataset, store, recipe("direct", llm="openai/other"))


async def keep(store: Store, generation: Generation) -> None:
    """Store a completion with its reading, as a run does."""
    _, invocation = await store.start_run("test", {}, command="", context={})
    writer = store.writer(invocation)
    await writer.save_parsed(generation)
    await writer.close()
    await store.finish_run(invocation)


async def test_unusable_responses_are_counted_by_reason(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    train = dialogues_in_split(dataset, Split.TRAIN)
    low = [dialogue for dialogue in train if dataset.rated[dialogue.id][HUMAN] < 3]
    agent = teacher(dataset, HUMAN, Strategy.NAIVE)
    answers = {
        low[0].id: Completion("I can't assist with that.", FinishReason.STOP),
        low[1].id: Completion("", FinishReason.STOP),
        low[2].id: Completion(
            "Lo siento mucho, estoy contigo y te escucho para lo que quieras.", FinishReason.STOP
        ),
        low[3].id: Completion(dataset.texts[HUMAN][low[3].id], FinishReason.STOP),  # unchanged
    }
    await stored(store, agent, [dialogue for dialogue in train if dialogue.id not in answers], "Improved")
    for dialogue in low[:4]:
        original = Response(dialogue.key, "dataset:human", dataset.texts[HUMAN][dialogue.id], agent.base.id)
        await keep(
            store,
            agent.read(dialogue, original, 1, 0, True, None, answers[dialogue.id], f"call-1:{dialogue.id}"),
        )
    built = await build(dataset, store, recipe("over-human"))
    assert built.rows.count_excluded_by_reason() == {
        "dpo: another language": 1,
        "dpo: chosen and rejected are the same text": 1,
        "dpo: empty text": 1,
        "dpo: refused": 1,
    }
    manifest = built.write(tmp_path / "folder", LIBRARY, FORMATS)
    assert sum(manifest["excluded"].values()) == 4
    assert "another language (1)" in (tmp_path / "folder" / "README.md").read_text(encoding="utf-8")


async def test_unusable_initial_response_excludes_its_improvement(store: Store) -> None:
    dataset = sample()
    await everything(store, dataset)
    built = await build(dataset, store, recipe("over-llm"))
    victim = built.rows.dpo[0].dialogue
    dialogue = next(dialogue for dialogue in dataset.dialogues if dialogue.id == victim)
    refused = initial().read(
        dialogue, 0, Completion("I'm unable to help with that.", FinishReason.STOP), "call-1:x"
    )
    assert refused.flaw == ExclusionReason.REFUSED
    await keep(store, refused)
    again = await build(dataset, store, recipe("over-llm"))
    assert victim not in again.rows.dialogues()
    assert len(again.rows.dpo) == len(built.rows.dpo) - 1


async def test_held_out_dialogues_are_not_trained_on(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    complete = await build(dataset, store, recipe("over-llm"))
    parted = await build(dataset, store, recipe("over-llm", hold_out=True))
    kept = {dialogue.id for dialogue in dialogues_in_split(dataset, Split.DEVELOPMENT)}
    assert parted.held_out is not None
    assert kept == parted.held_out.dialogues()
    assert parted.rows.dialogues() == complete.rows.dialogues() - kept
    manifest = parted.write(tmp_path / "folder", LIBRARY, ())
    assert manifest["held_out"]["sft"] + manifest["held_out"]["dpo"] >= len(kept)
    assert {row.text for row in (*parted.rows.sft, *parted.held_out.sft)} == {
        row.text for row in complete.rows.sft
    }


async def test_direct_responses_of_any_model(store: Store) -> None:
    dataset = sample()
    train = dialogues_in_split(dataset, Split.TRAIN)
    await stored(store, initial(), train, "Fresh")
    built = await build(dataset, store, recipe("direct", llm=TEACHER.id))
    assert built.origin.llm == TEACHER.id
    good = sum(dataset.rated[dialogue.id][HUMAN] == 3 for dialogue in train)
    assert (len(built.rows.sft), len(built.rows.dpo)) == (2 * good, len(train) - good)
    assert {pair.chosen_role for pair in built.rows.dpo} == {TEACHER.id}


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "over-human"},
        {"method": "over-llm", "strategy": Strategy.NAIVE},
        {"method": "direct", "teacher": "openai/x"},
        {"method": "direct", "seed": 3},
        {"method": "low-rated", "llm": "gpt-4"},
        {"method": "over-human", "strategy": Strategy.NAIVE, "teacher": "openai/x", "initial": "openai/y"},
    ],
)
def test_conflicting_options_are_refused(wrong: dict[str, Any]) -> None:
    with user_error("training-set.invalid"):
        TrainingSetSpec(**wrong)


async def written(store: Store, folder: Path, **options: Any) -> BuiltDataset:
    built = await build(sample(), store, recipe(**options))
    built.write(folder, LIBRARY, ())
    return built


async def test_inspect_dataset_folder(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    built = await written(store, tmp_path / "a", method="over-human")
    got = inspect(tmp_path / "a", dataset, samples=2)
    assert got.leaks == {}
    assert got.lengths["sft completion"].texts == len(built.rows.sft)
    assert [len(rows) for rows in got.samples.values()] == [2, 2]
    assert got.samples == inspect(tmp_path / "a", dataset, samples=2).samples
    # one training dialogue moves into the test split
    first = built.rows.dpo[0].dialogue
    ratings = tuple(
        dialogue
        if dialogue.dialogue_id != first
        else type(dialogue)(first, dialogue.responder, 1, dialogue.rater, dialogue.part)
        for dialogue in dataset.ratings
    )
    moved = Dataset(dataset.source, dataset.sha256, dataset.dialogues, dataset.texts, ratings)
    assert inspect(tmp_path / "a", moved).leaks == {"test dialogues": 1}
    combined = await written(store, tmp_path / "b", method="direct")
    repeats = inspect(tmp_path / "b", dataset).duplicates["sft: same dialogue and text"]
    assert repeats == len(combined.rows.sft) - len({(row.dialogue, row.text) for row in combined.rows.sft})


async def test_difference_between_two_datasets(store: Store, tmp_path: Path) -> None:
    await everything(store, sample())
    paper = await written(store, tmp_path / "paper", method="direct")
    released = await written(store, tmp_path / "released", method="direct", fidelity=Fidelity.RELEASED)
    our_rows = await written(store, tmp_path / "ours", method="direct", fidelity=Fidelity.OURS)
    same = compare(tmp_path / "paper", tmp_path / "paper")
    assert same.why == ()
    assert all(stage.only_first == stage.only_second == {} for stage in same.stages)
    sft, dpo = compare(tmp_path / "paper", tmp_path / "released").stages
    assert (sft.only_first, sft.only_second) == ({}, {})
    assert dpo.only_first == {}
    assert sum(dpo.only_second.values()) == len(released.rows.dpo) - len(paper.rows.dpo)
    why = compare(tmp_path / "paper", tmp_path / "released").why
    assert any("every human response rated 2" in reason for reason in why)
    sft, dpo = compare(tmp_path / "paper", tmp_path / "ours").stages
    assert sft.only_first == {
        "the same row, repeated more often": len(paper.rows.sft) - len(our_rows.rows.sft)
    }
    assert any("exact duplicates" in reason for reason in compare(tmp_path / "paper", tmp_path / "ours").why)
