"""Sampling presets of base models and students: three presets with every value resolved in advance.

    cut        default, defined by this project: the same settings for every author, a limit of 97 words,
               truncated at a new turn
    paper      up to 4,096 new tokens, each base model's own sampling (its generation_config.json), not
               truncated
    released   as the published scripts do, per author: LLaMA's base with 4,096 tokens, two more sentences in
               its prompt and fp16; Mistral's base with 130 tokens, sampled, in the dtype of its weights, and
               with a literal `</s>` kept in its responses; students with 4,096 tokens

Student, base model and format controls share one preset. Values that a file omits are those that
`transformers` would use (greedy, or temperature 1, top-p 1, top-k 50 if it samples), so a recorded value is
never "default".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.author_names import stored_name
from agents.errors import UserError
from agents.hashing import canonical
from agents.model_files.decoder_config import max_context_tokens
from agents.truncation import FIRST_TURN_97_WORDS, NO_TRUNCATION, STOP_STRINGS, Truncation
from serve.served_model import Dtype

PresetName = Literal["cut", "paper", "released"]
Role = Literal["base", "student"]
NAMES: tuple[PresetName, ...] = ("cut", "paper", "released")
DEFAULT: PresetName = "cut"
WRITTEN_NAMES = ("truncated", "paper", "released")  # as users write them
DIRECT_PROMPT = "respond"
LLAMA_BASE, OTHER_BASE = "released/respond/llama-base", "released/respond/mistral-base"
PROMPT_TOKENS = 1024  # reserved for the prompt in a short context; no prompt of the dataset is longer
MAX_NEW_TOKENS = 4096
BUDGET_TOKENS = 192  # 97 words are about 130 tokens; the rest allows for rare words
MISTRAL_BASE_TOKENS = 130
SEED = 42


@dataclass(frozen=True, slots=True)
class Preset:
    """Resolved preset of one author.

    Attributes:
        name: "cut", "paper" or "released".
        prompt: name of the prompt; in `released`, that of the published script for a base model.
        max_output_tokens: maximum new tokens, ≥ 1.
        temperature: ≥ 0; 0 is greedy.
        top_p: in (0, 1].
        top_k: ≥ 0; 0 for all tokens.
        repetition_penalty: 1 for none.
        seed: seed of the sampling.
        stop: strings that end a response.
        cut: truncation of the completion to the response.
        keep_special_tokens: whether special tokens, including end of sequence, stay in the response as text.
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
        """`extra_parameters` without chat-template options."""
        return self.extra_parameters({})

    def extra_parameters(self, template_options: Mapping[str, Any]) -> str:
        """Return the request parameters beyond the usual ones, as canonical JSON.

        The stop string is kept in the response, which shows whether the model went on or ended.

        Args:
            template_options: arguments for the chat template; {} for none.
        """
        parameters: dict[str, Any] = {
            "top_k": self.top_k,
            "min_p": 0.0,
            "repetition_penalty": self.repetition_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "include_stop_str_in_output": True,
        }
        if self.keep_special_tokens:
            parameters["skip_special_tokens"] = False
        if template_options:
            parameters["chat_template_kwargs"] = dict(template_options)
        return canonical(parameters).decode()


@dataclass(frozen=True, slots=True)
class BaseSampling:
    """Sampling parameters from a base model's own generation config."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0


def base_sampling(generation: Mapping[str, Any], *, sampled: bool = False) -> BaseSampling:
    """Return the sampling parameters of a generation_config.json.

    Args:
        sampled: sample even if the file requests greedy decoding.
    """
    penalty = float(generation.get("repetition_penalty") or 1.0)
    if not (generation.get("do_sample") or sampled):
        return BaseSampling(repetition_penalty=penalty)
    top_k = generation.get("top_k", 50)
    return BaseSampling(
        temperature=_to_float(generation.get("temperature"), 1.0),
        top_p=_to_float(generation.get("top_p"), 1.0),
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
    """Return the preset of one author.

    Args:
        role: "base" or "student".
        config: the base model's config.json.
        generation: the base model's generation_config.json; {} if there is none.
        seed: seed of the sampling.

    Raises:
        UserError: the base model's context is too short for a prompt and a response.
    """
    available = _available_tokens(config)
    if name == "cut":
        budget = min(BUDGET_TOKENS, available)
        return Preset(name, DIRECT_PROMPT, budget, 0.6, 0.9, 0, 1.0, seed, STOP_STRINGS, FIRST_TURN_97_WORDS)
    released_base = str(config.get("model_type")) if name == "released" and role == "base" else ""
    sampling = base_sampling(generation, sampled=released_base == "mistral")
    limit = MISTRAL_BASE_TOKENS if released_base == "mistral" else MAX_NEW_TOKENS
    return Preset(
        name,
        {"": DIRECT_PROMPT, "llama": LLAMA_BASE}.get(released_base, OTHER_BASE),
        min(limit, available),
        sampling.temperature,
        sampling.top_p,
        sampling.top_k,
        sampling.repetition_penalty,
        seed,
        keep_special_tokens=released_base == "mistral",
    )


def preset_dtype(written: str, config: Mapping[str, Any]) -> Dtype | Literal[""]:
    """Return the dtype that a preset prescribes for a base model; "" for the dtype of its weights.

    The published scripts set fp16 for LLaMA and nothing for Mistral.

    Args:
        written: name of the preset as the user wrote it.
        config: the base model's config.json.
    """
    prescribed = parse_preset_name(written)[0] == "released" and config.get("model_type") != "mistral"
    return "fp16" if prescribed else ""


def parse_preset_name(written: str) -> tuple[PresetName, str]:
    """Return the preset and the name of the response set for a name as the user wrote it.

    A name may extend a preset's name with a hyphen: `paper-second` uses the values of `paper` under a name of
    its own. The name of the set is "" for the default preset. `truncated` is the written name of `cut`.

    Raises:
        UserError: the name begins with none of the three presets.
    """
    stored = stored_name(written) or DEFAULT
    for name in NAMES:
        if stored == name or stored.startswith(f"{name}-"):
            return name, "" if stored == DEFAULT else stored
    raise UserError(
        "unknown preset for base models and students",
        code="option.unknown-preset",
        where="--preset",
        found=repr(written),
        remedy=(
            f"Choose one of: {', '.join(WRITTEN_NAMES)}; or a name that begins with one of "
            "them: paper-second."
        ),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; {} if there is no file.

    Raises:
        UserError: the file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            "cannot read the JSON file", code="file.unreadable", where=str(path), found=str(error)
        ) from error


def _available_tokens(config: Mapping[str, Any]) -> int:
    """Return the new tokens that fit into the context after a prompt."""
    context = max_context_tokens(config)
    if not context:
        return MAX_NEW_TOKENS
    if context <= PROMPT_TOKENS:
        raise UserError(
            "the base model's context is too short",
            code="base-model.context-too-short",
            found=f"{context} tokens",
            remedy=f"Use a base model with a context of more than {PROMPT_TOKENS} tokens.",
        )
    return context - PROMPT_TOKENS


def _to_float(value: Any, default: float) -> float:
    return default if value is None else float(value)
