"""Leaderboard of all judged authors: Bradley–Terry strengths per judge and pooled over the judges.

It uses every completed contest in the database; for each judge and pair of authors only the largest one. The
unit is the score of a dialogue over both orders, and intervals resample dialogues. Strengths of different
judges are on different scales.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.errors import UserError
from agents.models.spec import is_emulated
from agents.types import ResponseSet
from results.analysis.judge_panel import CONTROL
from results.db.store import Store
from results.queries.contest_index import ContestEntry, load_contest_index
from results.queries.contests import Contest, load_contests
from results.statistics.bradley_terry import BradleyTerryStrengths, strengths
from results.statistics.intervals import standard_error
from results.statistics.scores import dialogue_scores, order_robust_bounds

Floats = NDArray[np.float64]
ALL = "all"
POOLED = "all judges, pooled"


@dataclass(frozen=True, slots=True)
class ContestScore:
    """One author's scores in one contest, for the exports.

    Attributes:
        author, opponent: ids of the response sets.
        wins, losses, draws: numbers of complete dialogues with a score above, below and at ½.
        rate: mean score, in [0, 1].
        error: standard error of the rate; if the scores cannot be resampled, the error implied by their
            guaranteed interval; never 0.
    """

    author: str
    opponent: str
    wins: int
    losses: int
    draws: int
    rate: float
    error: float


@dataclass(frozen=True, eq=False)
class JudgeRanking:
    """Ranking of the authors by one judge, or pooled over all judges.

    Attributes:
        judge, judge_id: identity of the judge; `POOLED` and "" for the pooled ranking.
        authors: authors sorted by name; their position is their code in `strengths`.
        names: displayed names; a name shared by several sets carries the start of the set's id.
        strengths: Bradley–Terry strengths, one per author.
        rates: mean score over all dialogues of an author, in [0, 1]; shape (authors,).
        order_robust: order-robust bounds of the rates; shape (authors, 2).
        meetings: scores per contest and author.
        same_family: set ids of authors of the judge's own model family.
        emulated: whether a judge is emulated.
        answerer_notes: notes on models that answered under another model's name.
    """

    judge: str
    judge_id: str
    authors: tuple[ResponseSet, ...]
    names: tuple[str, ...]
    strengths: BradleyTerryStrengths
    rates: Floats
    order_robust: Floats
    scores: tuple[ContestScore, ...]
    same_family: frozenset[str]
    emulated: bool
    answering_model_notes: tuple[str, ...] = ()

    @property
    def order(self) -> list[int]:
        """Author codes from strongest to weakest; authors without a chain of contests are kept apart."""
        strengths = self.strengths
        return sorted(
            range(len(self.authors)),
            key=lambda code: (strengths.component[code], -strengths.log[code], self.names[code]),
        )


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Rankings by judge; the pooled ranking is last if two or more models judged.

    Attributes:
        split: split of the contests.
        rankings: one ranking per judge.
        passed_over: number of contests skipped because of early stopping.
    """

    split: str
    rankings: tuple[JudgeRanking, ...]
    skipped: int


async def load_leaderboard(
    store: Store,
    judges: Sequence[str] = (),
    *,
    split: str = "test",
    seed: int = 0,
    exclude_same_family: bool = False,
) -> Leaderboard:
    """Rank all authors with completed contests on a split.

    Args:
        judges: names, or prefixes of ids; empty (or "all") selects every judge.
        split: split of the contests.
        seed: seed of the resampling.
        without_kin: exclude contests with an author of the judge's model family.

    Raises:
        UserError: no completed contest on this split, or an unknown judge.
    """
    by_judge, skipped = await complete_contests(
        store, judges, split=split, exclude_same_family=exclude_same_family
    )
    rankings = [
        _rank_authors(contests[0][0].judge, judge_id, contests, seed)
        for judge_id, contests in by_judge.items()
    ]
    models = _most_common_prompt(
        [
            entry_and_contest
            for contests in by_judge.values()
            for entry_and_contest in contests
            if entry_and_contest[0].provider != CONTROL
        ]
    )
    if len({entry.judge_id for entry, _ in models}) > 1:
        rankings.append(_rank_authors(POOLED, "", models, seed))
    ranked = [ranking for ranking in rankings if ranking is not None]
    if not ranked:
        raise UserError(
            "no dialogue has both orders scored",
            code="leaderboard.no-complete-dialogues",
            where="--split",
            found=split,
        )
    return Leaderboard(split, tuple(ranked), skipped)


async def complete_contests(
    store: Store, judges: Sequence[str] = (), *, split: str = "test", exclude_same_family: bool = False
) -> tuple[dict[str, list[tuple[ContestEntry, Contest]]], int]:
    """Return judge id → largest contest of each pair, and the number of contests skipped for early stopping.

    Raises:
        UserError: no completed contest on this split, or an unknown judge.
    """
    contest_index = await load_contest_index(store)
    entries_of_split = [entry for entry in contest_index.entries if entry.split == split]
    complete = [
        entry
        for entry in entries_of_split
        if not entry.stopped and not (exclude_same_family and entry.same_family)
    ]
    selected = _select_judges(complete, judges)
    if not selected:
        elsewhere = sorted({entry.split for entry in contest_index.entries if not entry.stopped} - {split})
        n_excluded = sum(bool(entry.same_family) for entry in entries_of_split) if exclude_same_family else 0
        raise UserError(
            f"no completed contests on the {split} split",
            code="leaderboard.no-contests",
            where=contest_index.where,
            found=f"{len(entries_of_split)} contests, "
            f"{sum(entry.stopped for entry in entries_of_split)} with early stopping"
            + (f", {n_excluded} excluded as same-family" if n_excluded else ""),
            remedy=f"Completed contests exist on: --split {', '.join(elsewhere)}."
            if elsewhere
            else "Judge two authors with: empathy judge A B --judge MODEL",
        )
    largest: dict[tuple[str, frozenset[str]], ContestEntry] = {}
    for entry in selected:
        key = (entry.judge_id, entry.sets)
        if key not in largest or entry.size > largest[key].size:
            largest[key] = entry
    contests = await _load_contests(store, list(largest.values()))
    by_judge: dict[str, list[tuple[ContestEntry, Contest]]] = {}
    for (judge_id, _), entry in sorted(
        largest.items(), key=lambda item: (item[1].judge, item[0][0], sorted(item[0][1]))
    ):
        by_judge.setdefault(judge_id, []).append((entry, contests[judge_id, entry.sets]))
    return by_judge, sum(entry.stopped for entry in entries_of_split)


def _most_common_prompt(
    contests: Sequence[tuple[ContestEntry, Contest]],
) -> list[tuple[ContestEntry, Contest]]:
    """Return the contests of the most common prompt; judges with another prompt answer another question."""
    judges = {entry.judge_id: entry.prompt_version for entry, _ in contests}
    prompts = Counter(judges.values())
    default_prompts = {entry.prompt_version for entry, _ in contests if entry.is_plain}
    most_common = max(
        prompts, key=lambda version: (prompts[version], version in default_prompts, version), default=""
    )
    return [
        entry_and_contest
        for entry_and_contest in contests
        if entry_and_contest[0].prompt_version == most_common
    ]


def _select_judges(entries: Sequence[ContestEntry], judges: Sequence[str]) -> list[ContestEntry]:
    if not judges or ALL in judges:
        return list(entries)
    selected = []
    for name in judges:
        by_id = name.startswith("judge-1:")
        matches = [
            entry for entry in entries if entry.judge == name or (by_id and entry.judge_id.startswith(name))
        ]
        if not matches:
            known_judges = sorted({entry.judge for entry in entries})
            raise UserError(
                "no completed contests by this judge",
                code="judge.no-judgments",
                where="--judge",
                found=repr(name),
                remedy=f"Choose from: {', '.join(known_judges)}; or: all."
                if known_judges
                else "Judge two authors with: empathy judge",
            )
        selected += matches
    return selected


async def _load_contests(
    store: Store, entries: Sequence[ContestEntry]
) -> dict[tuple[str, frozenset[str]], Contest]:
    contests = {}
    for run_id in sorted({entry.run_id for entry in entries}):
        wanted_keys = {(entry.judge_id, entry.sets) for entry in entries if entry.run_id == run_id}
        for contest in await load_contests(store, run_id):
            key = (contest.judge_id, frozenset((contest.a.id, contest.b.id)))
            if key in wanted_keys:
                contests[key] = contest
    return contests


def _rank_authors(
    judge: str, judge_id: str, contests: Sequence[tuple[ContestEntry, Contest]], seed: int
) -> JudgeRanking | None:
    """Rank the authors of these contests; None if no dialogue has both orders scored."""
    sets = {author.id: author for _, contest in contests for author in (contest.a, contest.b)}
    authors = tuple(sorted(sets.values(), key=lambda author: (author.name, author.id)))
    codes = {author.id: position for position, author in enumerate(authors)}
    dialogue_keys = sorted({dialogue.key for _, contest in contests for dialogue in contest.dialogues})
    dialogue_codes = {key: position for position, key in enumerate(dialogue_keys)}
    rows: list[tuple[int, int, float, int]] = []
    scores = []
    order_robust_sums = np.zeros((len(authors), 2))
    for _, contest in contests:
        score = dialogue_scores(contest.columns).score
        complete = np.flatnonzero(~np.isnan(score))
        a, b = codes[contest.a.id], codes[contest.b.id]
        rows += [
            (a, b, float(score[position]), dialogue_codes[contest.dialogues[position].key])
            for position in complete
        ]
        scores += _contest_scores(contest, score[complete])
        low, high = order_robust_bounds(contest.columns) or (0.0, 0.0)
        order_robust_sums[a] += complete.size * np.array([low, high])
        order_robust_sums[b] += complete.size * np.array([1.0 - high, 1.0 - low])
    if not rows:
        return None
    first, second, dialogue = (
        np.array([row[position] for row in rows], dtype=np.int64) for position in (0, 1, 3)
    )
    score = np.array([row[2] for row in rows])
    total = np.bincount(first, score, len(authors)) + np.bincount(second, 1.0 - score, len(authors))
    count = np.bincount(first, minlength=len(authors)) + np.bincount(second, minlength=len(authors))
    return JudgeRanking(
        judge=judge,
        judge_id=judge_id,
        authors=authors,
        names=_display_names(authors),
        strengths=strengths(first, second, score, dialogue, len(authors), seed=seed),
        rates=total / np.maximum(1, count),
        order_robust=order_robust_sums / np.maximum(1, count)[:, None],
        scores=tuple(scores),
        same_family=frozenset(author.set_id for entry, _ in contests for author in entry.same_family),
        emulated=any(is_emulated(entry.model) for entry, _ in contests),
        answering_model_notes=tuple(
            dict.fromkeys(note for _, author in contests if (note := author.answering_model_note))
        ),
    )


def _contest_scores(contest: Contest, score: Floats) -> list[ContestScore]:
    if not score.size:
        return []
    wins, losses = int((score > 0.5).sum()), int((score < 0.5).sum())
    draws, rate = int(score.size) - wins - losses, float(score.mean())
    error = standard_error(score)
    return [
        ContestScore(contest.a.id, contest.b.id, wins, losses, draws, rate, error),
        ContestScore(contest.b.id, contest.a.id, losses, wins, draws, 1.0 - rate, error),
    ]


def _display_names(authors: Sequence[ResponseSet]) -> tuple[str, ...]:
    names = [author.name for author in authors]
    return tuple(
        name if names.count(name) == 1 else f"{author.author}@{author.id[:14]}"
        for name, author in zip(names, authors, strict=True)
    )
