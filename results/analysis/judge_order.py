"""Rank correlation of judges: whether two judges order the authors alike.

Authors are ordered by their mean score against one opponent, in each judge's largest contest of the pair.
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

MIN_AUTHORS = 3  # with two authors the correlation can only be −1 or 1


async def compare_judge_orders(
    store: Store, contest_index: ContestIndex, opponent: ResponseSet, split: str, judge_ids: Sequence[str]
) -> dict[tuple[int, int], float | NotEstimable]:
    """Return Kendall's τ-b for each pair of judges, by their positions in `judge_ids`."""
    loaded: dict[str, list[Contest]] = {}
    rates = []
    for judge_id in judge_ids:
        largest: dict[str, ContestEntry] = {}
        for entry in contest_index.entries:
            if entry.judge_id == judge_id and opponent.id in entry.sets and entry.split == split:
                (author,) = entry.sets - {opponent.id}
                if not entry.stopped and (author not in largest or entry.size > largest[author].size):
                    largest[author] = entry
        rates.append(await _mean_scores(store, largest, loaded) if len(largest) >= MIN_AUTHORS else {})
    correlations = {}
    for first, second in combinations(range(len(judge_ids)), 2):
        shared = sorted(rates[first].keys() & rates[second].keys())
        correlations[first, second] = rank_correlation(
            *([rates_of_judge[name] for name in shared] for rates_of_judge in (rates[first], rates[second]))
        )
    return correlations


async def _mean_scores(
    store: Store, entries: dict[str, ContestEntry], loaded: dict[str, list[Contest]]
) -> dict[str, float]:
    """Return set id → mean score against the opponent over complete dialogues; `loaded` caches runs."""
    scores_by_author = {}
    for author, entry in entries.items():
        if entry.run_id not in loaded:
            loaded[entry.run_id] = await load_contests(store, entry.run_id)
        for contest in loaded[entry.run_id]:
            if contest.judge_id == entry.judge_id and {contest.a.id, contest.b.id} == entry.sets:
                columns = contest.columns if contest.a.id == author else contest.columns.swap_authors()
                scores = dialogue_scores(columns).score
                if (~np.isnan(scores)).any():
                    scores_by_author[author] = float(np.nanmean(scores))
    return scores_by_author
