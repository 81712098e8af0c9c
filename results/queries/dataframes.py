"""Stored runs, judgments and responses as pandas DataFrames, read-only.

One row is one run, one judgment or one response. Rates and scores lie in [0, 1]; an unscored judgment is NaN
with its reason in another column.
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
    """Return every run, newest first, with its spec (JSON), start time and spending."""
    import pandas

    run, invocation = table(RunRow).c, table(InvocationRow).c
    query = (
        select(run.id, run.kind, run.created_at, func.coalesce(func.sum(invocation.spent_usd), 0.0), run.spec)
        .join(table(InvocationRow), invocation.run_id == run.id, isouter=True)
        .group_by(run.id, run.kind, run.created_at, run.spec)
        .order_by(run.created_at.desc(), run.id)
    )
    frame = _frame(RUNS, await store.read(lambda connection: connection.execute(query).all()))
    frame["begun"] = pandas.to_datetime(frame["begun"], unit="s", utc=True)
    return frame


async def judgments(store: Store, run_id: str) -> DataFrame:
    """Return the judgments of a run that count, one row each.

    Columns: `judge`; authors `a`, `b`; `dialogue`, its `emotion` and `sentiment`; `a_first`: whether A stood
    first; `sample`; `score_a`: 1 if A was preferred, ½ for a tie, 0 if B was, NaN if unscored; `soft_a`: the
    same from probabilities, if the judge returns them; `unscored`: the reason, else "".

    Args:
        run_id: the complete id (`results.report.find_run` resolves abbreviations).
    """
    rows: list[tuple[Any, ...]] = []
    for contest in await load_contests(store, run_id):
        columns = contest.columns
        dialogues = [contest.dialogues[code] for code in columns.dialogue.tolist()]
        values_by_column = (columns.a_first, columns.sample, columns.outcome, columns.soft, columns.reason)
        rows += [
            (
                contest.judge,
                contest.a.name,
                contest.b.name,
                dialogue.id,
                dialogue.emotion,
                dialogue.sentiment,
                *rest,
            )
            for dialogue, *rest in zip(
                dialogues, *(values.tolist() for values in values_by_column), strict=True
            )
        ]
    return _frame(JUDGMENTS, rows)


async def responses(store: Store, author: str = "") -> DataFrame:
    """Return every response, or one author's (`student:NAME`, `dataset:human`), under any preset, one row
    each.
    """
    dialogue, response, of_set = table(DialogueRow).c, table(ResponseRow).c, table(ResponseSetRow).c
    query = (
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
        query = query.where(of_set.author == author)
    return _frame(RESPONSES, await store.read(lambda connection: connection.execute(query).all()))


def _frame(columns: tuple[str, ...], rows: Any) -> DataFrame:
    import pandas

    return pandas.DataFrame([tuple(row) for row in rows], columns=list(columns))
