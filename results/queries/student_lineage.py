"""Who taught a student and on which base, by its record: what makes it a judge's kin.

    await taught(store)  # {"student:mine": ("taught by openai/gpt-6.1-sol", "on the base mistralai/…")}

Known of students that were registered (`results/queries/checkpoints.py`), as far as their training sets say.
"""

from __future__ import annotations

import orjson
from sqlalchemy import select

from results.db.schema import CheckpointRow, table
from results.db.store import Store
from results.queries.checkpoints import STUDENT


async def taught(store: Store) -> dict[str, tuple[str, ...]]:
    """By author, a phrase for each of its teachers and for the base; two trainings of one name together."""
    columns = table(CheckpointRow).c
    wanted = select(columns.name, columns.base, columns.record).order_by(columns.registered_at, columns.id)
    found: dict[str, dict[str, None]] = {}
    for row in await store.read(lambda connection: connection.execute(wanted).all()):
        teachers = (orjson.loads(row.record).get("data") or {}).get("taught_by") or ()
        phrases = dict.fromkeys([*(f"taught by {name}" for name in teachers), f"on the base {row.base}"])
        found.setdefault(f"{STUDENT}{row.name}", {}).update(phrases)
    return {author: tuple(phrases) for author, phrases in found.items()}
