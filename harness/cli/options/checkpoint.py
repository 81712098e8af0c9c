"""Resolution of checkpoint names: a folder, or `student:NAME`."""

from __future__ import annotations

from pathlib import Path

from agents.errors import UserError
from harness.cli.options.common import run


def checkpoint_folder(name: str, db: str) -> Path:
    """Return the folder of a checkpoint by its path, or by `student:NAME` as found in the usual folders or
    the database.
    """
    from harness.serving.checkpoint_resolver import is_student, parse_student_folder
    from harness.workflows.records import last_seen_folders
    from results.db.store import Store

    async def load_registered() -> list[Path]:
        async with await Store.open(db, create=False) as store:
            return await last_seen_folders(store, [name])

    if not is_student(name):
        return Path(name)
    try:
        known = run(load_registered())
    except UserError:  # without a database, only the usual folders are searched
        known = []
    return parse_student_folder(name, known)
