"""README.md of training sets and checkpoints, in the Hub's card format.

A card is a pure function of a manifest or a checkpoint record. It contains no date and no path, so that the
same content gives the same card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agents.models.registry import EMULATED
from agents.output_escape import markdown_row, markdown_text, visible_text

LICENCE = "cc-by-nc-4.0"  # the dialogues derive from EmpatheticDialogues

DATASET_INTRODUCTION = """\
Responses to short emotional dialogues, for fine-tuning a small language model in two steps: SFT on good
responses, then DPO on pairs of a better and a worse one (Distilling Empathy from Large Language Models).
"""
DATASET_FORMATS_AND_TERMS = """\
The plain format (`sft.jsonl`, `dpo.jsonl`) is for base models. Each prompt ends in `Response:` and each
response begins with one space, so that prompt and response share no token. `conversational/` holds the
same rows for models with a chat template, `llama-factory/` for LLaMA-Factory.

The dialogues derive from EmpatheticDialogues (CC BY-NC 4.0). Responses by language models are also subject to
the terms of their providers. Each empathy rating is by a single person. Do not deploy a student trained on
this data where people in need expect to talk to a person.
"""
EMULATED_NOTICE = """\
**EMULATED**: the responses come from {teacher}, a model of the built-in emulator. No real model wrote
them. They are for testing the workflow and contain nothing to learn.
"""
MODEL_INTRODUCTION = """\
A LoRA adapter of {base}, trained to respond with empathy: stage **{stage}** of two (SFT, then DPO).
`checkpoint.json` in this folder records its base model, data, settings and versions.
"""
MODEL_USE_AND_LIMITS = """\
## Use

Prompt it in **{form}** style, with exactly the text it was trained on (`agents/student_prompt.py`). Results
with another prompt are not comparable.

## Limits

Winning against a base model whose responses are not truncated does not show more empathy: the student may
only have learned to stop. The training dialogues derive from EmpatheticDialogues (CC BY-NC 4.0). Do not
deploy it where people in need expect to talk to a person.
"""


def dataset_card(manifest: Mapping[str, Any], name: str) -> str:
    """Return the README.md of a training-set folder.

    Args:
        name: short name of the training set (`DatasetOrigin.name`).
    """
    rows = manifest["rows"]
    configs = [stage for stage in ("sft", "dpo") if rows[stage]]
    front = [
        "---",
        f"license: {LICENCE}",
        "language: [en]",
        "task_categories: [text-generation]",
        "tags: [empathy, distillation, dpo, sft, trl]",
        "configs:",
        *(f"- config_name: {stage}\n  data_files: {stage}.jsonl" for stage in configs),
        "---",
    ]
    excluded = ", ".join(f"{reason} ({count})" for reason, count in manifest["excluded"].items()) or "none"
    emulated = _emulated_model(manifest)
    body = [
        f"# Empathy distillation: {markdown_text(name)}",
        "",
        *([EMULATED_NOTICE.format(teacher=markdown_text(emulated))] if emulated else []),
        DATASET_INTRODUCTION,
        "| | |",
        "|---|---|",
        f"| method | {manifest['method']} |",
        *(markdown_row([key, manifest[key]]) for key in ("llm", "strategy", "teacher") if manifest[key]),
        f"| fidelity | {manifest['fidelity']} |",
        f"| SFT rows | {rows['sft']} of {rows['sft_dialogues']} dialogues |",
        f"| DPO pairs | {rows['dpo']} of {rows['dpo_dialogues']} dialogues |",
        f"| responses over 97 words | {manifest['over_97_words']} (kept) |",
        markdown_row(["prompt", f"{manifest['prompt']['name']}, {manifest['prompt']['version']}"]),
        "",
        f"Excluded rows, by reason: {markdown_text(excluded)}.",
        "",
        DATASET_FORMATS_AND_TERMS,
    ]
    return "\n".join([*front, "", *body])


def _emulated_model(manifest: Mapping[str, Any]) -> str:
    """Return the emulated model that responses in the training set come from, or ""."""
    names = (manifest["teacher"], manifest["llm"], manifest["source"].get("initial responses of", ""))
    return next((name for name in names if name.partition("/")[2].startswith(EMULATED)), "")


def model_card(record: Mapping[str, Any]) -> str:
    """Return the README.md of a checkpoint folder, from its `checkpoint.json`."""
    base, settings, data = record["base"], record["settings"], record["data"]
    parent = record["parent"]
    # The Hub cannot link to a base model in a local folder.
    hub_base = (
        [f"base_model: {_yaml_scalar(base['name'])}", "base_model_relation: adapter"]
        if base["revision"]
        else []
    )
    front = [
        "---",
        *hub_base,
        "library_name: peft",
        "pipeline_tag: text-generation",
        "language: [en]",
        f"tags: [empathy, distillation, lora, trl, {record['stage']}]",
        "---",
    ]
    losses = record.get("losses", {})
    body = [
        f"# {markdown_text(record['name'])}",
        "",
        MODEL_INTRODUCTION.format(base=markdown_text(base["name"]), stage=record["stage"]),
        "| | |",
        "|---|---|",
        markdown_row(
            ["base model", f"{base['name']}, revision {base['revision'] or 'none'}, {base['weights']}"]
        ),
        markdown_row(["training set", f"{data['name']}, {data['id']}"]),
        f"| rows | {data['rows_used']} of {data['rows']} |",
        markdown_row(["trained from", f"{parent['name']}, {parent['id']}" if parent else "the base model"]),
        f"| steps | {record['steps']} |",
        f"| loss | first {losses.get('first', '–')}, last {losses.get('last', '–')} |",
        f"| seed | {settings['seed']} |",
        "",
        "| setting | value |",
        "|---|---|",
        *map(markdown_row, settings.items()),
        "",
        *_check_section(record.get("health") or {}),
        MODEL_USE_AND_LIMITS.format(form=record["form"]),
    ]
    return "\n".join([*front, "", *body])


def _yaml_scalar(text: str) -> str:
    """Return a YAML scalar: plain if that is safe, else quoted as JSON, which is valid YAML."""
    return text if re.fullmatch(r"[A-Za-z][\w./-]*", text) else json.dumps(visible_text(text))


def _check_section(check: Mapping[str, Any]) -> list[str]:
    """Return the lines of the post-training check; [] if there was none."""
    if not check:
        return []
    parent = check["loss_parent"]
    return [
        "## Forgetting and collapse",
        "",
        f"Checked after training on {check['dialogues']} dialogues ({check['slice']}) and a page of text."
        " Losses are in nats per token.",
        "",
        "| | base model | trained from | this model |",
        "|---|---|---|---|",
        f"| loss on empathic responses | {check['loss_base']} | {parent} | {check['loss']} |",
        f"| loss on general text | {check['general_base']} | | {check['general']} |",
        "",
        f"Its responses have {check['words']} words on average; {check['distinct']:.0%} of them are distinct"
        f" and {check['cut']:.0%} were cut off at {check['new_tokens']} tokens.",
        *(f"- {warning}" for warning in check["warnings"]),
        "",
    ]
