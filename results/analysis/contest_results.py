"""Results of a judging run, computed from the database alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from results.analysis.early_stopping import JudgmentIndex, StoppingResult, StoppingRule, stopping_result
from results.analysis.endpoint_report import EndpointReport, RunReport
from results.db.store import Store
from results.queries.contests import Contest, load_contests
from results.statistics import WinRate, win_rate

SEED = 0


@dataclass(frozen=True)
class JudgeResult:
    """One judge's result: the contest, its win rate, what its lane did in this invocation.

    Where `stopped` is there, it alone is the result: the win rates' intervals do not hold beside it.
    `unanswered_usd` is the most that attempts without an answer may have cost, in all of the run.
    """

    contest: Contest
    hard: WinRate
    soft: WinRate | None
    lane: EndpointReport | None
    stopped: StoppingResult | None = None
    unanswered_usd: float = 0.0

    @property
    def trouble(self) -> str:
        """What went wrong, for people; "" where every request has its answer and some state a verdict."""
        lane = self.lane.trouble if self.lane is not None else ""
        if lane or not self.contest.expected or self.has_verdicts:
            return lane
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(self.unscored.items()))
        return f"not one verdict was read ({counts or 'nothing was judged'})."

    @property
    def has_verdicts(self) -> bool:
        """Whether the judge stated any verdict."""
        return not bool(np.isnan(self.contest.columns.outcome).all())

    @property
    def unscored(self) -> dict[str, int]:
        """Judgments without a verdict, by reason; calls that never got an answer among them."""
        reasons = dict(self.hard.unscored)
        if self.hard.not_judged:
            reasons["no answer"] = reasons.get("no answer", 0) + self.hard.not_judged
        return reasons


@dataclass(frozen=True)
class Summary:
    """A judging run's result; `adapted` says which parameters judges refused, and how they were asked."""

    run_id: str
    spec: Mapping[str, Any]
    judges: tuple[JudgeResult, ...]
    interrupted: bool = False
    adapted: tuple[str, ...] = ()


async def summarise(
    store: Store,
    run_id: str,
    seed: int = SEED,
    report: RunReport | None = None,
    given_up: Mapping[str, Collection[JudgmentIndex]] | None = None,
    snapshots: Collection[str] = (),
) -> Summary:
    """A run's result, from the database alone (and what this invocation did, where there was one).

    Args:
        given_up: by judge, what this invocation asked for and got no answer to.
        snapshots: as `load_contests` takes them.
    """
    spec = orjson.loads(await store.spec_of(run_id))
    until = StoppingRule.of_spec(spec)
    contests = await load_contests(store, run_id, snapshots)
    unanswered = await store.unanswered_usd(run_id)
    judges = []
    for contest in contests:
        hard = win_rate(contest.columns, seed=seed)
        lane = report.endpoints.get(f"{contest.judge_provider}/{contest.judge_model}") if report else None
        stopped = None
        if until is not None:
            stopped = stopping_result(
                contest.columns,
                until,
                n_contests=len(contests),
                samples=contest.samples,
                cost_usd=contest.cost_usd,
                given_up=(given_up or {}).get(contest.judge_id, ()),
            )
        usd = unanswered.get(f"{contest.judge_provider}/{contest.judge_model}", 0.0)
        judges.append(JudgeResult(contest, hard, _soft(contest, seed), lane, stopped, usd))
    return Summary(run_id, spec, tuple(judges), bool(report and report.interrupted))


def _soft(contest: Contest, seed: int) -> WinRate | None:
    """The soft win rate, for a judge that gave probabilities with every verdict."""
    columns = contest.columns
    scored = columns.outcome == columns.outcome
    if not scored.any() or not (columns.soft[scored] == columns.soft[scored]).all():
        return None
    return win_rate(columns, seed=seed, soft=True)
