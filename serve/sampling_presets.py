"""How base and students are asked: three named presets, every value explicit and resolved beforehand.

    cut        ours, the default: one setting for every author, a 97-word budget, stopped on a new turn
    paper      up to 4,096 new tokens, each base's own sampling (its generation_config.json), nothing cut
    released   as the published scripts, per author: LLaMA's base 4,096 tokens and two more sentences in its
               prompt and fp16, Mistral's base 130 tokens, sampled, in the weights' own dtype, and its answers
               keep a literal `</s>`; students 4,096

Student, base and format controls share one preset. What a file leaves out is what `transformers` takes for it
(greedy, or temperature 1, top-p 1, top-k 50 where it samples): "default" is never a recorded value. Knows
files of settings; no server and no author's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.errors import UserError
from agents.hashing import canonical
from agents.model_files.decoder_config import max_context_tokens
from agents.truncation import FIRST_TURN_97_WORDS, NO_TRUNCATION, STOP_STRINGS, Truncation
from serve.served_model import Dtype

PresetName = Literal["cut", "paper", "released"]
Role = Literal["base", "student"]
NAMES: tuple[PresetName, ...] = ("cut", "paper", "released")
DEFAULT: PresetName = "cut"
DIRECT_PROMPT = "respond"
LLAMA_BASE, OTHER_BASE = "released/respond/llama-base", "released/respond/mistral-base"
PROMPT_TOKENS = 1024  # tokens: what a prompt may take of a short context; no prompt of the dataset reaches it
MAX_NEW_TOKENS = 4096
BUDGET_TOKENS = 192  # 97 words are some 130 tokens; the rest is room for rare words
MISTRAL_BASE_TOKENS = 130
SEED = 42


@dataclass(frozen=True, slots=True)
class Preset:
    """One author's way of being asked, resolved.

    Attributes:
        name: "cut", "paper" or "released".
        prompt: which prompt; in `released` a base's is its script's, byte for byte.
        max_output_tokens: new tokens, ≥ 1.
        temperature: ≥ 0; 0 is greedy.  top_p: (0, 1].  top_k: ≥ 0; 0 for all.
        repetition_penalty: 1 for none.
        seed: of the sampling.
        stop: strings that end an answer.
        cut: how the response is cut out of it.
        keeps_special: whether special tokens, the end of sequence among them, stay in the answer as text.
    """

    name: PresetName
    prompt: str
    max_output_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    seed: int
    stop: tuple[str, ...] = ()
    cut: Truncation = NO_TRUNCATION
    keep_special_tokens: bool = False

    @property
    def extra(self) -> str:
        """`extra_parameters` no chat template, or one that is told nothing."""
        return self.extra_parameters({})

    def extra_parameters(self, template_options: Mapping[str, Any]) -> str:
        """What goes into every request beside the usual parameters, as canonical JSON.

        The stop string is kept in the answer, so that it can be told who went on and who ended.

        Args:
            template_options: what the chat template is told; {} for nothing.
        """
        told: dict[str, Any] = {
            "top_k": self.top_k,
            "min_p": 0.0,
            "repetition_penalty": self.repetition_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "include_stop_str_in_output": True,
        }
        if self.keep_special_tokens:
            told["skip_special_tokens"] = False
        if template_options:
            told["chat_template_kwargs"] = dict(template_options)
        return canonical(told).decode()


@dataclass(frozen=True, slots=True)
class BaseSampling:
    """How a base is sampled by its own account."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0


def base_sampling(told: Mapping[str, Any], *, sampled: bool = False) -> BaseSampling:
    """What a generation_config.json says; `sampled`: whether it is sampled even where that says greedy."""
    penalty = float(told.get("repetition_penalty") or 1.0)
    if not (told.get("do_sample") or sampled):
        return BaseSampling(repetition_penalty=penalty)
    top_k = told.get("top_k", 50)
    return BaseSampling(
        temperature=_number(told.get("temperature"), 1.0),
        top_p=_number(told.get("top_p"), 1.0),
        top_k=0 if top_k is None else int(top_k),
        repetition_penalty=penalty,
    )


def resolve_preset(
    name: PresetName,
    role: Role,
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    *,
    seed: int = SEED,
) -> Preset:
    """The preset for one author.

    Args:
        config: the base's config.json.
        generation: the base's generation_config.json, `{}` where there is none.

    Raises:
        UserError: the base's context has no room for a prompt and an answer.
    """
    room = _room(config)
    if name == "cut":
        budget = min(BUDGET_TOKENS, room)
        return Preset(name, DIRECT_PROMPT, budget, 0.6, 0.9, 0, 1.0, seed, STOP_STRINGS, FIRST_TURN_97_WORDS)
    base_of = str(config.get("model_type")) if name == "released" and role == "base" else ""
    own = base_sampling(generation, sampled=base_of == "mistral")
    most = min(MISTRAL_BASE_TOKENS if base_of == "mistral" else MAX_NEW_TOKENS, room)
    return Preset(
        name,
        {"": DIRECT_PROMPT, "llama": LLAMA_BASE}.get(base_of, OTHER_BASE),
        most,
        own.temperature,
        own.top_p,
        own.top_k,
        own.repetition_penalty,
        seed,
        keep_special_tokens=base_of == "mistral",
    )


def preset_dtype(written: str, config: Mapping[str, Any]) -> Dtype | Literal[""]:
    """What a preset as users write it wants a base's model to compute in; "" for the weights' own.

    The published scripts set fp16 for LLaMA and nothing for Mistral.

    Args:
        config: the base's config.json.
    """
    is_set = parse_preset_name(written)[0] == "released" and config.get("model_type") != "mistral"
    return "fp16" if is_set else ""


def parse_preset_name(written: str) -> tuple[PresetName, str]:
    """A preset as users write it → (whose values, the set's name): "", "paper", or "paper-second".

    Raises:
        UserError: it begins with none of the three names.
    """
    if not written:
        return DEFAULT, ""
    for name in NAMES:
        if written == name or written.startswith(f"{name}-"):
            return name, "" if written == DEFAULT else written
    raise UserError(
        "base and students have no such preset",
        where="--preset",
        found=repr(written),
        remedy=f"Choose: {', '.join(NAMES)}; or a name of your own that begins with one: paper-second.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of settings; `{}` where there is none.

    Raises:
        UserError: it cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError("this file cannot be read", where=str(path), found=str(error)) from error


def _room(config: Mapping[str, Any]) -> int:
    """New tokens that a prompt leaves room for."""
    context = max_context_tokens(config)
    if not context:
        return MAX_NEW_TOKENS
    if context <= PROMPT_TOKENS:
        raise UserError(
            "the base's context is too short",
            found=f"{context} tokens",
            remedy=f"{PROMPT_TOKENS} is a prompt's.",
        )
    return context - PROMPT_TOKENS


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
