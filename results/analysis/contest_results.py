"""Results of a judging run, computed from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from results.analysis.early_stopping import JudgmentIndex, StoppingResult, StoppingRule, stopping_result
from results.analysis.endpoint_report import EndpointReport, RunReport
from results.db.store import Store
from results.queries.contests import Contest, load_contests
from results.queries.study_runs import runs_of
from results.statistics import WinRate, win_rate

SEED = 0


@dataclass(frozen=True)
class JudgeResult:
    """One judge's result in a judging run.

    Attributes:
        contest: the contest with its judgments.
        hard, soft: win rates from hard and from soft verdicts; `soft` is None without probabilities.
        endpoint: what the judge's endpoint did in this invocation; None when nothing was sent.
        stopped: result of early stopping. If set, it replaces the win rates, whose intervals do not hold.
        unanswered_usd: upper bound on the cost of attempts without a completion, over the whole run.
    """

    contest: Contest
    hard: WinRate
    soft: WinRate | None
    endpoint: EndpointReport | None
    stopped: StoppingResult | None = None
    unanswered_usd: float = 0.0

    @property
    def problem(self) -> str:
        """Description of a problem; "" if every request has a completion and some state a verdict."""
        problem = self.endpoint.problem if self.endpoint is not None else ""
        if problem or not self.contest.expected or self.has_verdicts:
            return problem
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(self.unscored.items()))
        return f"no verdict could be parsed ({counts or 'nothing was judged'})."

    @property
    def has_verdicts(self) -> bool:
        """Whether any judgment has a verdict."""
        return not bool(np.isnan(self.contest.columns.outcome).all())

    @property
    def unscored(self) -> dict[str, int]:
        """Number of judgments without a verdict, by reason, including requests without a completion."""
        reasons = dict(self.hard.unscored)
        if self.hard.not_judged:
            reasons["no answer"] = reasons.get("no answer", 0) + self.hard.not_judged
        return reasons


@dataclass(frozen=True)
class JudgingResult:
    """Result of a judging run; `adapted` lists the parameters that judges refused and their replacements."""

    run_id: str
    spec: Mapping[str, Any]
    judges: tuple[JudgeResult, ...]
    interrupted: bool = False
    adapted: tuple[str, ...] = ()


async def summarize_judging(
    store: Store,
    run_id: str,
    seed: int = SEED,
    report: RunReport | None = None,
    given_up: Mapping[str, Collection[JudgmentIndex]] | None = None,
    snapshots: Collection[str] = (),
) -> JudgingResult:
    """Return the result of a judging run from the database.

    Args:
        seed: seed of the resampling.
        report: what this invocation did; None outside a run.
        given_up: judge id → judgments that this invocation requested without getting a completion.
        snapshots: answering models to restrict to, as for `load_contests`.
    """
    spec = orjson.loads(await store.spec_of(run_id))
    until = StoppingRule.of_spec(spec)
    contests = await load_contests(store, run_id, snapshots)
    unanswered: Counter[str] = Counter()
    for run in await runs_of(store, run_id):
        unanswered.update(await store.unanswered_usd(run))
    judges = []
    for contest in contests:
        hard = win_rate(contest.columns, seed=seed)
        endpoint = report.endpoints.get(f"{contest.judge_provider}/{contest.judge_model}") if report else None
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
        usd = unanswered[f"{contest.judge_provider}/{contest.judge_model}"]
        judges.append(JudgeResult(contest, hard, _soft_win_rate(contest, seed), endpoint, stopped, usd))
    return JudgingResult(run_id, spec, tuple(judges), bool(report and report.interrupted))


def _soft_win_rate(contest: Contest, seed: int) -> WinRate | None:
    """Return the soft win rate, or None unless every verdict has probabilities."""
    columns = contest.columns
    scored = columns.outcome == columns.outcome
    if not scored.any() or not (columns.soft[scored] == columns.soft[scored]).all():
        return None
    return win_rate(columns, seed=seed, soft=True)
