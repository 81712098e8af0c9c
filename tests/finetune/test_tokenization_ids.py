"""Prompts have the same token ids in training rows, in `transformers` and in requests.

Tested with a LLaMA-type tokenizer, both versions of a Mistral-type one, and two with a chat template.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.student_prompt import (
    RESPONSE_CUE,
    PromptFormat,
    PromptStyle,
    default_style,
    rendering,
    token_faults,
)
from agents.types import Dialogue
from finetune.dataset_reader import PreferencePair, SftExample, read_dataset
from finetune.tokenization import tokenize_examples, tokenize_pairs

pytest.importorskip("torch")
pytestmark = pytest.mark.train

KINDS = ["llama", "mistral", "mistral-legacy", "llama-chat", "mistral-chat"]
PLAIN_KINDS, CHAT_KINDS = KINDS[:3], KINDS[3:]
words = st.text(
    st.characters(codec="utf-8", exclude_characters="<[|]>", exclude_categories=("Cc", "Cs", "Zl", "Zp"))
)
answers = words.filter(lambda text: text.strip() != "")


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    from finetune.tiny_model import build_tokenizer

    return {
        "llama": build_tokenizer("llama"),
        "mistral": build_tokenizer("mistral"),
        "mistral-legacy": build_tokenizer("mistral", legacy=True),
        "llama-chat": build_tokenizer("llama", chat=True),
        "mistral-chat": build_tokenizer("mistral", chat=True),
    }


def _prompt_format(tokenizer: Any) -> PromptFormat:
    return rendering(default_style(tokenizer))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(context=words, utterance=words, answer=answers)
def test_rows_have_the_ids_of_the_rendered_text(
    tokenizers: dict[str, Any], kind: str, context: str, utterance: str, answer: str
) -> None:
    tokenizer = tokenizers[kind]
    prompt_format = _prompt_format(tokenizer)
    turn = prompt_format.turn(Dialogue("d", context, utterance))
    assert prompt_format.faults(turn, answer, tokenizer) == ()
    row = prompt_format.encode(turn, answer, tokenizer)
    prompt, completion = (
        prompt_format.prompt_text(turn, tokenizer),
        prompt_format.completion_text(turn, answer, tokenizer),
    )
    special = {"add_special_tokens": prompt_format.adds_special_tokens}
    assert (
        list(row.prompt)
        == tokenizer(prompt, **special)["input_ids"]
        == prompt_format.prompt_ids(turn, tokenizer)
    )
    complete = tokenizer(prompt + completion, **special)["input_ids"]
    assert list(row.prompt + row.completion) == [*complete, tokenizer.eos_token_id]
    assert (row.prompt + row.completion).count(tokenizer.bos_token_id) == 1
    assert row.completion.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("kind", ["llama", "mistral"])
@settings(max_examples=60, deadline=None)
@given(answer=answers)
def test_completion_has_the_same_ids_when_tokenized_alone(
    tokenizers: dict[str, Any], kind: str, answer: str
) -> None:
    # Not for `mistral-legacy`, whose tokenizer puts a space before any text.
    tokenizer = tokenizers[kind]
    turn = _prompt_format(tokenizer).turn(Dialogue("d", "It rained.", "All day."))
    prompt, completion = (
        _prompt_format(tokenizer).prompt_text(turn),
        _prompt_format(tokenizer).completion_text(turn, answer),
    )
    alone = tokenizer(completion, add_special_tokens=False)["input_ids"]
    assert tokenizer(prompt)["input_ids"] + alone == tokenizer(prompt + completion)["input_ids"]


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_a_trailing_space_in_the_prompt_changes_the_ids(tokenizers: dict[str, Any], kind: str) -> None:
    tokenizer = tokenizers[kind]
    assert "the prompt ends in a space" in token_faults(tokenizer, f"Say it.{RESPONSE_CUE} ", "I see.")
    with_space = tokenizer(f"Say it.{RESPONSE_CUE} ")["input_ids"]
    complete = tokenizer(f"Say it.{RESPONSE_CUE} I see.")["input_ids"]
    assert complete[: len(with_space)] != with_space


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_chat_style_equals_the_models_own_template(tokenizers: dict[str, Any], kind: str) -> None:
    tokenizer = tokenizers[kind]
    prompt_format = _prompt_format(tokenizer)
    turn = prompt_format.turn(Dialogue("d", "It rained.", "All day."))
    user, answer = {"role": "user", "content": turn}, {"role": "assistant", "content": "Oh dear."}
    options = {"tokenize": True, "return_dict": True}
    expected = tokenizer.apply_chat_template([user], add_generation_prompt=True, **options)["input_ids"]
    assert prompt_format.prompt_ids(turn, tokenizer) == expected
    row = prompt_format.encode(turn, "Oh dear.", tokenizer)
    complete = tokenizer.apply_chat_template([user, answer], **options)["input_ids"]
    learned = list(row.prompt + row.completion)
    assert complete[: len(learned)] == learned
    assert (
        tokenizer.decode(complete[len(learned) :]).strip() == ""
    )  # at most a newline, which is not trained on


def test_removing_bos_from_the_template_changes_mistral_ids(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["mistral-chat"]
    prompt_format = _prompt_format(tokenizer)
    turn = prompt_format.turn(Dialogue("d", "It rained.", "All day."))
    put_back = tokenizer(prompt_format.prompt_text(turn, tokenizer).removeprefix("<s>"))["input_ids"]
    assert put_back != prompt_format.prompt_ids(turn, tokenizer)


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_in_texts_are_faults(tokenizers: dict[str, Any], kind: str) -> None:
    tokenizer = tokenizers[kind]
    prompt_format = _prompt_format(tokenizer)
    tokens = [
        tokenizer.bos_token,
        *([tokenizer.eos_token] if prompt_format.form is PromptStyle.PLAIN else []),
    ]
    for token in tokens:
        assert prompt_format.faults(
            prompt_format.turn(Dialogue("d", "It rained.", f"All {token} day.")), "Oh.", tokenizer
        )
        assert prompt_format.faults(
            prompt_format.turn(Dialogue("d", "It rained.", "All day.")), f"Oh {token} dear.", tokenizer
        )


@pytest.mark.parametrize("kind", PLAIN_KINDS)
def test_trl_tokenizes_the_jsonl_files_to_the_same_ids(
    tokenizers: dict[str, Any], dataset: Path, tmp_path: Path, kind: str
) -> None:
    """Training with trl alone on the folder's JSONL files uses the same ids."""
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    tokenizer = tokenizers[kind]
    tokenizer.pad_token = tokenizer.eos_token
    data, prompt_format = read_dataset(dataset), rendering()
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), **shape)
    shared: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
    }
    examples, pairs = (
        [json.loads(line) for line in (dataset / name).read_text(encoding="utf-8").split("\n") if line]
        for name in ("sft.jsonl", "dpo.jsonl")
    )
    sft = SFTTrainer(
        model=LlamaForCausalLM(config),
        args=SFTConfig(**shared, max_length=None),
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
    ).train_dataset
    dpo = DPOTrainer(
        model=LlamaForCausalLM(config),
        ref_model=LlamaForCausalLM(config),
        args=DPOConfig(**shared, max_length=None),
        train_dataset=Dataset.from_list(pairs),
        processing_class=tokenizer,
    ).train_dataset
    tokenized = tokenize_examples(data.sft, tokenizer, prompt_format, 1024)
    assert [{key: row[key] for key in ("input_ids", "labels")} for row in sft] == list(tokenized.rows)
    trl_pairs = [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in dpo]
    assert trl_pairs == list(tokenize_pairs(data.dpo, tokenizer, prompt_format, 1024).rows)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_cover_the_completion_and_its_end_only(tokenizers: dict[str, Any], kind: str) -> None:
    tokenizer = tokenizers[kind]
    prompt_format = _prompt_format(tokenizer)
    turn = prompt_format.turn(Dialogue("d", "It rained 3 days. ", "My café flooded 😀!\n"))
    texts = ["I'm sorry to hear that.", "“Oh no”, 3 days?", "(sighs) That is hard."]
    examples = tokenize_examples(
        [SftExample("d", turn, text) for text in texts], tokenizer, prompt_format, 1024
    )
    pairs = tokenize_pairs(
        [PreferencePair("d", turn, text, "So what.") for text in texts], tokenizer, prompt_format, 1024
    )
    prompt = prompt_format.prompt_ids(turn, tokenizer)
    for text, row, length, count, pair in zip(
        texts, examples.rows, examples.lengths, examples.completion_tokens, pairs.rows, strict=True
    ):
        learned = [label for label in row["labels"] if label != -100]
        assert row["labels"] == [-100] * len(prompt) + learned
        assert row["input_ids"] == prompt + learned
        assert (len(row["input_ids"]), len(learned)) == (length, count)
        assert learned[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(learned[:-1]).strip() == text
        assert (pair["prompt_ids"], pair["chosen_ids"]) == (prompt, learned)


def test_rows_over_the_length_are_excluded_and_counted(tokenizers: dict[str, Any]) -> None:
    tokenizer, prompt_format = tokenizers["llama"], rendering()
    turn = prompt_format.turn(Dialogue("d", "It rained.", "All day."))
    short, long = SftExample("a", turn, "Oh."), SftExample("b", turn, "Oh dear. " * 200)
    bad = SftExample("c", turn, f"Oh {tokenizer.eos_token} dear.")
    prepared = tokenize_examples([short, long, bad], tokenizer, prompt_format, 512)
    assert [row["input_ids"] for row in prepared.rows] == [
        [*prompt_format.prompt_ids(turn, tokenizer), *prompt_format.encode(turn, "Oh.", tokenizer).completion]
    ]
    assert sorted(prepared.left_out.values()) == [1, 1]
    assert "longer than the length of 512 tokens" in prepared.left_out
    assert "longer than the length of 512 tokens" in prepared.describe()
