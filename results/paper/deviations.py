"""Deviations of our results from the paper's protocol, in words.

The paper leaves parts of its judging unspecified; such points are listed too. Everything is derived from
recorded settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.registry import EMULATED
from agents.response_set_spec import ResponseSetSpec
from agents.types import ResponseSet
from results.paper.cells import succeeded_model

DIALOGUES = 250
NEW_TOKENS = 4096
NO_TRUNCATION = ("", "whole")
OUR_PROMPT = "our judge prompt (--fidelity released uses the one in the paper's repository)"
BOTH_ORDERS = "both orders (the paper does not state its order)"
ALWAYS = (OUR_PROMPT, BOTH_ORDERS)  # by default
RELEASED_PROMPT = "released/judge/"  # prefix of the published scripts' prompts
UNKNOWN = "sampling and truncation of responses not recorded"
# training settings stated by the paper
TRAINING = {
    "rank": 8,
    "learning_rate": 5e-5,
    "epochs": 3.0,
    "dtype": "bf16",
    "batch_size": 2,
    "beta": 0.1,
    "loss": "sigmoid",
}


def judging_deviations(
    n: int, model: str, sampling: Mapping[str, Any], samples: int, judge: str = ""
) -> list[str]:
    """Return the deviations of the judging.

    Args:
        n: number of complete dialogues.
        model: the judge's model id.
        sampling: the judge's parameters.
        samples: number of samples per comparison.
        judge: the judge's name, with its prompt's name unless it is the default.
    """
    deviations = [f"EMULATED: the judge {model} is emulated"] if _emulated(model) else []
    if succeeded_model(model):
        deviations.append(f"the judge {model} instead of {succeeded_model(model)}")
    deviations += [BOTH_ORDERS] if f"({RELEASED_PROMPT}" in judge else list(ALWAYS)
    if n != DIALOGUES:
        deviations.append(f"{n} dialogues instead of {DIALOGUES}")
    if sampling.get("temperature") is not None:
        deviations.append(f"judge temperature {sampling['temperature']:g} (not stated by the paper)")
    if samples > 1:
        deviations.append(f"{samples} samples per comparison instead of 1")
    return deviations


def response_deviations(response_set: ResponseSet) -> list[str]:
    """Return the deviations in sampling and truncating an author's responses."""
    spec = ResponseSetSpec.from_made(response_set.made)
    if not spec.is_recorded:
        return [UNKNOWN]
    deviations = (
        [f"EMULATED: the responses of {response_set.author} are emulated"]
        if _emulated(response_set.author)
        else []
    )
    model = response_set.author.partition("/")[2]
    if succeeded_model(model):
        deviations.append(f"responses of {response_set.author} instead of {succeeded_model(model)}")
    if spec.truncation not in NO_TRUNCATION:
        deviations.append(f"truncation: {spec.truncation} (the paper's responses are not truncated)")
    tokens = spec.sampling.get("max_output_tokens")
    if tokens not in (None, NEW_TOKENS):
        deviations.append(f"at most {tokens} new tokens instead of {NEW_TOKENS:,}")
    return deviations


def training_deviations(record: Mapping[str, Any]) -> list[str]:
    """Return the deviations of a student's training, from its record; empty without a record."""
    data, settings = record.get("data") or {}, record.get("settings") or {}
    deviations = [
        f"EMULATED: the teacher {name} is emulated" for name in data.get("taught_by") or () if _emulated(name)
    ]
    deviations += [
        f"the teacher {name} instead of {old}"
        for name in data.get("taught_by") or ()
        if (old := succeeded_model(name.rpartition("/")[2]))
    ]
    if data.get("fidelity") not in (None, "", "paper"):
        deviations.append(f"training data of fidelity {data['fidelity']}")
    if record.get("stage") == "dpo" and settings.get("reference") not in (None, "sft"):
        deviations.append(
            f"DPO reference model: {settings['reference']} (assumed for the paper: the SFT model)"
        )
    deviations += [
        f"{name} {settings[name]} instead of {stated}"
        for name, stated in TRAINING.items()
        if name in settings and settings[name] != stated
    ]
    if settings.get("max_steps"):
        deviations.append(f"training stopped after {settings['max_steps']} steps")
    return deviations


def _emulated(name: str) -> bool:
    return name.rpartition("/")[2].startswith(EMULATED)
