"""Work of the benchmarks: pairs of about 350 tokens, made from the sample dataset."""

from __future__ import annotations

import os
from dataclasses import replace

from agents.hashing import content_id
from agents.judge import DEFAULT_PROMPT, Judge
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Dialogue, Response, ResponseSet
from harness.data.author_resolver import Author
from harness.data.dataset import sample
from harness.workflows.judge import JudgingPlan
from prompts import Library


def authors(pairs: int, salt: str = "") -> tuple[tuple[Dialogue, ...], Author, Author]:
    """Return `pairs` different dialogues (others for another `salt`), with a response of two authors each."""
    written = sample()
    dialogues = []
    texts: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for index in range(pairs):
        source = written.dialogues[index % len(written.dialogues)]
        dialogue = replace(source, id=f"bench:{index}", situation=f"{source.situation} (no. {salt}{index})")
        dialogues.append(dialogue)
        for author_texts, responder in zip(texts, ("gpt-4", "human"), strict=True):
            author_texts[dialogue.key] = written.texts[responder][source.id]
    return tuple(dialogues), _author("a", texts[0]), _author("b", texts[1])


def _author(name: str, texts: dict[str, str]) -> Author:
    response_set = ResponseSet(content_id("set-1", ["bench", name]), f"file:{name}", "default", "benchmark")
    return Author(
        response_set,
        {key: Response(key, response_set.author, text, response_set.id) for key, text in texts.items()},
    )


def emulated_model(url: str) -> tuple[Registry, Model]:
    """Return the emulated GPT-4o at this address, and its registry."""
    registry = Registry(None, os.environ)
    model = registry.emulated(registry.model("openai/gpt-4o"), url, "benchmark")
    return registry, model


def plan(pairs: int, model: Model, samples: int = 1, salt: str = "") -> JudgingPlan:
    """Return a plan with both orders of every pair and one judge."""
    dialogues, a, b = authors(pairs, salt)
    judge = Judge(model, Library()[DEFAULT_PROMPT])
    return JudgingPlan(a, b, dialogues, (judge,), samples)
