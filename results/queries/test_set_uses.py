"""Test-set uses: how often the test split was used to judge an author, counted in one place.

A use is a distinct pair of opponent and judge. The same contest judged again, with more samples, in another
run or summarised anew, is no further use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import orjson
from sqlalchemy import select

from results.db.schema import ContestRow, RunRow, table
from results.db.store import Store

USES_TEST = ("test", "all")  # splits that hold test dialogues
Met = tuple[str, str, str]  # judge id, and the ids of the two sets of responses


def counted(contests: Iterable[Met]) -> Counter[str]:
    """By set id, its uses: over contests on a split that holds test dialogues."""
    distinct = {(judge, frozenset((a, b))) for judge, a, b in contests}
    return Counter(one for _, pair in distinct for one in pair)


async def load_test_set_uses(store: Store, sets: Collection[str]) -> dict[str, int]:
    """The test-set uses of these sets in a database, by set id; 0 where there is none."""
    contest, run = table(ContestRow).c, table(RunRow).c
    wanted = select(contest.judge_id, contest.set_a, contest.set_b, run.spec).join(
        table(RunRow), run.id == contest.run_id
    )
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    found = counted(
        (row.judge_id, row.set_a, row.set_b)
        for row in rows
        if orjson.loads(row.spec).get("split") in USES_TEST
    )
    return {one: found[one] for one in sets}
