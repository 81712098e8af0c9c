"""Identity of a local base model's tokenizer and chat template, and checks that rely on it.

A student must be prompted exactly as it was trained. The content id computed here changes when the tokenizer,
the chat template or the end-of-sequence ids of the base model change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.model_files.chat_template import template_options
from agents.model_files.layers import embedding_rows, layers_of
from agents.model_files.tokenizer_identity import end_token_ids, tokenizer_identity
from agents.model_files.weights import CONFIG, load_json_object
from agents.student_prompt import PromptFormat, PromptStyle
from finetune.checkpoint import Checkpoint
from finetune.model_loader import load_tokenizer

FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    CONFIG,
)


@dataclass(frozen=True, slots=True)
class PromptEncoding:
    """Encoding of prompts by one base model's tokenizer, in one prompt style.

    Attributes:
        id: content id of tokenizer and template (`agents.model_files.tokenizer_identity`); "" if unknown.
        eos_token_ids: token ids that end a response.
        options: arguments passed to the chat template besides the conversation; () in plain style.
    """

    id: str = ""
    eos_token_ids: tuple[int, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def template_kwargs(self) -> dict[str, Any]:
        """Return the chat template's arguments by name."""
        return dict(self.options)


def load_prompt_encoding(folder: Path, form: PromptStyle) -> PromptEncoding:
    """Return the prompt encoding of the base model in `folder` for this style.

    The result is empty if transformers is not installed or the folder holds no tokenizer. No engine in this
    environment could prompt the model in that case.

    Raises:
        UserError: the style is chat and the template cannot be used.
    """
    if find_spec("transformers") is None or not _has_tokenizer(folder):
        return PromptEncoding()
    return _cached_prompt_encoding(folder.resolve(), form, _file_stamps(folder))


def check_prompt_encoding(checkpoint: Checkpoint, folder: Path) -> None:
    """Check that a student would be prompted as it was trained.

    A checkpoint that does not record the id is compared by the copy of the tokenizer in its folder.

    Raises:
        UserError: the tokenizer or template of the base model in `folder` differs.
    """
    current = load_prompt_encoding(folder, checkpoint.form).id
    recorded = (
        str(checkpoint.record.get("asking", "")) or load_prompt_encoding(checkpoint.path, checkpoint.form).id
    )
    if current and recorded and current != recorded:
        raise UserError(
            "the base model's tokenizer or chat template differs from the one used in training",
            code="tokenizer.changed",
            where=f"{checkpoint.path} on {folder}",
            found=f"{current}; trained with {recorded}",
            remedy="Pass the original base model with --base, or train the student again.",
        )


@dataclass(frozen=True, slots=True)
class PromptProblems:
    """Prompts that a base model cannot represent faithfully.

    Attributes:
        missing_embeddings: tokens without an embedding row, with the number of prompts that contain them.
        control_tokens: control tokens that occur as plain words in a dialogue, with the number of prompts
            that contain them.
    """

    missing_embeddings: Mapping[str, int]
    control_tokens: Mapping[str, int]


def find_prompt_problems(folder: Path, rendering: PromptFormat, turns: Sequence[str]) -> PromptProblems:
    """Return the problems of prompting the base model in `folder` with these turns.

    The result is empty if the tokenizer is not available.

    Raises:
        UserError: the style is chat and the template cannot be used.
    """
    if find_spec("transformers") is None or not _has_tokenizer(folder):
        return PromptProblems({}, {})
    tokenizer = _cached_tokenizer(folder.resolve(), _file_stamps(folder))
    vocabulary_size = embedding_rows(layers_of(folder))
    missing: Counter[str] = Counter()
    control: Counter[str] = Counter()
    for turn in turns:
        control.update(rendering.control_tokens(turn, tokenizer))
        prompt_ids = rendering.prompt_ids(turn, tokenizer)
        beyond = {token_id for token_id in prompt_ids if vocabulary_size and token_id >= vocabulary_size}
        missing.update(str(tokenizer.decode([token_id])) for token_id in beyond)
    return PromptProblems(missing, control)


@lru_cache(maxsize=8)
def _cached_tokenizer(folder: Path, stamps: tuple[Any, ...]) -> Any:
    return load_tokenizer(folder)


@lru_cache(maxsize=64)
def _cached_prompt_encoding(folder: Path, form: PromptStyle, stamps: tuple[Any, ...]) -> PromptEncoding:
    tokenizer = _cached_tokenizer(folder, stamps)
    generation = load_json_object(folder / "generation_config.json")
    config = load_json_object(folder / CONFIG)
    options = template_options(tokenizer) if form is PromptStyle.CHAT else {}
    eos_ids = end_token_ids(tokenizer, generation, config)
    return PromptEncoding(tokenizer_identity(tokenizer, form), eos_ids, tuple(sorted(options.items())))


def _has_tokenizer(folder: Path) -> bool:
    if "model" in load_json_object(folder / "tokenizer.json"):
        return True
    return any((folder / name).is_file() for name in ("tokenizer.model", "vocab.json"))


def _file_stamps(folder: Path) -> tuple[Any, ...]:
    """Return name, size and modification time of each relevant file, as a cache key."""
    files = [folder / name for name in FILES if (folder / name).is_file()]
    return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
