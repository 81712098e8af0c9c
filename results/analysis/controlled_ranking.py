"""All authors ranked at equal length and style, by every judge: controlled Bradley–Terry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agents.models.spec import is_emulated
from agents.types import ResponseSet
from results.analysis.leaderboard import complete_contests
from results.db.store import Store
from results.queries.contest_index import ContestEntry, name_of
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
    """One judge's order of the authors at equal length and style.

    Attributes:
        judge, judge_id: whose.
        authors: by name; the codes of the strengths.
        strengths: theirs, or why there are none.
        emulated: whether answers are the emulator's.
    """

    judge: str
    judge_id: str
    authors: tuple[ResponseSet, ...]
    strengths: ControlledStrengths | NotEstimable
    emulated: bool


async def controlled_rankings(
    store: Store, judges: Sequence[str] = (), *, split: str = "test", seed: int = 0, without_kin: bool = False
) -> list[ControlledRanking]:
    """By judge, from the contests that the leaderboard ranks.

    Raises:
        UserError: as `complete_contests`.
    """
    by_judge, _ = await complete_contests(store, judges, split=split, without_kin=without_kin)
    sets = {
        author.id: author
        for contests in by_judge.values()
        for _, contest in contests
        for author in (contest.a, contest.b)
    }
    measured = {set_id: await _measured(store, set_id) for set_id in sets}
    return [_ranking(judge_id, contests, measured, seed) for judge_id, contests in by_judge.items()]


async def _measured(store: Store, set_id: str) -> dict[str, list[float]]:
    """By dialogue, every covariate of the response."""
    return {
        response.dialogue: [measure(response.text) for measure in COVARIATES.values()]
        for response in await store.responses(set_id)
    }


def _ranking(
    judge_id: str,
    contests: Sequence[tuple[ContestEntry, Contest]],
    measured: Mapping[str, Mapping[str, Sequence[float]]],
    seed: int,
) -> ControlledRanking:
    sets = {author.id: author for _, contest in contests for author in (contest.a, contest.b)}
    authors = tuple(sorted(sets.values(), key=lambda author: (name_of(author), author.id)))
    codes = {author.id: code for code, author in enumerate(authors)}
    keys = {
        key: code
        for code, key in enumerate(sorted({one.key for _, contest in contests for one in contest.dialogues}))
    }
    rows: list[tuple[int, int, float, int]] = []
    apart: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    for _, contest in contests:
        scores = dialogue_scores(contest.columns).score
        for place in np.flatnonzero(~np.isnan(scores)):
            key = contest.dialogues[place].key
            rows.append((codes[contest.a.id], codes[contest.b.id], float(scores[place]), keys[key]))
            one, other = measured[contest.a.id][key], measured[contest.b.id][key]
            apart.append(np.array(one) - np.array(other))
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
            np.array(apart),
            tuple(COVARIATES),
            len(authors),
            seed=seed,
        )
    entry = contests[0][0]
    return ControlledRanking(entry.judge, judge_id, authors, strengths, is_emulated(entry.model))
