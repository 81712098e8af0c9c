"""Results of contests, computed from the database: the same through every command, page and function."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from agents.models.spec import is_emulated
from results.analysis.early_stopping import METHOD, SCOPES, StoppingResult, StoppingRule, stopping_result
from results.analysis.endpoint_report import EndpointReport, RunReport
from results.analysis.response_length import Floats, LengthSummary, length_summary, word_counts
from results.db.store import Store
from results.queries.contests import CONTROL, Contest, load_contests
from results.queries.responses import load_word_counts
from results.queries.unanswered_requests import count_unanswered
from results.statistics import SingleOrder, WinRate, win_rate
from results.statistics.not_estimable import NotEstimable

SEED = 0
NO_ORDER = SingleOrder(None, None, None, 0, "")
_STOPPED_LENGTH = NotEstimable("length-controlled win rate", "the contest was stopped early")


@dataclass(frozen=True, eq=False)
class ContestResult:
    """Result of a contest under one judge.

    Attributes:
        contest: the contest with its judgments.
        hard: win rate of hard verdicts. After early stopping, its interval is the confidence sequence, and
            every estimate for a fixed number of dialogues is None.
        soft: win rate of soft verdicts; None unless every verdict has probabilities, or after early
            stopping.
        words: number of words of A's and of B's response per dialogue; NaN without a response.
        stopped: result of early stopping; None for a contest over all dialogues.
        unanswered_usd: upper bound on the cost of attempts without a completion, over the whole run.
    """

    contest: Contest
    hard: WinRate
    soft: WinRate | None
    words: tuple[Floats, Floats]
    stopped: StoppingResult | None = None
    unanswered_usd: float = 0.0

    @cached_property
    def lengths(self) -> LengthSummary:
        """Response lengths, and the win rate at equal length."""
        summary = length_summary(self.contest, *self.words)
        if self.stopped is None:
            return summary
        return LengthSummary(summary.words_a, summary.words_b, summary.a_longer, None, _STOPPED_LENGTH)

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Parameters of the judge, by name."""
        return self.contest.sampling

    @property
    def is_control(self) -> bool:
        """Whether the judge is a control judge, that is a baseline."""
        return self.contest.judge_provider == CONTROL

    @property
    def is_emulated(self) -> bool:
        """Whether the judge is emulated."""
        return is_emulated(self.contest.judge_model)

    @property
    def problem(self) -> str:
        """Description of a problem; "" if any judgment states a verdict."""
        if not self.contest.expected or self.has_verdicts:
            return ""
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(self.unscored.items()))
        return f"no verdict could be parsed ({counts or 'nothing was judged'})."

    @property
    def has_verdicts(self) -> bool:
        """Whether any judgment has a verdict."""
        return not bool(np.isnan(self.contest.columns.outcome).all())

    @property
    def unscored(self) -> dict[str, int]:
        """Number of judgments without a verdict, by reason.

        Requests without a completion count as "no answer", except in a contest with early stopping, where
        most of them were never due.
        """
        reasons = dict(self.hard.unscored)
        if self.hard.not_judged and self.stopped is None:
            reasons["no answer"] = reasons.get("no answer", 0) + self.hard.not_judged
        return reasons


@dataclass(frozen=True)
class JudgingResult:
    """Result of a judging run, and what one process did for it.

    Attributes:
        contests: results, in the order of the judges' names.
        invocation: judge id → what its endpoint did in this invocation; empty when nothing was sent.
        interrupted: whether this invocation was interrupted.
        adapted: parameters that judges refused in this invocation, and their replacements.
    """

    run_id: str
    spec: Mapping[str, Any]
    contests: tuple[ContestResult, ...]
    invocation: Mapping[str, EndpointReport] = field(default_factory=dict)
    interrupted: bool = False
    adapted: tuple[str, ...] = ()

    @property
    def is_stopped_early(self) -> bool:
        """Whether the contests were judged with early stopping."""
        return any(result.stopped for result in self.contests)

    @property
    def is_emulated(self) -> bool:
        """Whether any judge is emulated."""
        return any(result.is_emulated for result in self.contests)

    def endpoint(self, result: ContestResult) -> EndpointReport | None:
        """Return what the endpoint of a contest's judge did in this invocation; None if nothing was sent."""
        return self.invocation.get(result.contest.judge_id)

    def problem(self, result: ContestResult) -> str:
        """Describe a problem; "" if every request has a completion and some state a verdict."""
        endpoint = self.endpoint(result)
        return (endpoint.problem if endpoint is not None else "") or result.problem


async def summarize_judging(
    store: Store,
    run_id: str,
    seed: int | None = None,
    report: RunReport | None = None,
    snapshots: Collection[str] = (),
) -> JudgingResult:
    """Return the result of a judging run from the database.

    Args:
        seed: seed of the resampling; None for that of the run.
        report: what this invocation did; None outside a run.
        snapshots: answering models to restrict to, as for `load_contests`.

    Raises:
        UserError: unknown run, or no completion is of one of the snapshots.
    """
    results = tuple(await load_contest_results(store, run_id, seed=seed, snapshots=snapshots))
    endpoints = report.endpoints if report is not None else {}
    invocation = {
        result.contest.judge_id: endpoints[result.contest.model_id]
        for result in results
        if result.contest.model_id in endpoints
    }
    spec = orjson.loads(await store.spec_of(run_id))
    return JudgingResult(run_id, spec, results, invocation, bool(report and report.interrupted))


async def load_contest_results(
    store: Store, run_id: str, *, seed: int | None = None, snapshots: Collection[str] = ()
) -> list[ContestResult]:
    """Compute the results of all contests of a run or study, ordered by judge name.

    Args:
        seed: seed of the resampling; None for that of the run in which the contest was judged.
        snapshots: answering models to restrict to, as for `load_contests`.

    Raises:
        UserError: unknown run, or no completion is of one of the snapshots.
    """
    contests = await load_contests(store, run_id, snapshots)
    words = await load_word_counts(
        store, {each.id for contest in contests for each in (contest.a, contest.b)}
    )
    runs = {contest.run_id: contest for contest in contests}
    specs = {judged: orjson.loads(await store.spec_of(judged)) for judged in runs}
    unanswered_usd = {judged: await store.unanswered_usd(judged) for judged in runs}
    unanswered = {
        judged: await count_unanswered(store, judged) for judged in runs if "until" in specs[judged]
    }
    results = []
    for contest in contests:
        spec, model = specs[contest.run_id], contest.model_id
        own_seed = int(spec.get("seed", SEED)) if seed is None else seed
        rule, stopped = StoppingRule.of_spec(spec), None
        if rule is not None:
            stopped = stopping_result(
                contest.columns,
                rule,
                n_contests=len(spec["judges"]),
                samples=contest.samples,
                cost_usd=contest.cost_usd,
                unanswered=unanswered[contest.run_id].get(model, 0),
            )
        results.append(
            analyze_contest(
                contest,
                word_counts(contest, words),
                seed=own_seed,
                stopped=stopped,
                unanswered_usd=unanswered_usd[contest.run_id].get(model, 0.0),
            )
        )
    return results


def analyze_contest(
    contest: Contest,
    words: tuple[Floats, Floats],
    *,
    seed: int = SEED,
    stopped: StoppingResult | None = None,
    unanswered_usd: float = 0.0,
) -> ContestResult:
    """Compute the result of one contest.

    Args:
        words: number of words of A's and of B's response per dialogue, as from `word_counts`.
        seed: seed of the resampling.
        stopped: result of early stopping.
        unanswered_usd: upper bound on the cost of attempts without a completion.
    """
    columns = contest.columns
    scored = ~np.isnan(columns.outcome)
    has_soft = bool(scored.any()) and not np.isnan(columns.soft[scored]).any() and stopped is None
    hard = win_rate(columns, seed=seed)
    return ContestResult(
        contest,
        hard if stopped is None else _sequence_rate(hard, contest, stopped),
        win_rate(columns, seed=seed, soft=True) if has_soft else None,
        words,
        stopped,
        unanswered_usd,
    )


def _sequence_rate(hard: WinRate, contest: Contest, stopped: StoppingResult) -> WinRate:
    """Return the win rate after early stopping: the confidence sequence, and what is merely counted."""
    sequence = stopped.sequence
    return replace(
        hard,
        rate=sequence.rate,
        low=sequence.low,
        high=sequence.high,
        level=sequence.level,
        interval_method=METHOD,
        scope=SCOPES[sequence.estimand],
        n=sequence.prefix - sequence.incomplete,
        incomplete=sequence.incomplete,
        bound_low=None,
        bound_high=None,
        missing_lost=None,
        missing_won=None,
        order_robust_low=None,
        order_robust_high=None,
        a_first=NO_ORDER,
        b_first=NO_ORDER,
        note=stopped.note(contest.a.name, contest.b.name),
    )
