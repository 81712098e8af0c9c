"""Cost of a report's completions: requests, tokens, money and latency, by purpose and model.

Each completion counts once, whichever run requested it; reused completions count with their original cost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from agents.models.registry import EMULATED
from results.db.schema import CompletionRow, GenerationRow, InvocationRow, JudgmentRow, ResponseRow, table
from results.db.store import Store
from results.queries.contests import run_dialogues_query
from results.queries.study_runs import runs_of
from results.report.batch_queries import chunks, rows_of

TEACHING, RESPONDING, JUDGING = "teaching", "responding", "judging"


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Completions of one model for one purpose.

    Attributes:
        purpose: teaching, responding or judging.
        model: `provider/model`.
        calls: number of completions.
        input_tokens, output_tokens: sums, as far as reported.
        cost_usd: None if a price is unknown.
        seconds: mean latency, without waiting in the queue; None if not measured.
    """

    purpose: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    seconds: float | None

    @property
    def is_emulated(self) -> bool:
        """Return whether the model is emulated, so that nothing was paid."""
        return self.model.partition("/")[2].startswith(EMULATED)


@dataclass(frozen=True, slots=True)
class RunTime:
    """Working time of a report's runs; seconds since 1970, and seconds.

    Attributes:
        first, last: first start and last end; None if there was none.
        worked: sum of the durations of all invocations, concurrent ones included.
        starts: number of invocations.
    """

    first: float | None
    last: float | None
    worked: float
    starts: int


@dataclass(frozen=True, slots=True)
class CostSummary:
    """Total cost of a report.

    Attributes:
        by_model: completions by purpose and model.
        time: working time.
        unanswered_usd: maximum cost of failed attempts.
    """

    by_model: tuple[ModelCost, ...]
    time: RunTime
    unanswered_usd: float = 0.0

    @property
    def calls(self) -> int:
        """Return the number of completions."""
        return sum(model_cost.calls for model_cost in self.by_model)

    @property
    def cost_usd(self) -> float | None:
        """Return the total cost; None if one is unknown."""
        costs = [model_cost.cost_usd for model_cost in self.by_model]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


async def summarize_cost(
    store: Store,
    run_id: str,
    contests: Sequence[tuple[str, str, str]],
    responded: Collection[str],
    teacher_sets: Collection[str],
    runs: Collection[str],
) -> CostSummary:
    """Summarise the cost of completions.

    Args:
        run_id: the run whose dialogues count.
        contests: (judge id, set A, set B).
        responded: ids of the judged response sets.
        taught: ids of the sets that students were trained on.
        runs: runs whose invocations count as time.
    """
    costs = [
        *await _of_sets(store, TEACHING, teacher_sets),
        *await _of_sets(store, RESPONDING, set(responded) - set(teacher_sets)),
        *await _of_judges(store, run_id, contests),
    ]
    return CostSummary(tuple(costs), await _time(store, runs), await _unanswered(store, runs))


def _cost_row(purpose: str, row: Any) -> ModelCost:
    priced = row.priced == row.calls
    return ModelCost(
        purpose,
        row.model,
        int(row.calls),
        int(row.input_tokens or 0),
        int(row.output_tokens or 0),
        float(row.cost_usd or 0.0) if priced else None,
        row.seconds,
    )


def _sums(where: ColumnElement[bool]) -> Select[Any]:
    completion = table(CompletionRow).c
    return (
        select(
            completion.model,
            func.count().label("calls"),
            func.sum(completion.input_tokens).label("input_tokens"),
            func.sum(completion.output_tokens).label("output_tokens"),
            func.sum(completion.cost_usd).label("cost_usd"),
            func.count(completion.cost_usd).label("priced"),
            func.avg(completion.latency_seconds).label("seconds"),
        )
        .where(where)
        .group_by(completion.model)
        .order_by(completion.model)
    )


async def _of_sets(store: Store, purpose: str, sets: Collection[str]) -> list[ModelCost]:
    """Return the costs of response sets, with one query for all of them."""
    if not sets:
        return []
    keys = select(table(GenerationRow).c.call_key).where(table(GenerationRow).c.set_id.in_(sorted(sets)))
    rows = await rows_of(store, _sums(table(CompletionRow).c.key.in_(keys)))
    return [_cost_row(purpose, row) for row in rows]


async def _of_judges(store: Store, run_id: str, contests: Sequence[tuple[str, str, str]]) -> list[ModelCost]:
    """Return the costs of judges, restricted to the report's contests."""
    runs = await runs_of(store, run_id)
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    first, second = table(ResponseRow).alias("first"), table(ResponseRow).alias("second")
    wanted = {(judge_id, frozenset((a, b))) for judge_id, a, b in contests}
    by_model: dict[str, list[ModelCost]] = {}
    for judge_id in sorted({judge_id for judge_id, *_ in contests}):
        answers = (
            select(judgment.call_key, first.c.set_id.label("one"), second.c.set_id.label("other"))
            .join(first, first.c.id == judgment.first)
            .join(second, second.c.id == judgment.second)
            .where(judgment.judge_id == judge_id, judgment.dialogue.in_(run_dialogues_query(runs[0])))
            .distinct()
            .subquery()
        )
        sums = _sums(completion.key == answers.c.call_key).add_columns(answers.c.one, answers.c.other)
        for row in await rows_of(store, sums.group_by(answers.c.one, answers.c.other)):
            if (judge_id, frozenset((row.one, row.other))) in wanted:
                by_model.setdefault(row.model, []).append(_cost_row(JUDGING, row))
    return [_together(of_model) for _, of_model in sorted(by_model.items())]


def _together(parts: Sequence[ModelCost]) -> ModelCost:
    calls = sum(model_cost.calls for model_cost in parts)
    costs = [model_cost.cost_usd for model_cost in parts]
    timed = [(model_cost.seconds, model_cost.calls) for model_cost in parts if model_cost.seconds is not None]
    waited = sum(seconds * count for seconds, count in timed)
    return ModelCost(
        parts[0].purpose,
        parts[0].model,
        calls,
        sum(model_cost.input_tokens for model_cost in parts),
        sum(model_cost.output_tokens for model_cost in parts),
        None if None in costs else sum(cost for cost in costs if cost is not None),
        waited / sum(count for _, count in timed) if timed else None,
    )


async def _unanswered(store: Store, runs: Collection[str]) -> float:
    costs = [sum((await store.unanswered_usd(run)).values()) for run in sorted(set(runs))]
    return sum(costs)


async def _time(store: Store, runs: Collection[str]) -> RunTime:
    invocation = table(InvocationRow).c
    rows: list[Any] = []
    for chunk in chunks(sorted(set(runs))):
        wanted = select(invocation.started_at, invocation.ended_at).where(invocation.run_id.in_(chunk))
        rows += await rows_of(store, wanted)
    ended = [row for row in rows if row.ended_at is not None]
    return RunTime(
        min((row.started_at for row in rows), default=None),
        max((row.ended_at for row in ended), default=None),
        sum(row.ended_at - row.started_at for row in ended),
        len(rows),
    )
