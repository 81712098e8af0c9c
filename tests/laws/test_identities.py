"""Content ids of a fixed input never change: a database finds its answers by them.

Every value is a literal. A test that fails here means that stored answers would be asked and paid for again;
a deliberate change of what is sent gets a new tag or parser version and a note in the changelog, not a new
literal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.clients.base import ModelRequest
from agents.generation import response_set
from agents.hashing import canonical, content_id
from agents.improver import improver
from agents.judge import Judge
from agents.messages import Message, Sampling
from agents.models.registry import Registry
from agents.responder import Responder
from agents.seeded_order import seeded_order
from agents.student_prompt import PromptStyle, rendering
from agents.truncation import FIRST_TURN_97_WORDS, NO_TRUNCATION
from agents.types import Comparison, Dialogue, Fidelity, Response, Strategy
from agents.verdicts.parser import VERDICT_PARSER
from finetune.dataset_folder import dataset_id
from harness.emulator.config import EmulatorConfig
from harness.study.stage_cache import Stage
from prompts import Library
from serve.sampling_presets import resolve_preset
from serve.served_model import ServedModelId

DIALOGUE = Dialogue("d1", "My dog died.", "I miss him so much.", "sad", "negative", "1")
SET_A = response_set("dataset:human", "default", {"source": "a"})
SET_B = response_set("openai/gpt-6-luna", "default", {"source": "b"})
FIRST = Response(DIALOGUE.key, SET_A.author, "I am so sorry.", SET_A.id)
SECOND = Response(DIALOGUE.key, SET_B.author, "Losing a friend hurts.\nTell me about him.", SET_B.id)
COMPARISON = Comparison(DIALOGUE, FIRST, SECOND)
REGISTRY = Registry(None, {"VLLM_BASE_URL": "http://127.0.0.1:8000/v1"})
LIBRARY = Library()
SAMPLING = Sampling(
    64, temperature=0.7, top_p=0.9, top_k=40, seed=7, stop=("\n\n",), top_logprobs=5, choices=("1", "2")
)


def model(name: str) -> Any:
    """Return a registered model without what depends on the day (its retirement)."""
    return replace(REGISTRY.model(name), lifecycle=None)


def judge(name: str, prompt: str = "judge/pairwise", temperature: float | None = 0.0) -> Judge:
    """Return a judge of a registered model."""
    return Judge(model(name), LIBRARY[prompt], temperature)


def request_key(name: str, sample: int = 0, attempt: int = 0) -> str:
    """Return the key of one request with every sampling parameter set."""
    messages = (Message("system", "Be kind."), Message("user", "Hello – 你好"))
    return ModelRequest(model(name), messages, SAMPLING, sample, attempt).key


def completions_key() -> str:
    """Return the key of a plain prompt sent to a server's completions endpoint."""
    plain = rendering(PromptStyle.PLAIN, LIBRARY)
    served = replace(model("vllm/base"), protocol=plain.protocol, identity="served-1:00")
    return ModelRequest(served, plain.messages(DIALOGUE), Sampling(192, 0.0, seed=42)).key


def stage_key() -> str:
    """Return the key of a stage that needs nothing."""

    async def nothing(_: Any) -> Any:
        raise NotImplementedError

    return Stage("improve", "naive", {"split": "train", "seed": 3, "rate": 0.5}, nothing).key({})


def improvement(strategy: Strategy, fidelity: Fidelity = Fidelity.PAPER) -> str:
    """Return the id of the response set of an improver."""
    return improver(model("openai/gpt-4o"), strategy, SET_A, "human", LIBRARY, fidelity=fidelity).set.id


def responder_set(form: PromptStyle) -> str:
    """Return the id of the response set of a responder."""
    return Responder(model("openai/gpt-4o"), rendering(form, LIBRARY), temperature=0.3).set.id


def preset(name: Any, role: Any) -> str:
    """Return a hash of a preset's values."""
    values = resolve_preset(name, role, {}, {})
    numbers = [values.max_output_tokens, values.temperature, values.top_p, values.top_k, values.seed]
    return content_id("preset", [values.name, values.prompt, *numbers, list(values.stop), values.extra])


IDENTITIES: dict[str, tuple[Callable[[], str], str]] = {
    "dialogue": (lambda: DIALOGUE.key, "dialogue-1:d6f166b397a88c123b0cfb8e5064c2d129fe3dca"),
    "response": (lambda: SECOND.id, "response-1:7aa1fd8111830fdbf2e1d072bc607fa8e3a72ee8"),
    "response set": (lambda: SET_B.id, "set-1:2ded536ce5bf9121e7674861a8f53fc1ccb0b7d2"),
    "request openai-chat openai/gpt-4o": (
        lambda: request_key("openai/gpt-4o"),
        "call-1:bbcf10810b02529cdbfb2d2dd6f8c4e503c27bb9",
    ),
    "request openai-chat openai/o4-mini": (
        lambda: request_key("openai/o4-mini"),
        "call-1:d22e3cfca0c080ff11fd25a72a16e524904cb96f",
    ),
    "request openai-chat vllm": (
        lambda: request_key("vllm/meta-llama/Llama-3.1-8B-Instruct"),
        "call-1:122e27f1d636ac32f547a2b0a81b855059eff5ab",
    ),
    "request anthropic-messages": (
        lambda: request_key("anthropic/claude-sonnet-4-5"),
        "call-1:30544b5399218144855969006bf9331e83c8ac8a",
    ),
    "request gemini-generate": (
        lambda: request_key("google/gemini-2.0-flash"),
        "call-1:47c14429a6f78920cb1d12175c92c71408cf7870",
    ),
    "request gemini-generate thinking": (
        lambda: request_key("google/gemini-2.5-flash"),
        "call-1:80dfa9b26a7761ed37d11fb7b4e0d52f66818ccc",
    ),
    "request second sample": (
        lambda: request_key("openai/gpt-4o", sample=1),
        "call-1:2d704e8bbc89b1d83402058ac79b7fe3dcd5df77",
    ),
    "request second attempt": (
        lambda: request_key("openai/gpt-4o", attempt=1),
        "call-1:4f4bd6896cdd03791e577dae1669d77dae5887ab",
    ),
    "request openai-completions": (completions_key, "call-1:7ece3928b6d7a5b83445f3d5373cd4c7d84dbac3"),
    "model": (lambda: model("openai/gpt-4o").id, "openai/gpt-4o"),
    "judge openai/gpt-4o": (
        lambda: judge("openai/gpt-4o").id,
        "judge-1:fd0aea9be4d6d5f175d5182adfa56b8e586d89ac",
    ),
    "judge anthropic/claude-sonnet-4-5": (
        lambda: judge("anthropic/claude-sonnet-4-5").id,
        "judge-1:3eae43b775387179d26ced2b94dfcc0d3a4958b1",
    ),
    "judge google/gemini-2.5-flash": (
        lambda: judge("google/gemini-2.5-flash").id,
        "judge-1:5b355540dd21afa5df53fb38773b0d86e0a40c6d",
    ),
    "judge control/ratings": (
        lambda: judge("control/ratings").id,
        "judge-1:d061f1a06b6b7c4357d8df29210917cc0e5c0c6c",
    ),
    "judge control/random": (
        lambda: judge("control/random").id,
        "judge-1:fe0a4cd11a38a8852cf27d02f035c4540e3f1060",
    ),
    "judge with ties": (
        lambda: judge("openai/gpt-4o", "judge/pairwise-tie").id,
        "judge-1:a1aaa6bcad22d428b04e6be000ecb4ee37c87ea1",
    ),
    "judge, temperature unset": (
        lambda: judge("openai/gpt-4o", temperature=None).id,
        "judge-1:7acefc07b9ee356c5a237a58bc0ee7ff17043770",
    ),
    "judge's question openai/gpt-4o": (
        lambda: judge("openai/gpt-4o").call(COMPARISON).key,
        "call-1:9623397adb2d2c87cd8a89581a3abe96c6a5a138",
    ),
    "judge's question openai/o4-mini": (
        lambda: judge("openai/o4-mini").call(COMPARISON).key,
        "call-1:3c1c41793d08e52fc36e0cdaa35501e13193d05a",
    ),
    "judge's question anthropic/claude-sonnet-4-5": (
        lambda: judge("anthropic/claude-sonnet-4-5").call(COMPARISON).key,
        "call-1:fc6f15500450ee4f64da01fce71e4ce481dfd10b",
    ),
    "judge's question google/gemini-2.5-flash": (
        lambda: judge("google/gemini-2.5-flash").call(COMPARISON).key,
        "call-1:090f04be101c2a8dc2be8676a6511902c83aa966",
    ),
    "judge's question vllm/meta-llama/Llama-3.1-8B-Instruct": (
        lambda: judge("vllm/meta-llama/Llama-3.1-8B-Instruct").call(COMPARISON).key,
        "call-1:daa0b9170478e63b94ae247925e22b646bcd8eae",
    ),
    "judge's question control/ratings": (
        lambda: judge("control/ratings").call(COMPARISON).key,
        "call-1:063efe4b288b5fda767da697e0129a89d0219a4d",
    ),
    "judge's question, swapped": (
        lambda: judge("openai/gpt-4o").call(COMPARISON.swap()).key,
        "call-1:79693e9782b718469f0516e264970a12064a7d36",
    ),
    "verdict parser": (lambda: VERDICT_PARSER, "verdict-3"),
    "improved set, naive": (
        lambda: improvement(Strategy.NAIVE),
        "set-1:549d91481729a8e881d5e90882558a609e418eeb",
    ),
    "improved set, sequential": (
        lambda: improvement(Strategy.SEQUENTIAL),
        "set-1:dc1b4ad16af6444e571ab265bd60d0aff8489300",
    ),
    "improved set, ours": (
        lambda: improvement(Strategy.ALL_DIMENSIONS, Fidelity.OURS),
        "set-1:e22f68d983c5ae787ee3ba4e663b18b382a7652b",
    ),
    "answered set, plain": (
        lambda: responder_set(PromptStyle.PLAIN),
        "set-1:fb0ba3c1f63b348d76ebb880086ef9d79ac03b8d",
    ),
    "answered set, chat": (
        lambda: responder_set(PromptStyle.CHAT),
        "set-1:188d2c0a46abcdaba6ca14b1aed5700154a18beb",
    ),
    "rendering, plain": (
        lambda: rendering(PromptStyle.PLAIN, LIBRARY).id,
        "rendering-1:0c9a493a6f7293c3db916cc8ca6a9f73bc213579",
    ),
    "rendering, chat": (
        lambda: rendering(PromptStyle.CHAT, LIBRARY).id,
        "rendering-1:223551dd172414fa2855602b6c9684122ec8f5e1",
    ),
    "preset cut base": (
        lambda: preset("cut", "base"),
        "preset:f696f0bed7c6f76795567ead7baa32d9976f6a89",
    ),
    "preset cut student": (
        lambda: preset("cut", "student"),
        "preset:f696f0bed7c6f76795567ead7baa32d9976f6a89",
    ),
    "preset paper base": (
        lambda: preset("paper", "base"),
        "preset:e9eb2dc491aca83ae9e8d12347af98e31fa6cd03",
    ),
    "preset paper student": (
        lambda: preset("paper", "student"),
        "preset:e9eb2dc491aca83ae9e8d12347af98e31fa6cd03",
    ),
    "preset released base": (
        lambda: preset("released", "base"),
        "preset:f41e92d9094264da31e8563e0cdf716a70ec5f6c",
    ),
    "preset released student": (
        lambda: preset("released", "student"),
        "preset:88a3b4675937969d8a0e3bfe006153895e4d1b76",
    ),
    "truncation names": (
        lambda: f"{FIRST_TURN_97_WORDS.name} {NO_TRUNCATION.name}",
        "first-turn-97-words-2 whole",
    ),
    "served base": (
        lambda: ServedModelId("weights-1:00").id,
        "served-1:951822b46f55e6b7f924c83b1a2704cacd1cea3c",
    ),
    "served student": (
        lambda: ServedModelId("weights-1:00", "sha256:11", "adapter", "rendering-1:22", "bf16", "cuda").id,
        "served-1:0548663685f779a72526e6f262a06c271f8176c0",
    ),
    "training set": (
        lambda: dataset_id({"method": "over-human", "rows": 3}),
        "dataset-1:d7b9098e24d82a84361411a3cc2eec4f094bc593",
    ),
    "emulator": (
        lambda: EmulatorConfig().definition_hash,
        "emulator-1:1ccec3944f25e226c5eba1abc0d3a4015fed2835",
    ),
    "emulator, seed 1": (
        lambda: EmulatorConfig(seed=1).definition_hash,
        "emulator-1:0663da7dd5786421e57297ebfaa9756932281e2d",
    ),
    "study stage": (stage_key, "stage-1:7c2306c5451264c0f5f62b11b50dde6131e50c71"),
    "run": (
        lambda: content_id("run-1", ["judging", canonical({"b": 1, "a": [True, None, 0.1]}).decode()]),
        "run-1:45bdd6b31b671d7e73d56cb296db257da737c568",
    ),
    "seeded order": (
        lambda: " ".join(
            dialogue.id
            for dialogue in seeded_order([replace(DIALOGUE, id=str(number)) for number in range(8)], 3)
        ),
        "5 7 1 4 0 2 3 6",
    ),
}


PROMPTS = {
    "improve/affective": "prompt-1:b251fbf5e2b490c3",
    "improve/all-dimensions": "prompt-1:0076d7ebd5b31ad0",
    "improve/cognitive": "prompt-1:643ae945a890a797",
    "improve/compassionate": "prompt-1:63dbadfd5dcfbbd5",
    "improve/lacking-dimension": "prompt-1:0b4108b679b65f2b",
    "improve/naive": "prompt-1:fb967a7f9ca08cfa",
    "improve/sequential": "prompt-1:422cfabd575ec447",
    "judge/affective": "prompt-1:2978cc746f874bf6",
    "judge/cognitive": "prompt-1:91b6519f09f8b66f",
    "judge/compassionate": "prompt-1:42bbcd02e399a93f",
    "judge/pairwise": "prompt-1:97570131e2f1cfac",
    "judge/pairwise-tie": "prompt-1:a3937bcdf59ee7c0",
    "respond": "prompt-1:8f78176f0fa7019b",
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_a_content_id_is_unchanged(name: str) -> None:
    compute, expected = IDENTITIES[name]

    assert compute() == expected


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_prompt_version_is_unchanged(name: str) -> None:
    assert LIBRARY[name].version == PROMPTS[name]
