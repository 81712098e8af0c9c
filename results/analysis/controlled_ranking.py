"""Ranking of all authors at equal length and style, by judge (controlled Bradley–Terry model)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.models.spec import is_emulated
from agents.types import ResponseSet
from results.analysis.leaderboard import complete_contests
from results.db.store import Store
from results.queries.contest_index import ContestEntry
from results.queries.contests import Contest
from results.statistics import ControlledStrengths, NotEstimable, controlled_strengths, dialogue_scores

_SENTENCE = re.compile(r"[.!?…。！？]+(?=\s|$)")
_LISTED = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
COVARIATES: Mapping[str, Callable[[str], float]] = {
    "words": lambda text: float(len(text.split())),
    "questions": lambda text: float(text.count("?") + text.count("？")),
    "exclamations": lambda text: float(text.count("!") + text.count("！")),
    "words a sentence": lambda text: len(text.split()) / max(1, len(_SENTENCE.findall(text.strip()))),
    "list items": lambda text: float(len(_LISTED.findall(text))),
}


@dataclass(frozen=True, eq=False)
class ControlledRanking:
    """One judge's ranking of the authors at equal length and style.

    Attributes:
        judge, judge_id: identity of the judge.
        authors: authors sorted by name; their position is their code in `strengths`.
        strengths: strengths controlled for length and style.
        emulated: whether the judge is emulated.
    """

    judge: str
    judge_id: str
    authors: tuple[ResponseSet, ...]
    strengths: ControlledStrengths | NotEstimable
    emulated: bool


async def controlled_rankings(
    store: Store,
    judges: Sequence[str] = (),
    *,
    split: str = "test",
    seed: int = 0,
    exclude_same_family: bool = False,
) -> list[ControlledRanking]:
    """Rank the authors by judge, from the contests of the leaderboard.

    Raises:
        UserError: as `complete_contests`.
    """
    by_judge, _ = await complete_contests(store, judges, split=split, exclude_same_family=exclude_same_family)
    sets = {
        author.id: author
        for contests in by_judge.values()
        for _, contest in contests
        for author in (contest.a, contest.b)
    }
    measured = {set_id: await _measure_covariates(store, set_id) for set_id in sets}
    return [_rank_authors(judge_id, contests, measured, seed) for judge_id, contests in by_judge.items()]


async def _measure_covariates(store: Store, set_id: str) -> dict[str, list[float]]:
    """Return the covariates of each response, by dialogue key."""
    return {
        response.dialogue: [measure(response.text) for measure in COVARIATES.values()]
        for response in await store.responses(set_id)
    }


def _rank_authors(
    judge_id: str,
    contests: Sequence[tuple[ContestEntry, Contest]],
    measured: Mapping[str, Mapping[str, Sequence[float]]],
    seed: int,
) -> ControlledRanking:
    sets = {author.id: author for _, contest in contests for author in (contest.a, contest.b)}
    authors = tuple(sorted(sets.values(), key=lambda author: (author.name, author.id)))
    codes = {author.id: code for code, author in enumerate(authors)}
    code_of_dialogue = {
        key: code
        for code, key in enumerate(
            sorted({dialogue.key for _, contest in contests for dialogue in contest.dialogues})
        )
    }
    rows: list[tuple[int, int, float, int]] = []
    differences: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for _, contest in contests:
        scores = dialogue_scores(contest.columns).score
        for position in np.flatnonzero(~np.isnan(scores)):
            key = contest.dialogues[position].key
            rows.append(
                (codes[contest.a.id], codes[contest.b.id], float(scores[position]), code_of_dialogue[key])
            )
            first_covariates, second_covariates = measured[contest.a.id][key], measured[contest.b.id][key]
            differences.append(np.array(first_covariates) - np.array(second_covariates))
    strengths: ControlledStrengths | NotEstimable = NotEstimable(
        "controlled strengths", "no dialogue has both orders scored"
    )
    if rows:
        first, second, score, dialogue = (np.array(column) for column in zip(*rows, strict=True))
        strengths = controlled_strengths(
            first.astype(np.int64),
            second.astype(np.int64),
            score.astype(np.float64),
            dialogue.astype(np.int64),
            np.array(differences),
            tuple(COVARIATES),
            len(authors),
            seed=seed,
        )
    entry = contests[0][0]
    return ControlledRanking(entry.judge, judge_id, authors, strengths, is_emulated(entry.model))
