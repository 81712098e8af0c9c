"""How a base is asked is part of what it is: mended tokenizers are told from re-saved ones, and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UserError
from agents.student_prompt import PromptStyle
from finetune.checkpoint import read_checkpoint
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=4)
HOW = TrainOptions(cpu=True, new_tokens=4)


Change = Callable[[dict[str, Any]], None]


def mended(base: Path, folder: Path, change: Change, name: str = "tokenizer.json") -> Path:
    """A copy of a base with one file of JSON changed."""
    shutil.copytree(base, folder)
    told = json.loads((folder / name).read_text(encoding="utf-8"))
    change(told)
    (folder / name).write_text(json.dumps(told, indent=1, sort_keys=True), encoding="utf-8")
    return folder


def _no_bos(told: dict[str, Any]) -> None:
    told["post_processor"] = None


def _other_merge(told: dict[str, Any]) -> None:
    told["model"]["merges"].reverse()


def _word(told: dict[str, Any]) -> None:
    vocabulary = told["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]


def _not_special(told: dict[str, Any]) -> None:
    told["added_tokens"][2]["special"] = False


def _nothing(told: dict[str, Any]) -> None:
    pass


def _other_end(told: dict[str, Any]) -> None:
    told["eos_token"] = "<|eot_id|>"


def _other_pad(told: dict[str, Any]) -> None:
    told["pad_token"] = "<|eot_id|>"


CONFIG = "tokenizer_config.json"
MENDED: list[tuple[Change, str, bool]] = [
    (_no_bos, "tokenizer.json", True),
    (_other_merge, "tokenizer.json", True),
    (_word, "tokenizer.json", True),
    (_not_special, "tokenizer.json", True),
    (_other_end, CONFIG, True),
    (_other_pad, CONFIG, False),
    (_nothing, "tokenizer.json", False),
    (_nothing, CONFIG, False),
]


@pytest.mark.parametrize(("change", "name", "counts"), MENDED)
def test_what_counts_of_a_tokenizers_files(
    tiny_llama: Path, tmp_path: Path, change: Change, name: str, counts: bool
) -> None:
    from finetune.tokenizer_identity import load_prompt_encoding

    other = mended(tiny_llama, tmp_path / "other", change, name)
    here, there = (
        load_prompt_encoding(tiny_llama, PromptStyle.PLAIN),
        load_prompt_encoding(other, PromptStyle.PLAIN),
    )
    assert here.id
    assert (here.id != there.id) is counts


def test_a_template_counts_in_chat_form_alone(tiny_instruct: Path, tmp_path: Path) -> None:
    from finetune.tokenizer_identity import load_prompt_encoding

    other = tmp_path / "other"
    shutil.copytree(tiny_instruct, other)
    path = other / "chat_template.jinja"
    path.write_text("Be kind." + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_prompt_encoding(tiny_instruct, PromptStyle.PLAIN) == load_prompt_encoding(
        other, PromptStyle.PLAIN
    )
    assert (
        load_prompt_encoding(tiny_instruct, PromptStyle.CHAT).id
        != load_prompt_encoding(other, PromptStyle.CHAT).id
    )


def test_a_student_meets_no_base_that_asks_otherwise(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from finetune.tokenizer_identity import check_prompt_encoding, load_prompt_encoding
    from harness.serving.checkpoint_resolver import select_served_models

    made = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW)
    assert made.record["asking"] == load_prompt_encoding(tiny_llama, PromptStyle.PLAIN).id
    other = mended(tiny_llama, tmp_path / "other", _no_bos)
    uses = (
        lambda: train_dpo(made.path, dataset, tmp_path / "d", SETTINGS, base=str(other), options=HOW),
        lambda: merge_adapter(made.path, tmp_path / "m", base=str(other)),
        lambda: select_served_models(["student:s"], base=str(other), students=[made.path]),
    )
    record = dict(made.record)
    for kept in (
        record,
        {key: value for key, value in record.items() if key != "asking"},
    ):  # and an older one
        (made.path / "checkpoint.json").write_text(json.dumps(kept))
        for use in uses:
            with pytest.raises(UserError) as error:
                use()
            assert "trained with" in str(error.value)
        check_prompt_encoding(read_checkpoint(made.path), tiny_llama)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "s"]


def test_a_record_from_before_is_the_same_recipe(tiny_llama: Path, dataset: Path, tmp_path: Path) -> None:
    """A checkpoint that does not say how its base was asked is neither refused nor trained again."""
    from finetune.sft import train_sft
    from finetune.work_dir import recipe_id

    made = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW)
    recipe = {
        "stage": "sft",
        "base": made.base.weights,
        "parent": "",
        "data": made.record["data"]["id"],
        "rendering": made.record["rendering"],
        "form": "plain",
        "settings": {key: value for key, value in made.record["settings"].items() if key != "save_steps"},
        "device": "cpu",
    }
    later = ("asking", "template_options")
    record = {key: value for key, value in made.record.items() if key not in later}
    (made.path / "checkpoint.json").write_text(json.dumps({**record, "recipe": recipe_id(recipe)}))
    again = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=HOW)
    assert again.id == made.id
    assert again.record["recipe"] == recipe_id(recipe)


def test_a_base_that_does_not_put_its_bos_is_named_before_training(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft import train_sft

    lines: list[str] = []
    options = replace(HOW, on_message=lines.append)
    train_sft(str(tiny_llama), dataset, tmp_path / "a", SETTINGS, options=options)
    assert not any("beginning of sequence" in line for line in lines)
    base = mended(tiny_llama, tmp_path / "base", _no_bos)
    train_sft(str(base), dataset, tmp_path / "b", SETTINGS, options=options)
    named = [number for number, line in enumerate(lines) if "beginning of sequence" in line]
    assert named and named[0] < next(n for n, line in enumerate(lines) if "checking" in line and n > named[0])


def test_a_bases_own_generation_config_adds_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    """Beams, forbidden words, penalties: answers are those of a base that has no such file."""
    from agents.clients.base import ModelRequest
    from agents.messages import Completion, Message, Sampling
    from agents.models.spec import ApiProtocol, Model
    from serve.transformers_engine import TransformersEngine

    told = {"num_beams": 3, "no_repeat_ngram_size": 1, "bad_words_ids": [[20]], "min_new_tokens": 30}
    bare, full = tmp_path / "bare", tmp_path / "full"
    for folder in (bare, full):
        shutil.copytree(tiny_llama, folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    told |= {"repetition_penalty": 3.0, "do_sample": True, "temperature": 9.0, "eos_token_id": 1}
    (full / "generation_config.json").write_text(json.dumps(told))
    model = Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS)
    call = ModelRequest(model, (Message("user", "It rained."),), Sampling(24, temperature=0.0))
    answers = [
        TransformersEngine(one, "base", {}, dtype="fp32", device="cpu")([call]) for one in (bare, full)
    ]
    (first,), (second,) = answers
    assert isinstance(first, Completion) and isinstance(second, Completion)
    assert first.text == second.text != ""
