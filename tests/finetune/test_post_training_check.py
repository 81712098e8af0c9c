"""Post-training check: selection of dialogues, warnings, loss and generation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from agents.student_prompt import rendering
from finetune import post_training_check
from finetune.dataset_reader import read_dataset


def test_held_out_dialogues_are_used_if_there_are_any(dataset: Path, make_dataset: Any) -> None:
    data = read_dataset(dataset)
    name, rows = post_training_check.select_check_examples(data, seed=1)
    held = {row.dialogue for row in data.held_out_sft} | {row.dialogue for row in data.held_out_dpo}
    assert (name, {row.dialogue for row in rows}) == ("held out", held)
    assert post_training_check.select_check_examples(
        data, seed=1
    ) == post_training_check.select_check_examples(data, seed=1)
    name, rows = post_training_check.select_check_examples(
        read_dataset(make_dataset(24, held_out=False)), seed=1, dialogues=5
    )
    assert (name, len(rows)) == ("trained on", 5)


@pytest.mark.parametrize(
    ("general", "empathic", "distinct", "cut", "warnings"),
    [
        (0.0, -1.0, 1.0, 0.0, ()),
        (math.log(1.2), 0.0, 0.9, 0.5, ()),
        (
            math.log(2),
            -1.0,
            1.0,
            0.0,
            ("forgetting: perplexity on general text is 2.00 times the base model's",),
        ),
        (0.0, 0.1, 1.0, 0.0, ("the loss on empathic responses is above the base model's",)),
        (0.0, -1.0, 0.25, 0.0, ("collapse: only 25% of the responses are distinct",)),
        (0.0, -1.0, 1.0, 1.0, ("100% of the responses did not end before the token limit",)),
        (math.nan, -1.0, 1.0, 0.0, ("a loss is not a finite number",)),
    ],
)
def test_warnings_are_given_for_bad_values_only(
    general: float, empathic: float, distinct: float, cut: float, warnings: tuple[str, ...]
) -> None:
    assert post_training_check.check_warnings(general, empathic, distinct, cut) == warnings


@pytest.mark.train
def test_loss_and_generation_equal_those_of_transformers(tiny_mistral: Path) -> None:
    torch = pytest.importorskip("torch")
    from finetune.model_loader import load_model, load_tokenizer

    model, tokenizer = load_model(tiny_mistral, "fp32", "cpu").eval(), load_tokenizer(tiny_mistral)
    ids = tokenizer.encode("It rained all day and nobody came to the market.")
    labels = torch.tensor([[-100] * 4 + ids[4:]])
    with torch.no_grad():
        expected = float(model(input_ids=torch.tensor([ids]), labels=labels).loss)
    assert post_training_check.mean_loss(model, [(4, ids)]) == pytest.approx(expected, abs=1e-5)
    prompt_format = rendering()
    turns = ["Short.", "A longer turn, so that the other one needs padding on the left."]
    batch = post_training_check.generate(model, tokenizer, prompt_format, turns, 8)
    alone = [post_training_check.generate(model, tokenizer, prompt_format, [turn], 8)[0] for turn in turns]
    assert batch == alone
    ids = prompt_format.prompt_ids(turns[0], tokenizer)
    with torch.no_grad():
        out = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=8, do_sample=False, pad_token_id=2)
    assert tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True).strip() == alone[0][0]
