"""Limits of a base model: unsuitable rows are excluded and counted, unsuitable settings are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.student_prompt import CONTROL_TOKEN, PromptFormat, PromptStyle, rendering
from agents.types import Dialogue
from finetune.config import TrainingConfig
from finetune.dataset_reader import PreferencePair, SftExample
from finetune.pipeline import TrainOptions
from finetune.tokenization import IDENTICAL_SIDES, LengthLimits, tokenize_examples, tokenize_pairs
from tests.errors import user_error

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=4)
OPTIONS = TrainOptions(cpu=True, new_tokens=4)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    """A base model's tokenizer, and one whose chat template uses a mark that is not among its tokens."""
    from finetune.tiny_model import build_tokenizer

    chat = build_tokenizer("llama", chat=True)
    chat.chat_template = chat.chat_template.replace("<|eot_id|>", "<|eot_id|><|turn_over|>")
    return {"plain": build_tokenizer("llama"), "chat": chat}


def turn(prompt_format: PromptFormat, utterance: str) -> str:
    return prompt_format.turn(Dialogue("d", "It rained.", utterance))


@pytest.mark.parametrize("form", list(PromptStyle))
@pytest.mark.parametrize("where", ["dialogue", "response"])
def test_control_tokens_in_texts_are_detected(
    tokenizers: dict[str, Any], form: PromptStyle, where: str
) -> None:
    tokenizer, prompt_format = tokenizers[str(form)], rendering(form)
    marks = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    marks += ["<|turn_over|>"] if form is PromptStyle.CHAT else []
    assert len(marks) >= 5
    without_marks = prompt_format.prompt_ids(turn(prompt_format, "All day."), tokenizer)
    for mark in marks:
        utterance, answer = (
            ("All day.", f"Oh {mark} dear.") if where == "response" else (f"All {mark} day.", "Oh.")
        )
        examples = [
            SftExample("d", turn(prompt_format, utterance), answer),
            SftExample("e", turn(prompt_format, "All day."), "Oh."),
        ]
        prepared = tokenize_examples(examples, tokenizer, prompt_format, 1024)
        assert prepared.left_out == {CONTROL_TOKEN: 1}
        assert prompt_format.control_tokens(utterance + answer, tokenizer)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    plain = prompt_format.prompt_ids(turn(prompt_format, "Its <b>day</b> [sic] <3 {x}."), tokenizer)
    assert [token_id for token_id in plain if token_id in special] == [
        token_id for token_id in without_marks if token_id in special
    ]
    assert prompt_format.control_tokens("Its <b>day</b> [sic] <3 {x}.", tokenizer) == ()


def test_pairs_with_identical_sides_are_excluded(tokenizers: dict[str, Any]) -> None:
    prompt_format, tokenizer = rendering(), tokenizers["plain"]
    user_turn = turn(prompt_format, "All day.")
    pairs = [
        PreferencePair("d", user_turn, "Oh dear.", " Oh dear. "),
        PreferencePair("e", user_turn, "Oh dear.", "Oh."),
    ]
    prepared = tokenize_pairs(pairs, tokenizer, prompt_format, 1024)
    assert (len(prepared.rows), prepared.left_out) == (1, {IDENTICAL_SIDES: 1})


def test_row_limit_is_the_smaller_of_length_and_context(tokenizers: dict[str, Any]) -> None:
    prompt_format, tokenizer = rendering(), tokenizers["plain"]
    rows = [SftExample(str(n), turn(prompt_format, "All day. " * n), "Oh dear.") for n in range(1, 9)]
    lengths = tokenize_examples(rows, tokenizer, prompt_format, 4096).lengths
    for max_length, context in ((4096, lengths[3]), (lengths[3], 4096), (lengths[3], 0)):
        limits = LengthLimits(max_length, context)
        prepared = tokenize_examples(rows, tokenizer, prompt_format, limits)
        assert prepared.lengths == lengths[:4]
        assert prepared.left_out == {limits.too_long: 4}
    with pytest.raises(UserError) as error:
        tokenize_examples(rows, tokenizer, prompt_format, LengthLimits(4096, 8))
    assert "--max-length" not in error.value.fault.remedy


def test_tokens_without_embedding_are_refused(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    """Refuse rows with an added token; accept an added padding token, which is replaced."""
    from transformers import AutoTokenizer

    from finetune.sft import train_sft
    from finetune.sft_then_dpo import train_two_step
    from serve.transformers_engine import TransformersEngine

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_tokens(["thinking"])
    shutil.copytree(tiny_llama, tmp_path / "word")
    tokenizer.save_pretrained(tmp_path / "word")
    with user_error("tokenizer.no-embedding") as error:
        train_sft(str(tmp_path / "word"), dataset, tmp_path / "o", SETTINGS, options=OPTIONS)
    assert "'thinking'" in error.fault.found
    assert not list(tmp_path.glob("o*"))

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    shutil.copytree(tiny_llama, tmp_path / "pad")
    tokenizer.save_pretrained(tmp_path / "pad")
    checkpoint = train_two_step(str(tmp_path / "pad"), dataset, tmp_path / "p", SETTINGS, options=OPTIONS)
    assert checkpoint.record["steps"] == 4
    engine = TransformersEngine(tmp_path / "pad", "base", {}, dtype="fp32", device="cpu")
    assert engine.tokenizer.pad_token_id >= engine._vocabulary_size


def test_rows_longer_than_the_context_are_excluded(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.sft import train_sft

    shutil.copytree(tiny_llama, tmp_path / "base")
    path = tmp_path / "base" / "config.json"
    config = json.loads(path.read_text())
    unlimited = train_sft(str(tiny_llama), dataset, tmp_path / "unlimited", SETTINGS, options=OPTIONS)
    assert unlimited.record["data"]["left_out"] == {}
    for context, left in ((4096, 0), (16, None)):
        path.write_text(json.dumps({**config, "max_position_embeddings": context}))
        if left is None:
            with user_error("training-set.no-usable-rows"):
                train_sft(
                    str(tmp_path / "base"), dataset, tmp_path / f"o{context}", SETTINGS, options=OPTIONS
                )
        else:
            checkpoint = train_sft(
                str(tmp_path / "base"), dataset, tmp_path / f"o{context}", SETTINGS, options=OPTIONS
            )
            assert sum(checkpoint.record["data"]["left_out"].values()) == left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "o4096", "unlimited"]


@pytest.mark.parametrize("names", ["q_proj,v_prj", "c_attn", ",", "q_proj,q_proj"])
def test_target_modules_are_checked_before_training(
    tiny_llama: Path, dataset: Path, tmp_path: Path, names: str
) -> None:
    from finetune.sft_then_dpo import train_two_step

    settings = TrainingConfig(dtype="fp32", max_steps=4, target_modules=names)
    with pytest.raises(UserError):
        train_two_step(str(tiny_llama), dataset, tmp_path / "o", settings, options=OPTIONS)
    assert list(tmp_path.iterdir()) == []
