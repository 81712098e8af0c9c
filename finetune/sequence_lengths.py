"""How long a dataset's rows are for one base: counted with its tokenizer, or estimated without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agents.errors import UserError
from agents.model_files.decoder_config import max_context_tokens
from agents.model_files.weights import CONFIG, load_json_object
from agents.student_prompt import rendering
from finetune.config import TrainingConfig
from finetune.dataset_reader import DatasetFolder
from finetune.tokenization import LengthLimits, TokenizedRows, tokenize_examples, tokenize_pairs

Stage = Literal["sft", "dpo"]
CHARACTERS_PER_TOKEN = 4.2  # of English under LLaMA-3's and Mistral's tokenizers
BOS_AND_EOS = 2


@dataclass(frozen=True, slots=True)
class SequenceLengths:
    """Tokens of one stage's rows.

    Attributes:
        rows: of every row, BOS and EOS counted; of a pair, of its longer side.
        said: of every row's completion; of a pair, of both sides together.
        left_out: rows that would not be trained on, by reason; {} where lengths are estimated.
    """

    rows: tuple[int, ...]
    said: tuple[int, ...]
    left_out: Mapping[str, int]


def sequence_lengths(
    data: DatasetFolder, base: str, settings: TrainingConfig, form: str = "auto", revision: str = ""
) -> tuple[dict[Stage, SequenceLengths], bool]:
    """Every stage that the dataset has rows for; and whether tokens were counted (or estimated).

    Args:
        base: a folder, or a model's name on the Hub.
    """
    try:
        from finetune.model_loader import load_tokenizer, locate_tokenizer, resolve_form

        folder = locate_tokenizer(base, revision)
        tokenizer = load_tokenizer(folder)
    except (ImportError, UserError):
        return _estimated(data), False
    config = load_json_object(folder / CONFIG)
    room = LengthLimits(settings.max_length, max_context_tokens(config), int(config.get("vocab_size") or 0))
    words = rendering(resolve_form(form, tokenizer))
    found: dict[Stage, SequenceLengths] = {}
    if data.sft:
        found["sft"] = _of(tokenize_examples(data.sft, tokenizer, words, room))
    if data.dpo:
        found["dpo"] = _of(tokenize_pairs(data.dpo, tokenizer, words, room))
    return found, True


def _of(prepared: TokenizedRows) -> SequenceLengths:
    return SequenceLengths(prepared.lengths, prepared.completion_tokens, prepared.left_out)


def _estimated(data: DatasetFolder) -> dict[Stage, SequenceLengths]:
    def tokens(*texts: str) -> int:
        return round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN) + BOS_AND_EOS

    sft = [(tokens(one.turn, one.response), tokens(one.response)) for one in data.sft]
    dpo = [
        (tokens(one.turn, max(one.chosen, one.rejected, key=len)), tokens(one.chosen, one.rejected))
        for one in data.dpo
    ]
    found: dict[Stage, SequenceLengths] = {}
    if sft:
        found["sft"] = SequenceLengths(tuple(row for row, _ in sft), tuple(said for _, said in sft), {})
    if dpo:
        found["dpo"] = SequenceLengths(tuple(row for row, _ in dpo), tuple(said for _, said in dpo), {})
    return found
