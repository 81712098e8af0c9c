"""Keeping in the store what a judge or a prompt was, so that a run can be re-derived from it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from agents.identity import canonical
from agents.judge import Judge
from prompts import Prompt
from results.store import Store


async def put_judges(store: Store, judges: Iterable[Judge]) -> None:
    """Keep judges, with the prompts they are asked with."""
    for judge in judges:
        if not judge.is_control:
            await put_prompt(store, judge.prompt)
        await store.put_judge(
            id=judge.id,
            name=judge.name,
            provider=judge.model.provider,
            model=judge.model.name,
            identity=judge.model.identity,
            prompt_version="" if judge.is_control else judge.prompt.version,
            sampling=canonical(asdict(judge.sampling)).decode(),
        )


async def put_prompt(store: Store, prompt: Prompt) -> None:
    """Keep a prompt's text under its version."""
    await store.put_prompt(prompt.version, prompt.name, "\n=== next turn ===\n".join(prompt.turns))
