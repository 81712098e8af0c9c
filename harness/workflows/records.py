"""Records of judges, prompts and checkpoints in the store, so that a run can be re-derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from agents.author_names import AuthorKind, AuthorName
from agents.hashing import canonical
from agents.judge import Judge
from finetune.checkpoint import Checkpoint
from prompts import Prompt
from results.db.store import Store
from results.queries.checkpoints import load_checkpoints, save_checkpoint


async def save_judges(store: Store, judges: Iterable[Judge]) -> None:
    """Save judges with their prompts."""
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
    """Save the text of a prompt under its version."""
    system = f"=== system ===\n{prompt.system}\n=== next turn ===\n" if prompt.system else ""
    text = system + "\n=== next turn ===\n".join(prompt.turns)
    await store.save_prompt(prompt.version, prompt.name, text)


async def save_checkpoints(store: Store, checkpoints: Iterable[Checkpoint]) -> None:
    """Save checkpoints with the records and metrics of their folders."""
    for checkpoint in checkpoints:
        await save_checkpoint(
            store, checkpoint.id, checkpoint.record, checkpoint.metrics, str(checkpoint.path.resolve())
        )


async def last_seen_folders(store: Store, names: Iterable[str]) -> list[Path]:
    """Return the last known folders of the students among these names, newest first."""
    students = [name for name in names if AuthorName.parse(name).kind is AuthorKind.STUDENT]
    checkpoints = await store.read(lambda connection: load_checkpoints(connection, students))
    return [Path(checkpoint.folder) for checkpoint in reversed(checkpoints)]
