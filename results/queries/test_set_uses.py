"""Test-set uses: how often an author was judged on the test split.

A use is a distinct pair of opponent and judge. The same contest judged again, with more samples, in another
run or summarised again, is no further use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import orjson
from sqlalchemy import select

from results.db.schema import ContestRow, RunRow, table
from results.db.store import Store

USES_TEST = ("test", "all")  # splits with test dialogues
ContestKey = tuple[str, str, str]  # judge id, and the ids of the two sets of responses


def count_uses(contests: Iterable[ContestKey]) -> Counter[str]:
    """Return the number of uses by set id, of contests on a split with test dialogues."""
    distinct = {(judge, frozenset((a, b))) for judge, a, b in contests}
    return Counter(set_id for _, pair in distinct for set_id in pair)


async def load_test_set_uses(store: Store, sets: Collection[str]) -> dict[str, int]:
    """Return the test-set uses of these response sets by set id; 0 if there is none."""
    contest, run = table(ContestRow).c, table(RunRow).c
    query = select(contest.judge_id, contest.set_a, contest.set_b, run.spec).join(
        table(RunRow), run.id == contest.run_id
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    uses = count_uses(
        (row.judge_id, row.set_a, row.set_b)
        for row in rows
        if orjson.loads(row.spec).get("split") in USES_TEST
    )
    return {set_id: uses[set_id] for set_id in sets}
