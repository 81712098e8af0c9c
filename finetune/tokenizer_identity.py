"""How a base on this machine is asked, by content: from its tokenizer; and whether a student was so, too."""

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
    """How a base is asked in one form.

    Attributes:
        id: content id of tokenizer and template (`agents.model_files.tokenizer_identity`); "" where it cannot be known here.
        eos_token_ids: ids that end an answer.
        options: what the chat template is told beside the conversation; {} in plain form.
    """

    id: str = ""
    eos_token_ids: tuple[int, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def template_kwargs(self) -> dict[str, Any]:
        """The options by name."""
        return dict(self.options)


def load_prompt_encoding(folder: Path, form: PromptStyle) -> PromptEncoding:
    """How the base in `folder` is asked in this form.

    Where transformers is not installed, or the folder holds no tokenizer that it could load, this is not
    known: no engine in this environment could ask it either.

    Raises:
        UserError: the form is chat and the template cannot be used.
    """
    if find_spec("transformers") is None or not _has_tokenizer(folder):
        return PromptEncoding()
    return _asking_of(folder.resolve(), form, _stamps(folder))


def check_prompt_encoding(checkpoint: Checkpoint, folder: Path) -> None:
    """Make sure that a student would be asked as it was trained.

    Of a checkpoint that does not record how, its own copy of the tokenizer is taken.

    Raises:
        UserError: the base's tokenizer or template is another one by now.
    """
    here = load_prompt_encoding(folder, checkpoint.form).id
    recorded = (
        str(checkpoint.record.get("asking", "")) or load_prompt_encoding(checkpoint.path, checkpoint.form).id
    )
    if here and recorded and here != recorded:
        raise UserError(
            "the base's tokenizer or template is not the one that the student was trained with",
            where=f"{checkpoint.path} on {folder}",
            found=f"{here}; trained with {recorded}",
            remedy="Name the base as it was with --base (the weights are the same), or train it again.",
        )


@dataclass(frozen=True, slots=True)
class PromptProblems:
    """Questions that a base cannot be asked as they are meant.

    Attributes:
        missing_embeddings: tokens that it has no embedding for → how many questions hold them.
        control_tokens: marks of its own that a dialogue holds as words → how many questions hold them.
    """

    missing_embeddings: Mapping[str, int]
    control_tokens: Mapping[str, int]


def find_prompt_problems(folder: Path, rendering: PromptFormat, turns: Sequence[str]) -> PromptProblems:
    """What of these turns the base in `folder` cannot be asked as it is meant; nothing where it is not known.

    Raises:
        UserError: the form is chat and the template cannot be used.
    """
    if find_spec("transformers") is None or not _has_tokenizer(folder):
        return PromptProblems({}, {})
    tokenizer, words = _tokenizer(folder.resolve(), _stamps(folder)), embedding_rows(layers_of(folder))
    beyond: Counter[str] = Counter()
    control: Counter[str] = Counter()
    for turn in turns:
        control.update(rendering.control_tokens(turn, tokenizer))
        ids = {one for one in rendering.prompt_ids(turn, tokenizer) if words and one >= words}
        beyond.update(str(tokenizer.decode([one])) for one in ids)
    return PromptProblems(beyond, control)


@lru_cache(maxsize=8)
def _tokenizer(folder: Path, stamps: tuple[Any, ...]) -> Any:
    return load_tokenizer(folder)


@lru_cache(maxsize=64)
def _asking_of(folder: Path, form: PromptStyle, stamps: tuple[Any, ...]) -> PromptEncoding:
    tokenizer = _tokenizer(folder, stamps)
    generation, config = (
        load_json_object(folder / "generation_config.json"),
        load_json_object(folder / CONFIG),
    )
    options = template_options(tokenizer) if form is PromptStyle.CHAT else {}
    ends = end_token_ids(tokenizer, generation, config)
    return PromptEncoding(tokenizer_identity(tokenizer, form), ends, tuple(sorted(options.items())))


def _has_tokenizer(folder: Path) -> bool:
    if "model" in load_json_object(folder / "tokenizer.json"):
        return True
    return any((folder / name).is_file() for name in ("tokenizer.model", "vocab.json"))


def _stamps(folder: Path) -> tuple[Any, ...]:
    """What changes when a file does."""
    files = [folder / name for name in FILES if (folder / name).is_file()]
    return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
