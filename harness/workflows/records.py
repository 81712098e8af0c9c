"""Keeping in the store what a judge, a prompt or a student was: a run can be re-derived from it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from agents.hashing import canonical
from agents.judge import Judge
from finetune.checkpoint import Checkpoint
from prompts import Prompt
from results.db.store import Store
from results.queries.checkpoints import STUDENT, load_checkpoints, save_checkpoint


async def save_judges(store: Store, judges: Iterable[Judge]) -> None:
    """Keep judges, with the prompts they are asked with."""
    for judge in judges:
        if not judge.is_control:
            await save_prompt(store, judge.prompt)
        await store.save_judge(
            id=judge.id,
            name=judge.name,
            provider=judge.model.provider,
            model=judge.model.name,
            identity=judge.model.identity,
            prompt_version="" if judge.is_control else judge.prompt.version,
            sampling=canonical(asdict(judge.sampling)).decode(),
        )


async def save_prompt(store: Store, prompt: Prompt) -> None:
    """Keep a prompt's text under its version."""
    system = f"=== system ===\n{prompt.system}\n=== next turn ===\n" if prompt.system else ""
    text = system + "\n=== next turn ===\n".join(prompt.turns)
    await store.save_prompt(prompt.version, prompt.name, text)


async def save_checkpoints(store: Store, checkpoints: Iterable[Checkpoint]) -> None:
    """Register students, each with all that its folder says of it."""
    for made in checkpoints:
        await save_checkpoint(store, made.id, made.record, made.metrics, str(made.path.resolve()))


async def last_seen_folders(store: Store, names: Iterable[str]) -> list[Path]:
    """Where those of these names that are students lay when they were last seen, the newest first."""
    wanted = [name for name in names if name.startswith(STUDENT)]
    found = await store.read(lambda connection: load_checkpoints(connection, wanted))
    return [Path(one.folder) for one in reversed(found)]
