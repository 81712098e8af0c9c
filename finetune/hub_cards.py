"""Cards in the Hub's format: what a dataset is, what a checkpoint is, in words that a stranger can check.

Pure text from a manifest or a checkpoint's record; no time of day and no path, so that the same content
gives the same card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agents.models.registry import EMULATED
from agents.output_escape import markdown_row, markdown_text, visible_text

LICENCE = "cc-by-nc-4.0"  # the dialogues derive from EmpatheticDialogues

WHAT_A_DATASET_IS = """\
Responses to short emotional dialogues, for fine-tuning a small language model in two steps: SFT on good
responses, then DPO on pairs of a better and a worse one (Distilling Empathy from Large Language Models).
"""
FORMS_AND_TERMS = """\
The plain form (`sft.jsonl`, `dpo.jsonl`) is for base models; each prompt ends in `Response:` and each
response begins with one space, so that prompt and response share no token. `conversational/` holds the
same rows for models with a chat template, `llama-factory/` for LLaMA-Factory.

The dialogues derive from EmpatheticDialogues (CC BY-NC 4.0); responses by language models fall under
their makers' terms as well. Ratings of empathy were one person's each. Do not use a student trained on
this where people in need expect a person.
"""
REHEARSED = """\
**EMULATED**: made with {teacher}, an emulator's stand-in. No real model wrote these responses; they
rehearse the work and teach nobody empathy.
"""
WHAT_A_STUDENT_IS = """\
A LoRA adapter of {base}, trained to respond with empathy: stage **{stage}** of two (SFT, then DPO).
`checkpoint.json` beside this says all that it was made of.
"""
USE_AND_LIMITS = """\
## Use

Ask it in **{form}** form: the text that it was trained on, token for token, is rendered by
`agents/student_prompt.py`. Another prompt is another model.

## Limits

A win over an uncut base model is not a gain in empathy: a student may have learned only to stop. The
training dialogues derive from EmpatheticDialogues (CC BY-NC 4.0). Not for use where people in need expect a
person.
"""


def dataset_card(manifest: Mapping[str, Any], name: str) -> str:
    """README.md of a dataset's folder."""
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
    excluded = manifest["excluded"] or {"nothing": 0}
    left_out = ", ".join(f"{why} ({count})" for why, count in excluded.items())
    body = [
        f"# Empathy distillation: {markdown_text(name)}",
        "",
        *(
            [REHEARSED.format(teacher=markdown_text(rehearsed))]
            if (rehearsed := _rehearsed(manifest))
            else []
        ),
        WHAT_A_DATASET_IS,
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
        f"Left out, with the reason: {markdown_text(left_out)}.",
        "",
        FORMS_AND_TERMS,
    ]
    return "\n".join([*front, "", *body])


def _rehearsed(manifest: Mapping[str, Any]) -> str:
    """The emulated model whose responses are in a dataset, or ""."""
    named = (manifest["teacher"], manifest["llm"], manifest["source"].get("initial responses of", ""))
    return next((name for name in named if name.partition("/")[2].startswith(EMULATED)), "")


def model_card(record: Mapping[str, Any]) -> str:
    """README.md of a checkpoint's folder, from its `checkpoint.json`."""
    base, settings, data = record["base"], record["settings"], record["data"]
    parent = record["parent"]
    # a folder of somebody's machine is no model that the Hub could link to
    on_the_hub = (
        [f"base_model: {_yaml(base['name'])}", "base_model_relation: adapter"] if base["revision"] else []
    )
    front = [
        "---",
        *on_the_hub,
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
        WHAT_A_STUDENT_IS.format(base=markdown_text(base["name"]), stage=record["stage"]),
        "| | |",
        "|---|---|",
        markdown_row(["base", f"{base['name']}, revision {base['revision'] or 'none'}, {base['weights']}"]),
        markdown_row(["dataset", f"{data['name']}, {data['id']}"]),
        f"| rows | {data['rows_used']} of {data['rows']} |",
        markdown_row(["went on from", f"{parent['name']}, {parent['id']}" if parent else "the base"]),
        f"| steps | {record['steps']} |",
        f"| loss | first {losses.get('first', '–')}, last {losses.get('last', '–')} |",
        f"| seed | {settings['seed']} |",
        "",
        "| setting | value |",
        "|---|---|",
        *map(markdown_row, settings.items()),
        "",
        *_checked(record.get("health") or {}),
        USE_AND_LIMITS.format(form=record["form"]),
    ]
    return "\n".join([*front, "", *body])


def _yaml(text: str) -> str:
    """A text as one scalar of YAML: quoted as JSON, which YAML takes, unless it is plain."""
    return text if re.fullmatch(r"[A-Za-z][\w./-]*", text) else json.dumps(visible_text(text))


def _checked(health: Mapping[str, Any]) -> list[str]:
    """The check after training as a section; nothing where there was none."""
    if not health:
        return []
    parent = health["loss_parent"]
    return [
        "## Forgetting and collapse",
        "",
        f"After training, on {health['dialogues']} dialogues ({health['slice']}) and a page of plain text; "
        "losses in nats per token.",
        "",
        "| | base | went on from | this |",
        "|---|---|---|---|",
        f"| loss on empathic responses | {health['loss_base']} | {parent} | {health['loss']} |",
        f"| loss on general text | {health['general_base']} | | {health['general']} |",
        "",
        f"Its responses: {health['words']} words on average, {health['distinct']:.0%} of them distinct, "
        f"{health['cut']:.0%} cut at {health['new_tokens']} tokens.",
        *(f"- {warning}" for warning in health["warnings"]),
        "",
    ]
