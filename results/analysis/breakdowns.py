"""What may stand beside the judges' win rates: by sentiment or emotion, pooled over judges, at equal length.

Reads the store; the statistics compute. Says nothing of contests that stopped on their own answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.errors import UserError
from results.analysis.contest_results import Summary
from results.db.store import Store
from results.queries.contest_index import name_of
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
    """What stands beside the win rates of a run.

    Attributes:
        pooled: over the judges that are models, where there are two or more.
        by: the property of dialogues that `groups` is by; "" for none.
        groups: by judge id, the win rate of each group.
        lengths: by judge id, the win rate at equal length, or why there is none.
        looks: by author, its test-set uses so far, this one counted; empty for another split.
    """

    pooled: PooledRate | None = None
    by: str = ""
    groups: Mapping[str, Mapping[str, WinRate]] = field(default_factory=dict)
    lengths: Mapping[str, LengthControl | NotEstimable] = field(default_factory=dict)
    looks: Mapping[str, int] = field(default_factory=dict)


async def beside(
    store: Store, summary: Summary, *, seed: int, by: str | None = None, length: bool = False
) -> Breakdowns:
    """All of it that was asked for; pooling wherever several models judged to the end.

    Raises:
        UserError: it was asked for beside contests that stopped on their own answers.
    """
    if any(judge.stopped for judge in summary.judges):
        if by or length:
            raise UserError(
                "not available for contests judged with early stopping",
                code="early-stopping.no-breakdown",
                where="--group-by" if by else "--length-control",
                remedy="Omit --stop-when to judge every dialogue.",
            )
        return Breakdowns(looks=await _looks(store, summary))
    groups, lengths = {}, {}
    for judge in summary.judges:
        contest = judge.contest
        if by:
            properties = [getattr(dialogue, by) for dialogue in contest.dialogues]
            groups[contest.judge_id] = breakdown(contest.columns, properties, seed=seed)
        if length:
            words = [await _words(store, of.id, contest) for of in (contest.a, contest.b)]
            lengths[contest.judge_id] = length_controlled(contest.columns, *words)
    looks = await _looks(store, summary)
    return Breakdowns(_pooled(summary, seed), by or "", groups, lengths, looks)


async def _looks(store: Store, summary: Summary) -> dict[str, int]:
    if summary.spec.get("split") not in USES_TEST or not summary.judges:
        return {}
    contest = summary.judges[0].contest
    uses = await load_test_set_uses(store, (contest.a.id, contest.b.id))
    return {name_of(of): uses[of.id] for of in (contest.a, contest.b)}


def _pooled(summary: Summary, seed: int) -> PooledRate | None:
    """Control judges are floors, not opinions: they are left out."""
    judges = [judge.contest for judge in summary.judges if judge.contest.judge_provider != CONTROL]
    if len(judges) < 2:
        return None
    return pooled_over_judges({contest.judge: contest.columns for contest in judges}, seed=seed)


async def _words(store: Store, set_id: str, contest: Contest) -> list[float]:
    counts = {response.dialogue: len(response.text.split()) for response in await store.responses(set_id)}
    return [float(counts[dialogue.key]) for dialogue in contest.dialogues]
