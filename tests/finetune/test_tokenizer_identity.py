"""Tokenizer identity: a changed tokenizer is detected and refused, a tokenizer saved again is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.student_prompt import PromptStyle
from finetune.checkpoint import read_checkpoint
from finetune.config import TrainingConfig
from finetune.pipeline import TrainOptions
from tests.errors import user_error

pytest.importorskip("torch")
pytestmark = pytest.mark.train

SETTINGS = TrainingConfig(dtype="fp32", learning_rate=1e-2, accumulation=1, max_steps=4)
OPTIONS = TrainOptions(cpu=True, new_tokens=4)


Change = Callable[[dict[str, Any]], None]


def copy_with_change(base: Path, folder: Path, change: Change, name: str = "tokenizer.json") -> Path:
    """Copy a base model and change one of its JSON files."""
    shutil.copytree(base, folder)
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    return folder


def _no_bos(content: dict[str, Any]) -> None:
    content["post_processor"] = None


def _other_merge(content: dict[str, Any]) -> None:
    content["model"]["merges"].reverse()


def _word(content: dict[str, Any]) -> None:
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]


def _not_special(content: dict[str, Any]) -> None:
    content["added_tokens"][2]["special"] = False


def _no_change(content: dict[str, Any]) -> None:
    pass


def _other_end(content: dict[str, Any]) -> None:
    content["eos_token"] = "<|eot_id|>"


def _other_pad(content: dict[str, Any]) -> None:
    content["pad_token"] = "<|eot_id|>"


CONFIG = "tokenizer_config.json"
CHANGES: list[tuple[Change, str, bool]] = [
    (_no_bos, "tokenizer.json", True),
    (_other_merge, "tokenizer.json", True),
    (_word, "tokenizer.json", True),
    (_not_special, "tokenizer.json", True),
    (_other_end, CONFIG, True),
    (_other_pad, CONFIG, False),
    (_no_change, "tokenizer.json", False),
    (_no_change, CONFIG, False),
]


@pytest.mark.parametrize(("change", "name", "counts"), CHANGES)
def test_identity_depends_on_relevant_changes_only(
    tiny_llama: Path, tmp_path: Path, change: Change, name: str, counts: bool
) -> None:
    from finetune.tokenizer_identity import load_prompt_encoding

    other = copy_with_change(tiny_llama, tmp_path / "other", change, name)
    current, changed = (
        load_prompt_encoding(tiny_llama, PromptStyle.PLAIN),
        load_prompt_encoding(other, PromptStyle.PLAIN),
    )
    assert current.id
    assert (current.id != changed.id) is counts


def test_chat_template_counts_in_chat_style_only(tiny_instruct: Path, tmp_path: Path) -> None:
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


def test_a_base_model_with_a_changed_tokenizer_is_refused(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.dpo import train_dpo
    from finetune.merge_lora import merge_adapter
    from finetune.sft import train_sft
    from finetune.tokenizer_identity import check_prompt_encoding, load_prompt_encoding
    from harness.serving.checkpoint_resolver import select_served_models

    checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    assert checkpoint.record["asking"] == load_prompt_encoding(tiny_llama, PromptStyle.PLAIN).id
    other = copy_with_change(tiny_llama, tmp_path / "other", _no_bos)
    uses = (
        lambda: train_dpo(
            checkpoint.path, dataset, tmp_path / "d", SETTINGS, base=str(other), options=OPTIONS
        ),
        lambda: merge_adapter(checkpoint.path, tmp_path / "m", base=str(other)),
        lambda: select_served_models(["student:s"], base=str(other), students=[checkpoint.path]),
    )
    record = dict(checkpoint.record)
    for kept in (
        record,
        {key: value for key, value in record.items() if key != "asking"},
    ):
        (checkpoint.path / "checkpoint.json").write_text(json.dumps(kept))
        for use in uses:
            with user_error("tokenizer.changed"):
                use()
        check_prompt_encoding(read_checkpoint(checkpoint.path), tiny_llama)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "s"]


def test_an_old_record_without_tokenizer_id_has_the_same_recipe(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    """A checkpoint without a recorded tokenizer id is neither refused nor trained again."""
    from finetune.sft import train_sft
    from finetune.work_dir import recipe_id

    checkpoint = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    recipe = {
        "stage": "sft",
        "base": checkpoint.base.weights,
        "parent": "",
        "data": checkpoint.record["data"]["id"],
        "rendering": checkpoint.record["rendering"],
        "form": "plain",
        "settings": {
            key: value for key, value in checkpoint.record["settings"].items() if key != "save_steps"
        },
        "device": "cpu",
    }
    later = ("asking", "template_options")
    record = {key: value for key, value in checkpoint.record.items() if key not in later}
    (checkpoint.path / "checkpoint.json").write_text(json.dumps({**record, "recipe": recipe_id(recipe)}))
    again = train_sft(str(tiny_llama), dataset, tmp_path / "s", SETTINGS, options=OPTIONS)
    assert again.id == checkpoint.id
    assert again.record["recipe"] == recipe_id(recipe)


def test_a_tokenizer_that_adds_no_bos_gives_a_warning_before_training(
    tiny_llama: Path, dataset: Path, tmp_path: Path
) -> None:
    from finetune.sft import train_sft

    lines: list[str] = []
    options = replace(OPTIONS, on_message=lines.append)
    train_sft(str(tiny_llama), dataset, tmp_path / "a", SETTINGS, options=options)
    assert not any("beginning-of-sequence" in line for line in lines)
    base = copy_with_change(tiny_llama, tmp_path / "base", _no_bos)
    train_sft(str(base), dataset, tmp_path / "b", SETTINGS, options=options)
    named = [number for number, line in enumerate(lines) if "beginning-of-sequence" in line]
    assert named and named[0] < next(n for n, line in enumerate(lines) if "checking" in line and n > named[0])


def test_the_base_models_generation_config_is_ignored(tiny_llama: Path, tmp_path: Path) -> None:
    """Responses are the same as those of a base model without generation_config.json."""
    from agents.clients.base import ModelRequest
    from agents.messages import Completion, Message, Sampling
    from agents.models.spec import ApiProtocol, Model
    from serve.transformers_engine import TransformersEngine

    content = {"num_beams": 3, "no_repeat_ngram_size": 1, "bad_words_ids": [[20]], "min_new_tokens": 30}
    bare, full = tmp_path / "bare", tmp_path / "full"
    for folder in (bare, full):
        shutil.copytree(tiny_llama, folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    content |= {"repetition_penalty": 3.0, "do_sample": True, "temperature": 9.0, "eos_token_id": 1}
    (full / "generation_config.json").write_text(json.dumps(content))
    model = Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS)
    call = ModelRequest(model, (Message("user", "It rained."),), Sampling(24, temperature=0.0))
    answers = [
        TransformersEngine(folder, "base", {}, dtype="fp32", device="cpu")([call]) for folder in (bare, full)
    ]
    (first,), (second,) = answers
    assert isinstance(first, Completion) and isinstance(second, Completion)
    assert first.text == second.text != ""
