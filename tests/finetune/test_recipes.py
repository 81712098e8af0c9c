"""Nothing of a recipe is silent: what a base cannot take is left out and counted, or refused by name."""

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

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=4)
HOW = TrainOptions(cpu=True, new_tokens=4)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    """A base's, and an instruct model's whose template also uses marks that are no tokens of its own."""
    from finetune.tiny_model import build_tokenizer

    chat = build_tokenizer("llama", chat=True)
    chat.chat_template = chat.chat_template.replace("<|eot_id|>", "<|eot_id|><|turn_over|>")
    return {"plain": build_tokenizer("llama"), "chat": chat}


def turn(how: PromptFormat, said: str) -> str:
    return how.turn(Dialogue("d", "It rained.", said))


@pytest.mark.parametrize("form", list(PromptStyle))
@pytest.mark.parametrize("where", ["dialogue", "response"])
def test_any_control_token_in_a_text_is_found(
    tokenizers: dict[str, Any], form: PromptStyle, where: str
) -> None:
    tokenizer, how = tokenizers[str(form)], rendering(form)
    marks = [str(token) for token in tokenizer.added_tokens_decoder.values()]
    marks += ["<|turn_over|>"] if form is PromptStyle.CHAT else []
    assert len(marks) >= 5
    innocent = how.prompt_ids(turn(how, "All day."), tokenizer)
    for mark in marks:
        said, answer = (
            ("All day.", f"Oh {mark} dear.") if where == "response" else (f"All {mark} day.", "Oh.")
        )
        examples = [SftExample("d", turn(how, said), answer), SftExample("e", turn(how, "All day."), "Oh.")]
        prepared = tokenize_examples(examples, tokenizer, how, 1024)
        assert prepared.left_out == {CONTROL_TOKEN: 1}
        assert how.control_tokens(said + answer, tokenizer)
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    plain = how.prompt_ids(turn(how, "Its <b>day</b> [sic] <3 {x}."), tokenizer)
    assert [one for one in plain if one in special] == [one for one in innocent if one in special]
    assert how.control_tokens("Its <b>day</b> [sic] <3 {x}.", tokenizer) == ()


def test_pairs_whose_sides_are_the_same_ids_are_left_out_and_counted(tokenizers: dict[str, Any]) -> None:
    how, tokenizer = rendering(), tokenizers["plain"]
    asked = turn(how, "All day.")
    pairs = [
        PreferencePair("d", asked, "Oh dear.", " Oh dear. "),
        PreferencePair("e", asked, "Oh dear.", "Oh."),
    ]
    prepared = tokenize_pairs(pairs, tokenizer, how, 1024)
    assert (len(prepared.rows), prepared.left_out) == (1, {IDENTICAL_SIDES: 1})


def test_the_limit_is_the_least_of_length_and_context(tokenizers: dict[str, Any]) -> None:
    how, tokenizer = rendering(), tokenizers["plain"]
    rows = [SftExample(str(n), turn(how, "All day. " * n), "Oh dear.") for n in range(1, 9)]
    lengths = tokenize_examples(rows, tokenizer, how, 4096).lengths
    for most, context in ((4096, lengths[3]), (lengths[3], 4096), (lengths[3], 0)):
        room = LengthLimits(most, context)
        prepared = tokenize_examples(rows, tokenizer, how, room)
        assert prepared.lengths == lengths[:4]
        assert prepared.left_out == {room.too_long: 4}
    with pytest.raises(UserError) as error:
        tokenize_examples(rows, tokenizer, how, LengthLimits(4096, 8))
    assert "--max-length" not in error.value.fault.remedy


def test_tokens_that_the_base_has_no_row_for(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    """A word that was added is refused where a row holds it; a token that only pads is never put in."""
    from transformers import AutoTokenizer

    from finetune.sft import train_sft
    from finetune.sft_then_dpo import train_two_step
    from serve.transformers_engine import TransformersEngine

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_tokens(["thinking"])
    shutil.copytree(tiny_llama, tmp_path / "word")
    tokenizer.save_pretrained(tmp_path / "word")
    with pytest.raises(UserError, match=r"no embedding.*'thinking'.*rows"):
        train_sft(str(tmp_path / "word"), dataset, tmp_path / "o", SETTINGS, options=HOW)
    assert not list(tmp_path.glob("o*"))

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    shutil.copytree(tiny_llama, tmp_path / "pad")
    tokenizer.save_pretrained(tmp_path / "pad")
    made = train_two_step(str(tmp_path / "pad"), dataset, tmp_path / "p", SETTINGS, options=HOW)
    assert made.record["steps"] == 4
    engine = TransformersEngine(tmp_path / "pad", "base", {}, dtype="fp32", device="cpu")
    assert engine.tokenizer.pad_token_id >= engine._words


def test_a_base_with_a_short_context_is_trained_within_it(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft import train_sft

    shutil.copytree(tiny_llama, tmp_path / "base")
    path = tmp_path / "base" / "config.json"
    config = json.loads(path.read_text())
    whole = train_sft(str(tiny_llama), dataset, tmp_path / "whole", SETTINGS, options=HOW)
    assert whole.record["data"]["left_out"] == {}
    for context, left in ((4096, 0), (16, None)):
        path.write_text(json.dumps({**config, "max_position_embeddings": context}))
        if left is None:
            with pytest.raises(UserError, match="no row is left"):
                train_sft(str(tmp_path / "base"), dataset, tmp_path / f"o{context}", SETTINGS, options=HOW)
        else:
            made = train_sft(str(tmp_path / "base"), dataset, tmp_path / f"o{context}", SETTINGS, options=HOW)
            assert sum(made.record["data"]["left_out"].values()) == left
    assert sorted(one.name for one in tmp_path.iterdir()) == ["base", "o4096", "whole"]


@pytest.mark.parametrize("names", ["q_proj,v_prj", "c_attn", ",", "q_proj,q_proj"])
def test_target_modules_are_looked_at_before_anything_runs(
    tiny_llama: Path, dataset: Path, tmp_path: Path, names: str
) -> None:
    from finetune.sft_then_dpo import train_two_step

    settings = TrainingConfig(dtype="fp32", max_steps=4, target_modules=names)
    with pytest.raises(UserError):
        train_two_step(str(tiny_llama), dataset, tmp_path / "o", settings, options=HOW)
    assert list(tmp_path.iterdir()) == []
