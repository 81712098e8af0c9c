"""Datasets from the store: sizes counted in another way, no test dialogue anywhere, the same bytes again."""

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
    """As if the agent had answered every dialogue."""
    responses = [Response(one.key, agent.name, f"{word} to {one.id}.", agent.set.id) for one in dialogues]
    await store.save_responses(agent.set, responses)


async def everything(store: Store, dataset: Dataset) -> None:
    """Initial responses, and improvements by one strategy, of every training dialogue."""
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


def made(method: str, llm: str, fidelity: Fidelity) -> TrainingSetSpec:
    return recipe(method, fidelity=fidelity, **({"llm": llm} if llm else {}))


def counted(path: Path, method: str, llm: str, released: bool) -> tuple[int, int]:
    """(SFT rows, DPO pairs) from the file itself, by the definitions of the paper's section 4.1 and 5."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["human", *COLUMNS.values()]
    rated = [
        {name: int(row[f"rating_{name}" if name == "human" else f"rating_{name}_empathy"]) for name in names}
        for row in rows
    ]
    train = [one for one in rated if list(one.values()).count(3) >= 2]
    if method != "direct":
        good = sum(one["human"] == 3 for one in train)
        if method == "over-llm":
            good = round(len(train) * 950 / 1750)
        if method == "low-rated":
            return len(train) - good, 0
        return 2 * good, len(train) - good
    sft = dpo = 0
    for column in COLUMNS.values() if llm == "combined" else [COLUMNS[llm]]:
        sft += 2 * sum(one["human"] == one[column] == 3 for one in train)
        if released:
            dpo += sum(one["human"] == 2 or (one["human"] == 1 and one[column] == 3) for one in train)
        else:
            dpo += sum(one["human"] in (1, 2) and one[column] == 3 for one in train)
    return sft, dpo


async def test_sizes_of_every_dataset_of_the_real_one(real_dataset: Path, store: Store) -> None:
    dataset = load(str(real_dataset))
    await everything(store, dataset)
    test = {one.id for one in dialogues_in_split(dataset, Split.TEST)}
    assert len(test) == 250
    for method, llm, fidelity in recipes():
        built = await build(dataset, store, made(method, llm, fidelity))
        sft, dpo = counted(real_dataset, method, llm, fidelity is Fidelity.RELEASED)
        excluded = Counter(one.stage for one in built.rows.excluded)
        assert len(built.rows.sft) + excluded["sft"] == sft
        assert len(built.rows.dpo) + excluded["dpo"] == dpo
        reasons = {one.reason for one in built.rows.excluded}
        assert reasons <= ({"exact duplicate"} if fidelity is Fidelity.OURS else set())
        assert not built.rows.dialogues() & test
        for pair in built.rows.dpo:
            assert pair.chosen != pair.rejected
        if method == "over-human":
            assert (len(built.rows.sft), len(built.rows.dpo)) == (1900, 800)


async def test_no_test_dialogue_in_any_file_and_one_prompt_a_pair(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    test = dialogues_in_split(dataset, Split.TEST)
    for number, (method, llm, fidelity) in enumerate(recipes()):
        folder = tmp_path / str(number)
        built = await build(dataset, store, made(method, llm, fidelity))
        manifest = built.write(folder, LIBRARY, FORMATS)
        for file in folder.rglob("*.json*"):
            text = file.read_text(encoding="utf-8")
            assert not any(json.dumps(one.id) in text or one.utterance in text for one in test)
        data = read_dataset(folder)
        assert (len(data.sft), len(data.dpo)) == (manifest["rows"]["sft"], manifest["rows"]["dpo"])
        turns = {one.dialogue: one.turn for one in data.sft} | {one.dialogue: one.turn for one in data.dpo}
        assert all(pair.turn == turns[pair.dialogue] and pair.chosen != pair.rejected for pair in data.dpo)


async def test_the_same_database_and_options_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    for method, llm, fidelity in recipes():
        folders = [tmp_path / f"{number}-{method}-{llm}-{fidelity}" for number in range(2)]
        for folder in folders:
            (await build(dataset, store, made(method, llm, fidelity))).write(folder, LIBRARY, FORMATS)
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


async def test_missing_responses_name_their_command_and_partial_leaves_whole_dialogues_out(
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
    assert built.rows.dialogues() == {one.id for one in some}
    per_dialogue = Counter(row.dialogue for row in built.rows.sft)
    assert set(per_dialogue.values()) == {2}
    assert sum(built.rows.count_excluded_by_reason().values()) > 0
    with pytest.raises(UserError, match="empathy respond openai/other"):
        await build(dataset, store, recipe("direct", llm="openai/other"))


async def keep(store: Store, generation: Generation) -> None:
    """Store what was read from an answer, as a run does."""
    _, invocation = await store.start_run("test", {}, command="", context={})
    writer = store.writer(invocation)
    await writer.save_parsed(generation)
    await writer.close()
    await store.finish_run(invocation)


async def test_what_may_not_train_is_counted_with_its_reason(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    train = dialogues_in_split(dataset, Split.TRAIN)
    low = [one for one in train if dataset.rated[one.id][HUMAN] < 3]
    agent = teacher(dataset, HUMAN, Strategy.NAIVE)
    answers = {
        low[0].id: Completion("I can't assist with that.", FinishReason.STOP),
        low[1].id: Completion("", FinishReason.STOP),
        low[2].id: Completion(
            "Lo siento mucho, estoy contigo y te escucho para lo que quieras.", FinishReason.STOP
        ),
        low[3].id: Completion(dataset.texts[HUMAN][low[3].id], FinishReason.STOP),  # unchanged
    }
    await stored(store, agent, [one for one in train if one.id not in answers], "Improved")
    for one in low[:4]:
        original = Response(one.key, "dataset:human", dataset.texts[HUMAN][one.id], agent.base.id)
        await keep(store, agent.read(one, original, 1, 0, True, None, answers[one.id], f"call-1:{one.id}"))
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


async def test_an_initial_response_that_may_not_train_takes_its_improvement_with_it(store: Store) -> None:
    dataset = sample()
    await everything(store, dataset)
    built = await build(dataset, store, recipe("over-llm"))
    victim = built.rows.dpo[0].dialogue
    dialogue = next(one for one in dataset.dialogues if one.id == victim)
    refused = initial().read(
        dialogue, 0, Completion("I'm unable to help with that.", FinishReason.STOP), "call-1:x"
    )
    assert refused.flaw == ExclusionReason.REFUSED
    await keep(store, refused)
    again = await build(dataset, store, recipe("over-llm"))
    assert victim not in again.rows.dialogues()
    assert len(again.rows.dpo) == len(built.rows.dpo) - 1


async def test_held_out_dialogues_stay_out_of_training(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    whole = await build(dataset, store, recipe("over-llm"))
    parted = await build(dataset, store, recipe("over-llm", hold_out=True))
    kept = {one.id for one in dialogues_in_split(dataset, Split.DEVELOPMENT)}
    assert parted.held_out is not None
    assert kept == parted.held_out.dialogues()
    assert parted.rows.dialogues() == whole.rows.dialogues() - kept
    manifest = parted.write(tmp_path / "folder", LIBRARY, ())
    assert manifest["held_out"]["sft"] + manifest["held_out"]["dpo"] >= len(kept)
    assert {row.text for row in (*parted.rows.sft, *parted.held_out.sft)} == {
        row.text for row in whole.rows.sft
    }


async def test_fresh_direct_responses_of_any_model(store: Store) -> None:
    dataset = sample()
    train = dialogues_in_split(dataset, Split.TRAIN)
    await stored(store, initial(), train, "Fresh")
    built = await build(dataset, store, recipe("direct", llm=TEACHER.id))
    assert built.origin.llm == TEACHER.id
    good = sum(dataset.rated[one.id][HUMAN] == 3 for one in train)
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
def test_options_that_do_not_go_together(wrong: dict[str, Any]) -> None:
    with user_error("training-set.invalid"):
        TrainingSetSpec(**wrong)


async def written(store: Store, folder: Path, **options: Any) -> BuiltDataset:
    built = await build(sample(), store, recipe(**options))
    built.write(folder, LIBRARY, ())
    return built


async def test_inspection_of_a_folder(store: Store, tmp_path: Path) -> None:
    dataset = sample()
    await everything(store, dataset)
    built = await written(store, tmp_path / "a", method="over-human")
    got = inspect(tmp_path / "a", dataset, samples=2)
    assert got.leaks == {}
    assert got.lengths["sft completion"].texts == len(built.rows.sft)
    assert [len(rows) for rows in got.samples.values()] == [2, 2]
    assert got.samples == inspect(tmp_path / "a", dataset, samples=2).samples
    # one of its training dialogues moves into the test split: a leak
    first = built.rows.dpo[0].dialogue
    ratings = tuple(
        one if one.dialogue_id != first else type(one)(first, one.responder, 1, one.rater, one.part)
        for one in dataset.ratings
    )
    moved = Dataset(dataset.source, dataset.sha256, dataset.dialogues, dataset.texts, ratings)
    assert inspect(tmp_path / "a", moved).leaks == {"test dialogues": 1}
    combined = await written(store, tmp_path / "b", method="direct")
    repeats = inspect(tmp_path / "b", dataset).duplicates["sft: same dialogue and text"]
    assert repeats == len(combined.rows.sft) - len({(row.dialogue, row.text) for row in combined.rows.sft})


async def test_the_difference_between_two_datasets_and_why(store: Store, tmp_path: Path) -> None:
    await everything(store, sample())
    paper = await written(store, tmp_path / "paper", method="direct")
    released = await written(store, tmp_path / "released", method="direct", fidelity=Fidelity.RELEASED)
    ours = await written(store, tmp_path / "ours", method="direct", fidelity=Fidelity.OURS)
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
    assert sft.only_first == {"the same row, repeated more often": len(paper.rows.sft) - len(ours.rows.sft)}
    assert any("exact duplicates" in reason for reason in compare(tmp_path / "paper", tmp_path / "ours").why)
