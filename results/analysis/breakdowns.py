"""Breakdowns of a judging run: by sentiment or emotion, and pooled over judges.

Contests judged with early stopping have no breakdown: their confidence sequence is the only valid result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.errors import UserError
from results.analysis.contest_results import JudgingResult
from results.db.store import Store
from results.queries.test_set_uses import USES_TEST, load_test_set_uses
from results.statistics import PooledRate, WinRate, breakdown, pooled_over_judges


@dataclass(frozen=True)
class Breakdowns:
    """Results that accompany the win rates of a run.

    Attributes:
        pooled: win rate pooled over the judges that are models; None with fewer than two.
        by: dialogue property that defines `groups`; "" for none.
        groups: judge id → group → win rate.
        shows_lengths: whether the win rates at equal response length are to be printed as well.
        test_set_uses: author → test-set uses so far, including this run; empty for other splits.
    """

    pooled: PooledRate | None = None
    by: str = ""
    groups: Mapping[str, Mapping[str, WinRate]] = field(default_factory=dict)
    shows_lengths: bool = False
    test_set_uses: Mapping[str, int] = field(default_factory=dict)


async def compute_breakdowns(
    store: Store, summary: JudgingResult, *, seed: int, by: str | None = None, length: bool = False
) -> Breakdowns:
    """Compute the requested breakdowns, and the pooled win rate when several models judged.

    Raises:
        UserError: a breakdown was requested for contests judged with early stopping.
    """
    if summary.is_stopped_early:
        if by or length:
            raise UserError(
                "not available for contests judged with early stopping",
                code="early-stopping.no-breakdown",
                where="--group-by" if by else "--length-control",
                remedy="Omit --stop-when to judge every dialogue.",
            )
        return Breakdowns(test_set_uses=await _count_test_set_uses(store, summary))
    groups = {}
    if by:
        for contest in (result.contest for result in summary.contests):
            properties = [getattr(dialogue, by) for dialogue in contest.dialogues]
            groups[contest.judge_id] = breakdown(contest.columns, properties, seed=seed)
    test_set_uses = await _count_test_set_uses(store, summary)
    return Breakdowns(_pool_judges(summary, seed), by or "", groups, length, test_set_uses)


async def _count_test_set_uses(store: Store, summary: JudgingResult) -> dict[str, int]:
    if summary.spec.get("split") not in USES_TEST or not summary.contests:
        return {}
    contest = summary.contests[0].contest
    uses = await load_test_set_uses(store, (contest.a.id, contest.b.id))
    return {author.name: uses[author.id] for author in (contest.a, contest.b)}


def _pool_judges(summary: JudgingResult, seed: int) -> PooledRate | None:
    """Return the win rate pooled over models; control judges are baselines and do not count."""
    judges = [result.contest for result in summary.contests if not result.is_control]
    if len(judges) < 2:
        return None
    return pooled_over_judges({contest.judge: contest.columns for contest in judges}, seed=seed)
