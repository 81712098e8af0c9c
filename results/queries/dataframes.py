"""What the database holds as pandas DataFrames, for those who look for themselves.

One row is one run, one judgment, one response. Rates and scores lie in [0, 1]; what was not scored is NaN
with its reason beside it, and never a number. Reads only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from results.db.schema import DialogueRow, InvocationRow, ResponseRow, ResponseSetRow, RunRow, table
from results.db.store import Store
from results.queries.contests import load_contests

if TYPE_CHECKING:
    from pandas import DataFrame

RUNS = ("run", "kind", "begun", "spent_usd", "spec")
JUDGMENTS = (
    "judge",
    "a",
    "b",
    "dialogue",
    "emotion",
    "sentiment",
    "a_first",
    "sample",
    "score_a",
    "soft_a",
    "unscored",
)
RESPONSES = ("author", "preset", "dialogue", "emotion", "utterance", "response", "set")


async def runs(store: Store) -> DataFrame:
    """Every run, the latest first: what it is about (`spec`, JSON), when it was begun, what it has spent."""
    import pandas

    run, invocation = table(RunRow).c, table(InvocationRow).c
    wanted = (
        select(run.id, run.kind, run.created_at, func.coalesce(func.sum(invocation.spent_usd), 0.0), run.spec)
        .join(table(InvocationRow), invocation.run_id == run.id, isouter=True)
        .group_by(run.id, run.kind, run.created_at, run.spec)
        .order_by(run.created_at.desc(), run.id)
    )
    found = _frame(RUNS, await store.read(lambda connection: connection.execute(wanted).all()))
    found["begun"] = pandas.to_datetime(found["begun"], unit="s", utc=True)
    return found


async def judgments(store: Store, run_id: str) -> DataFrame:
    """Every judgment of a run that counts, a row each.

    Columns: `judge`; authors `a`, `b`; `dialogue`, its `emotion` and `sentiment`; `a_first`: A stood first;
    `sample`; `score_a`: 1 where A was preferred, ½ a tie, 0 where B was, NaN unscored; `soft_a`: the same
    from probabilities, where the judge gives them; `unscored`: why there is no score, else "".

    Args:
        run_id: the whole id (`results.report.find_run` knows what people write).
    """
    rows: list[tuple[Any, ...]] = []
    for contest in await load_contests(store, run_id):
        columns = contest.columns
        of = [contest.dialogues[code] for code in columns.dialogue.tolist()]
        told = (columns.a_first, columns.sample, columns.outcome, columns.soft, columns.reason)
        rows += [
            (contest.judge, contest.a.name, contest.b.name, one.id, one.emotion, one.sentiment, *rest)
            for one, *rest in zip(of, *(values.tolist() for values in told), strict=True)
        ]
    return _frame(JUDGMENTS, rows)


async def responses(store: Store, author: str = "") -> DataFrame:
    """Every response, or one author's (`student:NAME`, `dataset:human`), a row each, whatever the preset."""
    dialogue, response, of_set = table(DialogueRow).c, table(ResponseRow).c, table(ResponseSetRow).c
    wanted = (
        select(
            of_set.author,
            of_set.preset,
            dialogue.id,
            dialogue.emotion,
            dialogue.utterance,
            response.text,
            of_set.id,
        )
        .join(table(ResponseSetRow), of_set.id == response.set_id)
        .join(table(DialogueRow), dialogue.key == response.dialogue)
        .order_by(of_set.author, of_set.preset, of_set.id, dialogue.id)
    )
    if author:
        wanted = wanted.where(of_set.author == author)
    return _frame(RESPONSES, await store.read(lambda connection: connection.execute(wanted).all()))


def _frame(columns: tuple[str, ...], rows: Any) -> DataFrame:
    import pandas

    return pandas.DataFrame([tuple(row) for row in rows], columns=list(columns))
