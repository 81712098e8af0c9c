"""How the authors of sets were asked that were made before it was part of a set's identity.

    kept = await kept_sets(store, {set_id: asking, …})

Such a set keeps its id. When it is first met again, how its author is asked now is taken down beside it; from
then on it is that author's only while this stays the same. Knows nothing of tokenizers: an asking is a text.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from results.db.bulk import insert_if_absent
from results.db.schema import ResponseSetRow, SetAskingRow, table
from results.db.store import Store


async def kept_sets(store: Store, askings: Mapping[str, str]) -> set[str]:
    """Those of these sets that are in the database and whose author is asked as it was.

    Args:
        askings: how each set's author is asked now, by the id that the set had before.
    """
    sets, taken = table(ResponseSetRow), table(SetAskingRow)

    def work(connection: Connection) -> set[str]:
        there = set(connection.execute(select(sets.c.id).where(sets.c.id.in_(list(askings)))).scalars())
        if there:
            insert_if_absent(
                connection, taken, [{"set_id": one, "asking": askings[one]} for one in sorted(there)]
            )
        known = connection.execute(select(taken.c.set_id, taken.c.asking).where(taken.c.set_id.in_(there)))
        return {row.set_id for row in known if row.asking == askings[row.set_id]}

    return await store.database.write(work)
