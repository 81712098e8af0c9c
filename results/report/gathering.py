"""Everything that a run's page tells, read from the database: numbers, examples, and how it was made.

What is read here once is all that the page is made of: the page itself is a pure function of `Material`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from sqlalchemy import func, select

from agents.errors import UserError
from agents.registry import EMULATED
from agents.vocabulary import ResponseSet
from results.contests import Contest, contests_of
from results.report.examples import CONTROL, EXAMPLES, Examples, examples_of
from results.report.finding import JUDGING
from results.report.reading import rows_of
from results.statistics import WinRate, win_rate
from results.store import Store
from results.tables import (
    AttemptRow,
    InvocationRow,
    JudgeRow,
    PromptRow,
    RunRow,
    table,
)

_NOT_AUTHORED_BY_A_MODEL = ("dataset:", "file:")


@dataclass(frozen=True, eq=False)
class Judged:
    """One contest with its numbers.

    Attributes:
        contest: the judgments.
        hard: the win rate of hard verdicts.
        soft: of soft ones; None where the judge did not give probabilities with every verdict.
        sampling: the judge's parameters, by name.
    """

    contest: Contest
    hard: WinRate
    soft: WinRate | None
    sampling: Mapping[str, Any]

    @property
    def is_control(self) -> bool:
        """Whether the judge is one of those that need no key."""
        return self.contest.judge_provider == CONTROL

    @property
    def is_emulated(self) -> bool:
        """Whether its answers come from the emulator."""
        return self.contest.judge_model.startswith(EMULATED)

    @property
    def unscored(self) -> dict[str, int]:
        """Judgments without a verdict, by reason; those never answered, or not asked yet, as "no answer"."""
        reasons = dict(self.hard.unscored)
        if self.hard.not_judged:
            reasons["no answer"] = reasons.get("no answer", 0) + self.hard.not_judged
        return reasons


@dataclass(frozen=True, eq=False)
class Pair:
    """Two authors and every judge of them: the models by name, then the control judges."""

    a: ResponseSet
    b: ResponseSet
    judged: tuple[Judged, ...]
    examples: Examples


@dataclass(frozen=True, slots=True)
class Invocation:
    """One start of a process that worked on the run; times in seconds since 1970."""

    command: str
    context: Mapping[str, Any]
    started_at: float
    ended_at: float | None
    spent_usd: float


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt in full, under its version."""

    version: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Tries of one model that got no answer, of one kind."""

    model: str
    failure: str
    count: int


@dataclass(frozen=True, eq=False)
class Material:
    """All of a run's page.

    Attributes:
        run_id, spec, created_at: as recorded.
        seed: of the resampling and of the choice of examples.
        pairs: the contests, by their two authors; empty where the run was begun and never described.
        prompts, invocations, failures: how the answers were come by.
    """

    run_id: str
    spec: Mapping[str, Any]
    created_at: float
    seed: int
    pairs: tuple[Pair, ...]
    prompts: tuple[Wording, ...]
    invocations: tuple[Invocation, ...]
    failures: tuple[Failed, ...]

    @property
    def is_emulated(self) -> bool:
        """Whether any verdict, or any response that was judged, comes from the emulator."""
        return any(
            judged.is_emulated or _author_is_emulated(pair.a) or _author_is_emulated(pair.b)
            for pair in self.pairs
            for judged in pair.judged
        )


async def gather(store: Store, run_id: str, *, seed: int | None = None, examples: int = EXAMPLES) -> Material:
    """All of a run's page.

    Args:
        seed: None takes the run's own.
        examples: how many at most, over all pairs of authors.

    Raises:
        UserError: there is no such run, it judges nothing, or it stopped when its question was answered.
    """
    run = table(RunRow).c
    found = await rows_of(store, select(run.kind, run.spec, run.created_at).where(run.id == run_id))
    if not found:
        raise UserError("there is no such run in this database", where=store.database.shown, found=run_id)
    row = found[0]
    spec = orjson.loads(row.spec)
    if "until" in spec:
        raise UserError(
            "this run stopped when its question was answered: its sequence stands alone, without a page",
            found=run_id,
            remedy="Read it with the same empathy judge … --until; judge without --until for a page.",
        )
    # models before the floor that they are held against
    contests = sorted(await contests_of(store, run_id), key=lambda one: one.judge_provider == CONTROL)
    if row.kind != JUDGING and not contests:
        raise UserError(
            "there is nothing to report of this run: it judges nothing",
            where=run_id,
            found=f"a run of the kind {row.kind!r}",
            remedy="Report a judging run; 'last' is the newest of them.",
        )
    own_seed = int(spec.get("seed", 0)) if seed is None else seed
    samplings = await _samplings(store, [contest.judge_id for contest in contests])
    by_pair: dict[tuple[str, str], list[Contest]] = {}
    for contest in contests:
        by_pair.setdefault((contest.a.id, contest.b.id), []).append(contest)
    pairs = []
    for of_pair in by_pair.values():
        judged = tuple(_judged(contest, own_seed, samplings) for contest in of_pair)
        chosen = await examples_of(store, of_pair, seed=own_seed, limit=examples // len(by_pair))
        pairs.append(Pair(of_pair[0].a, of_pair[0].b, judged, chosen))
    return Material(
        run_id=run_id,
        spec=spec,
        created_at=row.created_at,
        seed=own_seed,
        pairs=tuple(pairs),
        prompts=await _prompts(store, {contest.prompt_version for contest in contests}),
        invocations=await _invocations(store, run_id),
        failures=await _failures(store, run_id),
    )


def soft_win_rate(contest: Contest, seed: int) -> WinRate | None:
    """The soft win rate, for a judge that gave probabilities with every verdict."""
    columns = contest.columns
    scored = ~np.isnan(columns.outcome)
    if not scored.any() or np.isnan(columns.soft[scored]).any():
        return None
    return win_rate(columns, seed=seed, soft=True)


def _judged(contest: Contest, seed: int, samplings: Mapping[str, Mapping[str, Any]]) -> Judged:
    hard = win_rate(contest.columns, seed=seed)
    return Judged(contest, hard, soft_win_rate(contest, seed), samplings[contest.judge_id])


def _author_is_emulated(of: ResponseSet) -> bool:
    """Whether a model made the responses and that model is the emulator's."""
    if of.author.startswith(_NOT_AUTHORED_BY_A_MODEL):
        return False
    return of.author.partition("/")[2].startswith(EMULATED) or f"/{EMULATED}" in of.made


async def _samplings(store: Store, judge_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    columns = table(JudgeRow).c
    wanted = select(columns.id, columns.sampling).where(columns.id.in_(judge_ids))
    return {row.id: orjson.loads(row.sampling) for row in await rows_of(store, wanted)}


async def _prompts(store: Store, versions: set[str]) -> tuple[Wording, ...]:
    columns = table(PromptRow).c
    wanted = (
        select(columns.version, columns.name, columns.text)
        .where(columns.version.in_(sorted(versions - {""})))
        .order_by(columns.name, columns.version)
    )
    return tuple(Wording(*row) for row in await rows_of(store, wanted))


async def _invocations(store: Store, run_id: str) -> tuple[Invocation, ...]:
    columns = table(InvocationRow).c
    wanted = (
        select(columns.command, columns.context, columns.started_at, columns.ended_at, columns.spent_usd)
        .where(columns.run_id == run_id)
        .order_by(columns.started_at, columns.id)
    )
    return tuple(
        Invocation(row.command, orjson.loads(row.context), row.started_at, row.ended_at, row.spent_usd)
        for row in await rows_of(store, wanted)
    )


async def _failures(store: Store, run_id: str) -> tuple[Failed, ...]:
    attempt, invocation = table(AttemptRow).c, table(InvocationRow).c
    wanted = (
        select(attempt.model, attempt.failure, func.count())
        .join(table(InvocationRow), invocation.id == attempt.invocation_id)
        .where(invocation.run_id == run_id)
        .group_by(attempt.model, attempt.failure)
        .order_by(attempt.model, attempt.failure)
    )
    return tuple(Failed(row[0], row[1], int(row[2])) for row in await rows_of(store, wanted))
