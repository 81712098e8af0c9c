"""Tokenizer identities of response sets that were stored before the identity became part of a set's id.

    kept = await unchanged_sets(store, {set_id: identity, …})

Such a set keeps its id. When it is first used again, the author's current tokenizer identity is recorded;
from then on the set belongs to that author only while the identity stays the same. An identity is an opaque
text here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from results.db.bulk import insert_if_absent
from results.db.schema import ResponseSetRow, SetAskingRow, table
from results.db.store import Store


async def unchanged_sets(store: Store, askings: Mapping[str, str]) -> set[str]:
    """Return the stored sets whose author still has the same tokenizer identity.

    Args:
        askings: current tokenizer identity of each set's author, by the id that the set had before.
    """
    sets, identities = table(ResponseSetRow), table(SetAskingRow)

    def work(connection: Connection) -> set[str]:
        existing = set(connection.execute(select(sets.c.id).where(sets.c.id.in_(list(askings)))).scalars())
        if existing:
            insert_if_absent(
                connection,
                identities,
                [{"set_id": set_id, "asking": askings[set_id]} for set_id in sorted(existing)],
            )
        recorded = connection.execute(
            select(identities.c.set_id, identities.c.asking).where(identities.c.set_id.in_(existing))
        )
        return {row.set_id for row in recorded if row.asking == askings[row.set_id]}

    return await store.database.write(work)
