"""Students and their base as authors: who they are, what is asked once, what is told where it cannot be."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure, UserError
from agents.messages import Completion, FinishReason
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.student_prompt import PromptStyle, rendering
from agents.types import Split
from finetune.checkpoint import hash_file, weights_id
from finetune.tokenizer_identity import PromptEncoding
from harness.data.author_resolver import resolve_author
from harness.data.dataset import sample
from harness.engine.run import RequestSettings
from harness.serving.backends import InferenceBackend, ServingConfig
from harness.serving.checkpoint_resolver import (
    ServedAuthor,
    ServedModels,
    parse_student_folder,
    select_served_models,
)
from harness.serving.hardware import plan_serving
from harness.workflows import generate_students
from harness.workflows.generate import GenerationResult
from harness.workflows.generate_students import build_responder, respond
from harness.workflows.generation_plan import DialogueSubset
from harness.workflows.records import last_seen_folders
from prompts import Library
from results.db.store import Store
from results.queries.responses import EndingCounts, count_endings
from serve.memory_plan import ServingRequest
from tests.errors import user_error

LIBRARY, SETTINGS = Library(), RequestSettings(quiet=True)
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 512,
    "max_position_embeddings": 2048,
    "dtype": "float32",
}


def tensors(path: Path, content: bytes) -> None:
    header = {"x": {"dtype": "F32", "shape": [len(content) // 4], "data_offsets": [0, len(content)]}}
    told = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(told)) + told + content)


def base_at(folder: Path, weight: float = 1.0, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "tokenizer.json").write_text("{}")
    tensors(folder / "model.safetensors", struct.pack("<f", weight))
    return folder


def student_at(folder: Path, base: Path, weight: float = 1.0) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8}))
    tensors(folder / "adapter_model.safetensors", struct.pack("<f", weight))
    record = {
        "kind": "empathy-checkpoint",
        "version": 1,
        "name": folder.name,
        "stage": "dpo",
        "base": {"name": str(base), "revision": "", "weights": weights_id(base)},
        "data": {},
        "settings": {},
        "form": "plain",
        "rendering": rendering().id,
        "adapter": hash_file(folder / "adapter_model.safetensors"),
        "parent": None,
    }
    (folder / "checkpoint.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A base, and two students of it."""
    base = base_at(tmp_path / "tiny-base")
    for number, name in enumerate(("kind", "curt")):
        student_at(tmp_path / "checkpoints" / name, base, float(number))
    return tmp_path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "db.sqlite")) as opened:
        yield opened


class Rooms:
    """Stands in for whatever answers: says the model's name, counts what it is asked, dies when told."""

    def __init__(self, dies_after: int = 10**9) -> None:
        self.asked: list[ModelRequest] = []
        self.opened: list[list[str]] = []
        self.dies_after = dies_after
        self.dead = False
        self.for_good = False
        self.says: dict[str, tuple[str, FinishReason]] = {}

    @contextlib.asynccontextmanager
    async def __call__(
        self,
        who: ServedModels,
        part: Sequence[ServedAuthor],
        how: ServingConfig,
        models: Sequence[Model],
        dtype: str,
    ) -> AsyncIterator[InferenceBackend]:
        self.opened.append([one.author for one in part])
        self.dead = self.dead and self.for_good
        yield InferenceBackend(lambda model: self, lambda: "it died" if self.dead else "")

    async def complete(self, call: ModelRequest) -> Completion:
        if len(self.asked) >= self.dies_after:
            self.dead, self.dies_after = True, 10**9
        if self.dead:
            raise CallError(Failure.CONNECTION, "refused")
        self.asked.append(call)
        usual = (f" I am {call.model.name}.\n\nSpeaker: And then?", FinishReason.STOP)
        return Completion(*self.says.get(call.model.name, usual))

    async def close(self) -> None:
        """Nothing."""


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rooms]:
    def make(**options: Any) -> Rooms:
        made = Rooms(**options)
        monkeypatch.setattr(generate_students, "open_backend", made)
        return made

    return make


def who(place: Path, *names: str) -> ServedModels:
    return select_served_models(names, students=[place / "checkpoints"])


async def asked(
    store: Store, people: ServedModels, how: ServingConfig | None = None, limit: int = 5
) -> GenerationResult:
    chosen = DialogueSubset(sample(), Split.TEST, limit)
    return await respond(store, Registry(None, {}), chosen, people, how or ServingConfig(), SETTINGS, LIBRARY)


async def test_a_student_that_is_asked_is_known_by_its_name_from_then_on(
    store: Store, place: Path, rooms: Callable[..., Rooms], monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms()
    await asked(store, who(place, "student:kind", "base"))
    monkeypatch.chdir(place / "checkpoints" / "curt")
    with user_error("checkpoint.unknown-student", found="'student:kind'"):
        select_served_models(["student:kind"])
    known = await last_seen_folders(store, ["student:kind", "base"])
    assert known == [place / "checkpoints" / "kind"]
    (one,) = select_served_models(["student:kind"], registered=known).authors
    assert one.checkpoint is not None
    assert one.checkpoint.name == "kind"
    assert parse_student_folder("student:kind", known) == known[0]


async def test_students_and_base_are_asked_together_once(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    room = rooms()
    people = who(place, "student:kind", "student:curt", "base", "base-cut")
    summary = await asked(store, people)
    assert room.opened == [["student:kind", "student:curt", "base:tiny-base", "base-cut:tiny-base"]]
    assert len(room.asked) == 15  # base and base-cut read the same answers
    assert [one.responses for one in summary.sets] == [5, 5, 5, 5]
    assert [one.rambling for one in summary.sets] == [5, 5, 5, 5]
    author = await resolve_author("student:kind", sample(), store)
    assert {one.text for one in author.responses.values()} == {"I am student:kind."}
    assert (await resolve_author("student:kind@cut", sample(), store)).set == author.set
    assert (await resolve_author("base", sample(), store)).name == "base:tiny-base"

    await asked(store, people)
    assert len(room.opened) == 1  # everything is known: nothing is started
    await asked(store, people, limit=6)
    assert len(room.asked) == 18


async def test_another_tokenizer_or_template_is_another_set_and_older_sets_keep_their_id(
    store: Store, place: Path, rooms: Callable[..., Rooms], monkeypatch: pytest.MonkeyPatch
) -> None:
    room, people = rooms(), who(place, "student:kind", "base", "base-cut")

    async def sets(preset: str = "") -> list[str]:
        return [
            one.response_set.id for one in (await asked(store, people, ServingConfig(preset=preset))).sets
        ]

    async def asked_with(name: str, preset: str = "") -> list[str]:
        monkeypatch.setattr(
            generate_students, "load_prompt_encoding", lambda folder, form: PromptEncoding(name, (2,))
        )
        return await sets(preset)

    older = await sets()  # how they are asked is not known: as before it was part of what they are
    assert len(room.asked) == 10
    assert await asked_with("asking-1:a") == older
    assert len(room.asked) == 10
    with user_error("response-set.settings-differ"):
        await asked_with("asking-1:b")
    mended = await asked_with("asking-1:b", "cut-mended")
    assert not set(mended) & set(older)
    assert len(room.asked) == 20
    assert await asked_with("asking-1:a") == older
    with user_error("response-set.settings-differ") as error:
        await asked_with("asking-1:c", "cut-mended")
    assert "asking-1:b, here asking-1:c" in error.faults[0].what
    assert await asked_with("asking-1:b", "cut-mended") == mended
    assert len(room.asked) == 20


async def test_what_the_template_is_told_goes_into_every_request_of_the_chat_form(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "checkpoints" / "kind" / "checkpoint.json"
    options = (("enable_thinking", False),)
    monkeypatch.setattr(
        generate_students,
        "load_prompt_encoding",
        lambda folder, form: PromptEncoding("asking-1:a", (2,), options),
    )
    record = {**json.loads(path.read_text()), "form": "chat", "rendering": rendering(PromptStyle.CHAT).id}
    for recorded, told in (({"template_options": dict(options)}, dict(options)), ({}, None)):
        path.write_text(json.dumps({**record, **recorded}))
        people = who(place, "student:kind", "base")
        student, base = (build_responder(one, people, ServingConfig(), LIBRARY) for one in people.authors)
        assert json.loads(student.model.capabilities.extra).get("chat_template_kwargs") == told
        assert json.loads(base.model.capabilities.extra)["chat_template_kwargs"] == dict(options)
        before = [replace(one, predates_encoding=True) for one in people.authors]
        older = replace(people, authors=tuple(before))
        for one in before:
            assert "chat_template" not in build_responder(
                one, older, ServingConfig(), LIBRARY
            ).model.capabilities.extra or (one.checkpoint is not None and recorded)


async def test_the_database_tells_who_was_truncated_and_who_rambles(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    room = rooms()
    room.says = {
        "student:kind": (" I hear you.", FinishReason.STOP),
        "base:tiny-base": (" so " * 98, FinishReason.LENGTH),
    }
    people = who(place, "student:kind", "base", "base-cut")
    for one in (await asked(store, people)).sets:
        base = one.response_set.author != "student:kind"
        expected = EndingCounts(5, truncated=5 * base, rambling=5 * base)
        assert await count_endings(store, one.response_set.id) == expected
        assert one.flaws == ({"truncated": 5} if base else {})
    human = await resolve_author("dataset:human", sample(), store)
    await store.save_responses(human.set, human.responses.values())
    assert (await count_endings(store, human.set.id, [*human.responses][:9])) == EndingCounts(9, None, 0)


async def test_a_server_that_dies_is_started_again_and_nothing_is_lost(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    room = rooms(dies_after=7)
    summary = await asked(store, who(place, "student:kind", "base"))
    assert len(room.opened) == 2
    assert len({call.key for call in room.asked}) == len(room.asked) == 10
    assert [one.responses for one in summary.sets] == [5, 5]


async def test_a_server_that_will_not_stay_up_is_told_and_what_was_answered_is_kept(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    room = rooms(dies_after=3)
    room.for_good = True
    summary = await asked(store, who(place, "student:kind", "base"))
    assert len(room.opened) == 3
    assert sum(one.responses for one in summary.sets) == 3
    assert all(endpoint.failed or endpoint.stopped for endpoint in summary.endpoints.values())
    room.for_good, room.dies_after = False, 10**9
    assert [one.responses for one in (await asked(store, who(place, "student:kind", "base"))).sets] == [5, 5]
    assert len({call.key for call in room.asked}) == len(room.asked) == 10


async def test_presets_are_sets_of_their_own_and_cut_as_they_say(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    rooms()
    people = who(place, "student:kind", "base", "base-cut")
    await asked(store, people, ServingConfig(preset="paper"))
    texts = {
        name: next(iter((await resolve_author(f"{name}@paper", sample(), store)).responses.values())).text
        for name in ("student:kind", "base", "base-cut")
    }
    assert texts["base"] == "I am base:tiny-base.\n\nSpeaker: And then?"
    assert texts["base-cut"] == "I am base:tiny-base."
    with pytest.raises(UserError, match="student:kind"):
        await resolve_author("student:kind", sample(), store)


async def test_merged_students_take_turns_under_a_name_of_their_own(
    store: Store, place: Path, rooms: Callable[..., Rooms]
) -> None:
    room = rooms()
    people = who(place, "student:kind", "student:curt", "base")
    await asked(store, people, ServingConfig(merged=True))
    assert room.opened == [["base:tiny-base"], ["student:kind"], ["student:curt"]]
    assert (await resolve_author("student:kind@cut-merged", sample(), store)).responses
    await asked(store, people)  # the base is the same base
    assert room.opened[3:] == [["student:kind", "student:curt", "base:tiny-base"]]
    assert len(room.asked) == 15 + 10


def test_what_decides_an_answer_is_the_models_identity(place: Path) -> None:
    people = who(place, "student:kind", "base")
    how = ServingConfig()

    def identity(at: int, how: ServingConfig) -> str:
        return build_responder(people.authors[at], people, how, LIBRARY).model.identity

    assert identity(0, how) == identity(0, replace(how, backend="offline", preset="paper"))
    others = [replace(how, **{name: value}) for name, value in OTHERS]
    for at in (0, 1):
        assert identity(at, how) not in {identity(at, other) for other in others}
    assert identity(0, how) != identity(0, replace(how, merged=True))
    assert identity(1, how) == identity(1, replace(how, merged=True))
    assert identity(0, replace(how, url="http://x", trusted=True)) == identity(0, how)


OTHERS: list[tuple[str, Any]] = [
    ("dtype", "bf16"),
    ("device", "cuda"),
    ("backend", "transformers"),
    ("url", "http://elsewhere"),
]


def test_an_adapter_of_another_base(place: Path) -> None:
    other = base_at(place / "other", 2.0)
    with user_error("checkpoint.base-mismatch"):
        select_served_models(["student:kind"], base=str(other), students=[place / "checkpoints"])
    student_at(place / "checkpoints" / "stranger", other)
    with user_error("base-model.ambiguous"):
        who(place, "base")


@pytest.mark.parametrize(
    ("name", "code"), [("student:none", "checkpoint.unknown-student"), ("base:another", "base-model.unknown")]
)
def test_unknown_names_are_refused(place: Path, name: str, code: str) -> None:
    with user_error(code):
        who(place, name)


def test_a_missing_base_a_base_without_tokenizer_and_a_quantised_one(place: Path) -> None:
    with user_error("base-model.not-found", where="--base"):
        select_served_models(["base"], base=str(place / "nowhere"))
    bare = base_at(place / "bare", quantization_config={"bits": 4})
    (bare / "tokenizer.json").unlink()
    with user_error("tokenizer.missing") as error:
        select_served_models(["base"], base=str(bare))
    assert "base-model.quantised" in error.value.codes


def test_an_unfinished_training_is_no_student(place: Path) -> None:
    unfinished = place / "checkpoints" / "new.partial" / "save-1"
    student_at(unfinished, place / "tiny-base")
    with user_error("checkpoint.unknown-student") as error:
        who(place, "student:save-1")
    assert "curt, kind" in error.faults[0].remedy


def test_a_student_that_was_trained_with_other_words(place: Path) -> None:
    path = place / "checkpoints" / "kind" / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rendering": "rendering-1:other"}))
    people = who(place, "student:kind")
    with user_error("checkpoint.prompt-mismatch", where=str(path.parent)):
        build_responder(people.authors[0], people, ServingConfig(), LIBRARY)


def test_too_little_memory_names_what_would_fit(place: Path) -> None:
    with user_error("hardware.out-of-memory") as error:
        plan_serving(place / "tiny-base", [], ServingRequest("cuda", "fp32", 1200))
    assert "GiB of memory" in error.fault.remedy
