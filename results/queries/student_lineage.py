"""Teachers and base of each registered student, from its record.

    await student_lineage(store)  # {"student:mine": Lineage(("openai/gpt-6.1-sol",), ("mistralai/…",))}

A judge of the same family as a teacher or the base may favour the student (self-preference).
"""

from __future__ import annotations

import orjson
from sqlalchemy import select

from agents.author_names import AuthorKind, AuthorName
from agents.models.family import Lineage
from results.db.schema import CheckpointRow, table
from results.db.store import Store


async def student_lineage(store: Store) -> dict[str, Lineage]:
    """Return the lineage of each student by author; trainings with one name are merged."""
    columns = table(CheckpointRow).c
    query = select(columns.name, columns.base, columns.record).order_by(columns.registered_at, columns.id)
    lineages: dict[str, Lineage] = {}
    for row in await store.read(lambda connection: connection.execute(query).all()):
        teachers = (orjson.loads(row.record).get("data") or {}).get("taught_by") or ()
        author = str(AuthorName(AuthorKind.STUDENT, row.name))
        lineage = Lineage(tuple(map(str, teachers)), (row.base,))
        lineages[author] = lineages.get(author, Lineage()) + lineage
    return lineages
