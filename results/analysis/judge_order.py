"""Whether two judges put the authors in one order: by their mean scores against one opponent.

From the database alone; each judge's contest of a pair that counts (`ContestEntry.size`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from agents.types import ResponseSet
from results.db.store import Store
from results.queries.contest_index import ContestEntry, ContestIndex
from results.queries.contests import Contest, load_contests
from results.statistics.agreement import rank_correlation
from results.statistics.not_estimable import NotEstimable
from results.statistics.scores import dialogue_scores

FEWEST = 3  # authors: two are in one order or in the other


async def compare_judge_orders(
    store: Store, catalogue: ContestIndex, opponent: ResponseSet, split: str, judge_ids: Sequence[str]
) -> dict[tuple[int, int], float | NotEstimable]:
    """By two judges' places in `judge_ids`, τ-b of the authors that both judged against the opponent."""
    loaded: dict[str, list[Contest]] = {}
    rates = []
    for judge_id in judge_ids:
        fullest: dict[str, ContestEntry] = {}
        for entry in catalogue.entries:
            if entry.judge_id == judge_id and opponent.id in entry.sets and entry.split == split:
                (author,) = entry.sets - {opponent.id}
                if not entry.stopped and (author not in fullest or entry.size > fullest[author].size):
                    fullest[author] = entry
        rates.append(await _rates(store, fullest, loaded) if len(fullest) >= FEWEST else {})
    found = {}
    for one, other in combinations(range(len(judge_ids)), 2):
        shared = sorted(rates[one].keys() & rates[other].keys())
        found[one, other] = rank_correlation(
            *([of[name] for name in shared] for of in (rates[one], rates[other]))
        )
    return found


async def _rates(
    store: Store, entries: dict[str, ContestEntry], loaded: dict[str, list[Contest]]
) -> dict[str, float]:
    """By set, its mean score against the opponent over complete dialogues; `loaded` runs are kept."""
    found = {}
    for author, entry in entries.items():
        if entry.run_id not in loaded:
            loaded[entry.run_id] = await load_contests(store, entry.run_id)
        for contest in loaded[entry.run_id]:
            if contest.judge_id == entry.judge_id and {contest.a.id, contest.b.id} == entry.sets:
                columns = contest.columns if contest.a.id == author else contest.columns.swap_authors()
                scores = dialogue_scores(columns).score
                if (~np.isnan(scores)).any():
                    found[author] = float(np.nanmean(scores))
    return found
