"""Generation with students and base models: identities, requests, restarts, errors."""

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
    header_bytes = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header_bytes)) + header_bytes + content)


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
def folder(tmp_path: Path) -> Path:
    """Return a folder with a base model and two students."""
    base = base_at(tmp_path / "tiny-base")
    for number, name in enumerate(("kind", "curt")):
        student_at(tmp_path / "checkpoints" / name, base, float(number))
    return tmp_path


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(str(tmp_path / "db.sqlite")) as opened:
        yield opened


class BackendDouble:
    """Backend double that answers with the model's name, counts requests and exits on demand."""

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
        resolve: ServedModels,
        part: Sequence[ServedAuthor],
        serving: ServingConfig,
        models: Sequence[Model],
        dtype: str,
    ) -> AsyncIterator[InferenceBackend]:
        self.opened.append([item.author for item in part])
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
        """Do nothing."""


@pytest.fixture
def make_backend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., BackendDouble]:
    def make(**options: Any) -> BackendDouble:
        made = BackendDouble(**options)
        monkeypatch.setattr(generate_students, "open_backend", made)
        return made

    return make


def resolve(folder: Path, *names: str) -> ServedModels:
    return select_served_models(names, students=[folder / "checkpoints"])


async def asked(
    store: Store, people: ServedModels, serving: ServingConfig | None = None, limit: int = 5
) -> GenerationResult:
    subset = DialogueSubset(sample(), Split.TEST, limit)
    return await respond(
        store, Registry(None, {}), subset, people, serving or ServingConfig(), SETTINGS, LIBRARY
    )


async def test_requested_student_is_recorded_by_name(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_backend()
    await asked(store, resolve(folder, "student:kind", "base"))
    monkeypatch.chdir(folder / "checkpoints" / "curt")
    with user_error("checkpoint.unknown-student", found="'student:kind'"):
        select_served_models(["student:kind"])
    known = await last_seen_folders(store, ["student:kind", "base"])
    assert known == [folder / "checkpoints" / "kind"]
    (item,) = select_served_models(["student:kind"], registered=known).authors
    assert item.checkpoint is not None
    assert item.checkpoint.name == "kind"
    assert parse_student_folder("student:kind", known) == known[0]


async def test_students_and_base_share_one_server(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    backend = make_backend()
    people = resolve(folder, "student:kind", "student:curt", "base", "base-cut")
    summary = await asked(store, people)
    assert backend.opened == [["student:kind", "student:curt", "base:tiny-base", "base-cut:tiny-base"]]
    assert len(backend.asked) == 15  # base and base-cut share completions
    assert [item.responses for item in summary.sets] == [5, 5, 5, 5]
    assert [item.rambling for item in summary.sets] == [5, 5, 5, 5]
    author = await resolve_author("student:kind", sample(), store)
    assert {item.text for item in author.responses.values()} == {"I am student:kind."}
    assert (await resolve_author("student:kind@cut", sample(), store)).set == author.set
    assert (await resolve_author("base", sample(), store)).name == "base:tiny-base"

    await asked(store, people)
    assert len(backend.opened) == 1  # everything is stored: no server is started
    await asked(store, people, limit=6)
    assert len(backend.asked) == 18


async def test_prompt_encoding_is_part_of_the_set_identity(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, people = make_backend(), resolve(folder, "student:kind", "base", "base-cut")

    async def sets(preset: str = "") -> list[str]:
        return [
            item.response_set.id for item in (await asked(store, people, ServingConfig(preset=preset))).sets
        ]

    async def asked_with(name: str, preset: str = "") -> list[str]:
        monkeypatch.setattr(
            generate_students, "load_prompt_encoding", lambda folder, form: PromptEncoding(name, (2,))
        )
        return await sets(preset)

    older = await sets()  # sets from before prompt encodings were part of the identity
    assert len(backend.asked) == 10
    assert await asked_with("asking-1:a") == older
    assert len(backend.asked) == 10
    with user_error("response-set.settings-differ"):
        await asked_with("asking-1:b")
    mended = await asked_with("asking-1:b", "cut-mended")
    assert not set(mended) & set(older)
    assert len(backend.asked) == 20
    assert await asked_with("asking-1:a") == older
    with user_error("response-set.settings-differ") as error:
        await asked_with("asking-1:c", "cut-mended")
    assert "asking-1:b, here asking-1:c" in error.faults[0].what
    assert await asked_with("asking-1:b", "cut-mended") == mended
    assert len(backend.asked) == 20


async def test_template_options_are_sent_with_every_chat_request(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "checkpoints" / "kind" / "checkpoint.json"
    options = (("enable_thinking", False),)
    monkeypatch.setattr(
        generate_students,
        "load_prompt_encoding",
        lambda folder, form: PromptEncoding("asking-1:a", (2,), options),
    )
    record = {**json.loads(path.read_text()), "form": "chat", "rendering": rendering(PromptStyle.CHAT).id}
    for recorded, expected in (({"template_options": dict(options)}, dict(options)), ({}, None)):
        path.write_text(json.dumps({**record, **recorded}))
        people = resolve(folder, "student:kind", "base")
        student, base = (build_responder(item, people, ServingConfig(), LIBRARY) for item in people.authors)
        assert json.loads(student.model.capabilities.extra).get("chat_template_kwargs") == expected
        assert json.loads(base.model.capabilities.extra)["chat_template_kwargs"] == dict(options)
        before = [replace(item, predates_encoding=True) for item in people.authors]
        older = replace(people, authors=tuple(before))
        for item in before:
            assert "chat_template" not in build_responder(
                item, older, ServingConfig(), LIBRARY
            ).model.capabilities.extra or (item.checkpoint is not None and recorded)


async def test_truncated_and_rambling_responses_are_counted(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    backend = make_backend()
    backend.says = {
        "student:kind": (" I hear you.", FinishReason.STOP),
        "base:tiny-base": (" so " * 98, FinishReason.LENGTH),
    }
    people = resolve(folder, "student:kind", "base", "base-cut")
    for item in (await asked(store, people)).sets:
        base = item.response_set.author != "student:kind"
        expected = EndingCounts(5, truncated=5 * base, rambling=5 * base)
        assert await count_endings(store, item.response_set.id) == expected
        assert item.flaws == ({"truncated": 5} if base else {})
    human = await resolve_author("dataset:human", sample(), store)
    await store.save_responses(human.set, human.responses.values())
    assert (await count_endings(store, human.set.id, [*human.responses][:9])) == EndingCounts(9, None, 0)


async def test_server_that_exits_is_restarted_without_loss(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    backend = make_backend(dies_after=7)
    summary = await asked(store, resolve(folder, "student:kind", "base"))
    assert len(backend.opened) == 2
    assert len({call.key for call in backend.asked}) == len(backend.asked) == 10
    assert [item.responses for item in summary.sets] == [5, 5]


async def test_server_that_keeps_exiting_is_an_error_and_completions_are_kept(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    backend = make_backend(dies_after=3)
    backend.for_good = True
    summary = await asked(store, resolve(folder, "student:kind", "base"))
    assert len(backend.opened) == 3
    assert sum(item.responses for item in summary.sets) == 3
    assert all(endpoint.failed or endpoint.stopped for endpoint in summary.endpoints.values())
    backend.for_good, backend.dies_after = False, 10**9
    assert [
        item.responses for item in (await asked(store, resolve(folder, "student:kind", "base"))).sets
    ] == [5, 5]
    assert len({call.key for call in backend.asked}) == len(backend.asked) == 10


async def test_presets_define_sets_and_truncation(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    make_backend()
    people = resolve(folder, "student:kind", "base", "base-cut")
    await asked(store, people, ServingConfig(preset="paper"))
    texts = {
        name: next(iter((await resolve_author(f"{name}@paper", sample(), store)).responses.values())).text
        for name in ("student:kind", "base", "base-cut")
    }
    assert texts["base"] == "I am base:tiny-base.\n\nSpeaker: And then?"
    assert texts["base-cut"] == "I am base:tiny-base."
    with pytest.raises(UserError, match="student:kind"):
        await resolve_author("student:kind", sample(), store)


async def test_merged_students_are_served_one_at_a_time(
    store: Store, folder: Path, make_backend: Callable[..., BackendDouble]
) -> None:
    backend = make_backend()
    people = resolve(folder, "student:kind", "student:curt", "base")
    await asked(store, people, ServingConfig(merged=True))
    assert backend.opened == [["base:tiny-base"], ["student:kind"], ["student:curt"]]
    assert (await resolve_author("student:kind@cut-merged", sample(), store)).responses
    await asked(store, people)  # the base is the same base
    assert backend.opened[3:] == [["student:kind", "student:curt", "base:tiny-base"]]
    assert len(backend.asked) == 15 + 10


def test_model_identity_contains_every_setting(folder: Path) -> None:
    people = resolve(folder, "student:kind", "base")
    serving = ServingConfig()

    def identity(position: int, serving: ServingConfig) -> str:
        return build_responder(people.authors[position], people, serving, LIBRARY).model.identity

    assert identity(0, serving) == identity(0, replace(serving, backend="offline", preset="paper"))
    others = [replace(serving, **{name: value}) for name, value in OTHERS]
    for position in (0, 1):
        assert identity(position, serving) not in {identity(position, other) for other in others}
    assert identity(0, serving) != identity(0, replace(serving, merged=True))
    assert identity(1, serving) == identity(1, replace(serving, merged=True))
    assert identity(0, replace(serving, url="http://x", trusted=True)) == identity(0, serving)


OTHERS: list[tuple[str, Any]] = [
    ("dtype", "bf16"),
    ("device", "cuda"),
    ("backend", "transformers"),
    ("url", "http://elsewhere"),
]


def test_adapter_of_another_base_is_refused(folder: Path) -> None:
    other = base_at(folder / "other", 2.0)
    with user_error("checkpoint.base-mismatch"):
        select_served_models(["student:kind"], base=str(other), students=[folder / "checkpoints"])
    student_at(folder / "checkpoints" / "stranger", other)
    with user_error("base-model.ambiguous"):
        resolve(folder, "base")


@pytest.mark.parametrize(
    ("name", "code"), [("student:none", "checkpoint.unknown-student"), ("base:another", "base-model.unknown")]
)
def test_unknown_names_are_refused(folder: Path, name: str, code: str) -> None:
    with user_error(code):
        resolve(folder, name)


def test_unusable_base_models_are_refused(folder: Path) -> None:
    with user_error("base-model.not-found", where="--base"):
        select_served_models(["base"], base=str(folder / "nowhere"))
    bare = base_at(folder / "bare", quantization_config={"bits": 4})
    (bare / "tokenizer.json").unlink()
    with user_error("tokenizer.missing") as error:
        select_served_models(["base"], base=str(bare))
    assert "base-model.quantised" in error.value.codes


def test_unfinished_training_is_not_a_student(folder: Path) -> None:
    unfinished = folder / "checkpoints" / "new.partial" / "save-1"
    student_at(unfinished, folder / "tiny-base")
    with user_error("checkpoint.unknown-student") as error:
        resolve(folder, "student:save-1")
    assert "curt, kind" in error.faults[0].remedy


def test_student_trained_with_another_prompt_is_refused(folder: Path) -> None:
    path = folder / "checkpoints" / "kind" / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rendering": "rendering-1:other"}))
    people = resolve(folder, "student:kind")
    with user_error("checkpoint.prompt-mismatch", where=str(path.parent)):
        build_responder(people.authors[0], people, ServingConfig(), LIBRARY)


def test_out_of_memory_error_names_fitting_settings(folder: Path) -> None:
    with user_error("hardware.out-of-memory") as error:
        plan_serving(folder / "tiny-base", [], ServingRequest("cuda", "fp32", 1200))
    assert "GiB of memory" in error.fault.remedy
