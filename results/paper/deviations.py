"""In what one of our results is no replication of the paper's, in words: every point that is known.

The paper says little of its judging; what it leaves open is told as such. Reads what was recorded; knows
nothing of databases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.registry import EMULATED
from agents.types import ResponseSet
from results.paper.cells import succeeds

DIALOGUES = 250
NEW_TOKENS = 4096
WHOLE = ("", "whole")
OUR_PROMPT = "the judge's prompt: ours (the paper's is in its repository: --fidelity released asks with it)"
BOTH_ORDERS = "both orders (the paper does not state one)"
ALWAYS = (OUR_PROMPT, BOTH_ORDERS)  # unless more is known
RELEASED_PROMPT = "released/judge/"  # the names of the published scripts' prompts begin so
UNKNOWN = "how responses were drawn and cut is not recorded"
# of a student's settings, those that the paper states
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
    """Of how it was judged.

    Args:
        sampling: the judge's parameters.
        judge: its name, with that of its prompt where it is not the default.
    """
    told = [f"EMULATED: the judge {model} is an emulator, no real model"] if _emulated(model) else []
    if succeeds(model):
        told.append(f"the judge {model} in the place of {succeeds(model)}")
    told += [BOTH_ORDERS] if f"({RELEASED_PROMPT}" in judge else list(ALWAYS)
    if n != DIALOGUES:
        told.append(f"{n} dialogues, not {DIALOGUES}")
    if sampling.get("temperature") is not None:
        told.append(f"the judge's temperature {sampling['temperature']:g} (the paper states none)")
    if samples > 1:
        told.append(f"{samples} verdicts on each pair and order, not one")
    return told


def response_deviations(of: ResponseSet) -> list[str]:
    """Of how an author's responses were drawn and cut."""
    if not of.recorded:
        return [UNKNOWN]
    told = [f"EMULATED: responses of {of.author} are an emulator's"] if _emulated(of.author) else []
    model = of.author.partition("/")[2]
    if succeeds(model):
        told.append(f"responses of {of.author} in the place of {succeeds(model)}'s")
    cut, sampling = str(of.recorded.get("cut", "")), of.recorded.get("sampling") or {}
    if cut not in WHOLE:
        told.append(f"the cut: {cut} (the paper's responses are whole)")
    tokens = sampling.get("max_output_tokens")
    if tokens not in (None, NEW_TOKENS):
        told.append(f"{tokens} new tokens at most, not {NEW_TOKENS:,}")
    return told


def training_deviations(record: Mapping[str, Any]) -> list[str]:
    """Of how a student was trained, from its record; empty where there is none."""
    data, settings = record.get("data") or {}, record.get("settings") or {}
    told = [
        f"EMULATED: the teacher {name} is an emulator"
        for name in data.get("taught_by") or ()
        if _emulated(name)
    ]
    told += [
        f"the teacher {name} in the place of {old}"
        for name in data.get("taught_by") or ()
        if (old := succeeds(name.rpartition("/")[2]))
    ]
    if data.get("fidelity") not in (None, "", "paper"):
        told.append(f"training data of fidelity {data['fidelity']}")
    if record.get("stage") == "dpo" and settings.get("reference") not in (None, "sft"):
        told.append(f"DPO's reference: the {settings['reference']} (taken for the paper: the SFT model)")
    told += [
        f"{name} {settings[name]}, not {stated}"
        for name, stated in TRAINING.items()
        if name in settings and settings[name] != stated
    ]
    if settings.get("max_steps"):
        told.append(f"training stopped after {settings['max_steps']} steps")
    return told


def _emulated(name: str) -> bool:
    return name.rpartition("/")[2].startswith(EMULATED)
