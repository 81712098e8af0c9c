"""Breakdowns of a judging run: by sentiment or emotion, pooled over judges, at equal response length.

Contests judged with early stopping have no breakdown: their confidence sequence is the only valid result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.errors import UserError
from results.analysis.contest_results import JudgingResult
from results.db.store import Store
from results.queries.contests import Contest
from results.queries.test_set_uses import USES_TEST, load_test_set_uses
from results.statistics import (
    LengthControl,
    NotEstimable,
    PooledRate,
    WinRate,
    breakdown,
    length_controlled,
    pooled_over_judges,
)

CONTROL = "control"


@dataclass(frozen=True)
class Breakdowns:
    """Results that accompany the win rates of a run.

    Attributes:
        pooled: win rate pooled over the judges that are models; None with fewer than two.
        by: dialogue property that defines `groups`; "" for none.
        groups: judge id → group → win rate.
        lengths: judge id → win rate at equal response length.
        test_set_uses: author → test-set uses so far, including this run; empty for other splits.
    """

    pooled: PooledRate | None = None
    by: str = ""
    groups: Mapping[str, Mapping[str, WinRate]] = field(default_factory=dict)
    lengths: Mapping[str, LengthControl | NotEstimable] = field(default_factory=dict)
    test_set_uses: Mapping[str, int] = field(default_factory=dict)


async def compute_breakdowns(
    store: Store, summary: JudgingResult, *, seed: int, by: str | None = None, length: bool = False
) -> Breakdowns:
    """Compute the requested breakdowns, and the pooled win rate when several models judged.

    Raises:
        UserError: a breakdown was requested for contests judged with early stopping.
    """
    if any(judge.stopped for judge in summary.judges):
        if by or length:
            raise UserError(
                "not available for contests judged with early stopping",
                code="early-stopping.no-breakdown",
                where="--group-by" if by else "--length-control",
                remedy="Omit --stop-when to judge every dialogue.",
            )
        return Breakdowns(test_set_uses=await _count_test_set_uses(store, summary))
    groups, lengths = {}, {}
    for judge in summary.judges:
        contest = judge.contest
        if by:
            properties = [getattr(dialogue, by) for dialogue in contest.dialogues]
            groups[contest.judge_id] = breakdown(contest.columns, properties, seed=seed)
        if length:
            words = [await _word_counts(store, author.id, contest) for author in (contest.a, contest.b)]
            lengths[contest.judge_id] = length_controlled(contest.columns, *words)
    test_set_uses = await _count_test_set_uses(store, summary)
    return Breakdowns(_pool_judges(summary, seed), by or "", groups, lengths, test_set_uses)


async def _count_test_set_uses(store: Store, summary: JudgingResult) -> dict[str, int]:
    if summary.spec.get("split") not in USES_TEST or not summary.judges:
        return {}
    contest = summary.judges[0].contest
    uses = await load_test_set_uses(store, (contest.a.id, contest.b.id))
    return {author.name: uses[author.id] for author in (contest.a, contest.b)}


def _pool_judges(summary: JudgingResult, seed: int) -> PooledRate | None:
    """Return the win rate pooled over models; control judges are baselines and do not count."""
    judges = [judge.contest for judge in summary.judges if judge.contest.judge_provider != CONTROL]
    if len(judges) < 2:
        return None
    return pooled_over_judges({contest.judge: contest.columns for contest in judges}, seed=seed)


async def _word_counts(store: Store, set_id: str, contest: Contest) -> list[float]:
    counts = {response.dialogue: len(response.text.split()) for response in await store.responses(set_id)}
    return [float(counts[dialogue.key]) for dialogue in contest.dialogues]
