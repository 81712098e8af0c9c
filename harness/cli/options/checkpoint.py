"""A checkpoint as users name it: a folder, or `student:NAME`."""

from __future__ import annotations

from pathlib import Path

from agents.errors import UserError
from harness.cli.options.common import run


def checkpoint_folder(named: str, db: str) -> Path:
    """A checkpoint's folder by its path, or by `student:NAME`: in the usual places, or as registered."""
    from harness.serving.checkpoint_resolver import is_student, parse_student_folder
    from harness.workflows.records import last_seen_folders
    from results.db.store import Store

    async def registered() -> list[Path]:
        async with await Store.open(db, create=False) as store:
            return await last_seen_folders(store, [named])

    if not is_student(named):
        return Path(named)
    try:
        known = run(registered())
    except UserError:  # no database: then only where checkpoints are is looked
        known = []
    return parse_student_folder(named, known)
