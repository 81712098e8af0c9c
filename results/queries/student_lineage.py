"""Teachers and base of each registered student, from its record.

    await student_lineage(store)  # {"student:mine": ("taught by openai/gpt-6.1-sol", "on the base
    mistralai/…")}

A judge of the same family as a teacher or the base may favour the student (self-preference).
"""

from __future__ import annotations

import orjson
from sqlalchemy import select

from results.db.schema import CheckpointRow, table
from results.db.store import Store
from results.queries.checkpoints import STUDENT


async def student_lineage(store: Store) -> dict[str, tuple[str, ...]]:
    """Return, by author, a phrase for each teacher and for the base; trainings with one name are merged."""
    columns = table(CheckpointRow).c
    query = select(columns.name, columns.base, columns.record).order_by(columns.registered_at, columns.id)
    phrases_by_author: dict[str, dict[str, None]] = {}
    for row in await store.read(lambda connection: connection.execute(query).all()):
        teachers = (orjson.loads(row.record).get("data") or {}).get("taught_by") or ()
        phrases = dict.fromkeys([*(f"taught by {name}" for name in teachers), f"on the base {row.base}"])
        phrases_by_author.setdefault(f"{STUDENT}{row.name}", {}).update(phrases)
    return {author: tuple(phrases) for author, phrases in phrases_by_author.items()}
