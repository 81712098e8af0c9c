"""Row lengths of a training set for one base model, counted with its tokenizer or estimated without it."""

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
CHARACTERS_PER_TOKEN = 4.2  # of English text with LLaMA-3's and Mistral's tokenizers
BOS_AND_EOS = 2


@dataclass(frozen=True, slots=True)
class SequenceLengths:
    """Token counts of the rows of one stage.

    Attributes:
        rows: tokens of every row, including BOS and EOS; of a pair, of its longer side.
        completion_tokens: tokens of every row's completion; of a pair, of both sides together.
        left_out: number of excluded rows by reason; {} if lengths are estimated.
    """

    rows: tuple[int, ...]
    completion_tokens: tuple[int, ...]
    left_out: Mapping[str, int]


def sequence_lengths(
    data: DatasetFolder, base: str, settings: TrainingConfig, form: str = "auto", revision: str = ""
) -> tuple[dict[Stage, SequenceLengths], bool]:
    """Return the lengths of every stage that has rows, and whether they were counted (not estimated).

    Args:
        base: a folder, or a model's name on the Hub.
        form: prompt style: "plain", "chat", or "auto" for the tokenizer's default.
        revision: commit of a model on the Hub; "" for the latest.
    """
    try:
        from finetune.model_loader import load_tokenizer, locate_tokenizer, resolve_form

        folder = locate_tokenizer(base, revision)
        tokenizer = load_tokenizer(folder)
    except (ImportError, UserError):
        return _estimate_lengths(data), False
    config = load_json_object(folder / CONFIG)
    vocabulary_size = int(config.get("vocab_size") or 0)
    limits = LengthLimits(settings.max_length, max_context_tokens(config), vocabulary_size)
    prompt_format = rendering(resolve_form(form, tokenizer))
    lengths: dict[Stage, SequenceLengths] = {}
    if data.sft:
        lengths["sft"] = _to_lengths(tokenize_examples(data.sft, tokenizer, prompt_format, limits))
    if data.dpo:
        lengths["dpo"] = _to_lengths(tokenize_pairs(data.dpo, tokenizer, prompt_format, limits))
    return lengths, True


def _to_lengths(tokenized: TokenizedRows) -> SequenceLengths:
    return SequenceLengths(tokenized.lengths, tokenized.completion_tokens, tokenized.left_out)


def _estimate_lengths(data: DatasetFolder) -> dict[Stage, SequenceLengths]:
    def tokens(*texts: str) -> int:
        return round(sum(map(len, texts)) / CHARACTERS_PER_TOKEN) + BOS_AND_EOS

    sft = [(tokens(row.turn, row.response), tokens(row.response)) for row in data.sft]
    dpo = [
        (tokens(row.turn, max(row.chosen, row.rejected, key=len)), tokens(row.chosen, row.rejected))
        for row in data.dpo
    ]
    stages: tuple[tuple[Stage, list[tuple[int, int]]], ...] = (("sft", sft), ("dpo", dpo))
    return {
        stage: SequenceLengths(tuple(row for row, _ in rows), tuple(count for _, count in rows), {})
        for stage, rows in stages
        if rows
    }
