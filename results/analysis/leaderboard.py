"""All authors ever judged, ranked: Bradley–Terry strengths per judge, and pooled over the judges.

From the database alone: every contest that was judged to the end, each pair of authors once per judge (its
fullest contest). The unit is a dialogue's score, both orders together; intervals resample dialogues. The
strengths of two judges are on scales of their own.
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
from results.queries.contest_index import ContestEntry, load_contest_index, name_of
from results.queries.contests import Contest, load_contests
from results.statistics.bradley_terry import BradleyTerryStrengths, strengths
from results.statistics.intervals import standard_error
from results.statistics.scores import dialogue_scores, order_robust_bounds

Floats = NDArray[np.float64]
ALL = "all"
POOLED = "all judges, pooled"


@dataclass(frozen=True, slots=True)
class ContestScore:
    """What one contest says of one author: its dialogue scores, for the exports.

    Attributes:
        author, opponent: set ids.
        wins, losses, draws: complete dialogues with a score above, below and at ½.
        rate, error: mean score, in [0, 1], and its standard error; where the scores cannot be resampled, the
            one that their guaranteed interval implies: never 0.
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
    """One judge's order of the authors (or all judges' together).

    Attributes:
        judge, judge_id: whose; `POOLED` and "" for all together.
        authors: by name; the codes of `strengths`.
        names: as shown: a name that several sets have carries the beginning of its id.
        strengths: one entry per author.
        rates: mean score over all the dialogues an author is in, in [0, 1].
        order_robust: shape (authors, 2): their order-robust bounds, likewise.
        meetings: per contest and author.
        kin: set ids of authors of the judge's family.
        emulated: whether answers are the emulator's.
        answerer_notes: who answered under the judges' names, where it was not those models alone.
    """

    judge: str
    judge_id: str
    authors: tuple[ResponseSet, ...]
    names: tuple[str, ...]
    strengths: BradleyTerryStrengths
    rates: Floats
    order_robust: Floats
    meetings: tuple[ContestScore, ...]
    kin: frozenset[str]
    emulated: bool
    answerer_notes: tuple[str, ...] = ()

    @property
    def order(self) -> list[int]:
        """Codes, the strongest first; those who never met apart."""
        of = self.strengths
        return sorted(
            range(len(self.authors)), key=lambda at: (of.component[at], -of.log[at], self.names[at])
        )


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Rankings by judge, the pooled one last where two or more models judged.

    Attributes:
        passed_over: contests that were stopped on their own answers.
    """

    split: str
    rankings: tuple[JudgeRanking, ...]
    passed_over: int


async def load_leaderboard(
    store: Store, judges: Sequence[str] = (), *, split: str = "test", seed: int = 0, without_kin: bool = False
) -> Leaderboard:
    """Rank everybody.

    Args:
        judges: names, or beginnings of ids; none (or "all") means every judge.
        without_kin: leave out contests under a judge of a contestant's family.

    Raises:
        UserError: nothing was judged to the end on this split, or a judge is not known.
    """
    by_judge, passed_over = await complete_contests(store, judges, split=split, without_kin=without_kin)
    rankings = [_ranking(of[0][0].judge, judge_id, of, seed) for judge_id, of in by_judge.items()]
    models = _asked_alike([pair for of in by_judge.values() for pair in of if pair[0].provider != CONTROL])
    if len({entry.judge_id for entry, _ in models}) > 1:
        rankings.append(_ranking(POOLED, "", models, seed))
    found = [ranking for ranking in rankings if ranking is not None]
    if not found:
        raise UserError(
            "no dialogue has both orders scored",
            code="leaderboard.no-complete-dialogues",
            where="--split",
            found=split,
        )
    return Leaderboard(split, tuple(found), passed_over)


async def complete_contests(
    store: Store, judges: Sequence[str] = (), *, split: str = "test", without_kin: bool = False
) -> tuple[dict[str, list[tuple[ContestEntry, Contest]]], int]:
    """By judge id, each pair's fullest contest; and how many contests that stopped were passed over.

    Raises:
        UserError: nothing was judged to the end on this split, or a judge is not known.
    """
    catalogue = await load_contest_index(store)
    there = [entry for entry in catalogue.entries if entry.split == split]
    full = [entry for entry in there if not entry.stopped and not (without_kin and entry.kin)]
    chosen = _chosen(full, judges)
    if not chosen:
        elsewhere = sorted({entry.split for entry in catalogue.entries if not entry.stopped} - {split})
        kin = sum(bool(entry.kin) for entry in there) if without_kin else 0
        raise UserError(
            f"no completed contests on the {split} split",
            code="leaderboard.no-contests",
            where=catalogue.where,
            found=f"{len(there)} contests, {sum(entry.stopped for entry in there)} with early stopping"
            + (f", {kin} excluded as same-family" if kin else ""),
            remedy=f"Completed contests exist on: --split {', '.join(elsewhere)}."
            if elsewhere
            else "Judge two authors with: empathy judge A B --judge MODEL",
        )
    fullest: dict[tuple[str, frozenset[str]], ContestEntry] = {}
    for entry in chosen:
        key = (entry.judge_id, entry.sets)
        if key not in fullest or entry.size > fullest[key].size:
            fullest[key] = entry
    contests = await _contests(store, list(fullest.values()))
    by_judge: dict[str, list[tuple[ContestEntry, Contest]]] = {}
    for (judge_id, _), entry in sorted(
        fullest.items(), key=lambda item: (item[1].judge, item[0][0], sorted(item[0][1]))
    ):
        by_judge.setdefault(judge_id, []).append((entry, contests[judge_id, entry.sets]))
    return by_judge, sum(entry.stopped for entry in there)


def _asked_alike(models: Sequence[tuple[ContestEntry, Contest]]) -> list[tuple[ContestEntry, Contest]]:
    """Those asked with the prompt that most judges were asked with: other words are another question."""
    judges = {entry.judge_id: entry.prompt_version for entry, _ in models}
    prompts = Counter(judges.values())
    plain = {entry.prompt_version for entry, _ in models if entry.is_plain}
    commonest = max(prompts, key=lambda version: (prompts[version], version in plain, version), default="")
    return [pair for pair in models if pair[0].prompt_version == commonest]


def _chosen(entries: Sequence[ContestEntry], judges: Sequence[str]) -> list[ContestEntry]:
    if not judges or ALL in judges:
        return list(entries)
    chosen = []
    for name in judges:
        by_id = name.startswith("judge-1:")
        mine = [one for one in entries if one.judge == name or (by_id and one.judge_id.startswith(name))]
        if not mine:
            known = sorted({one.judge for one in entries})
            raise UserError(
                "no completed contests by this judge",
                code="judge.no-judgments",
                where="--judge",
                found=repr(name),
                remedy=f"Choose from: {', '.join(known)}; or: all."
                if known
                else "Judge two authors with: empathy judge",
            )
        chosen += mine
    return chosen


async def _contests(
    store: Store, entries: Sequence[ContestEntry]
) -> dict[tuple[str, frozenset[str]], Contest]:
    found = {}
    for run_id in sorted({entry.run_id for entry in entries}):
        wanted = {(entry.judge_id, entry.sets) for entry in entries if entry.run_id == run_id}
        for contest in await load_contests(store, run_id):
            key = (contest.judge_id, frozenset((contest.a.id, contest.b.id)))
            if key in wanted:
                found[key] = contest
    return found


def _ranking(
    judge: str, judge_id: str, of: Sequence[tuple[ContestEntry, Contest]], seed: int
) -> JudgeRanking | None:
    """From the contests of one judge, or of several; None where no dialogue is complete."""
    sets = {one.id: one for _, contest in of for one in (contest.a, contest.b)}
    authors = tuple(sorted(sets.values(), key=lambda one: (name_of(one), one.id)))
    codes = {one.id: at for at, one in enumerate(authors)}
    keys = sorted({dialogue.key for _, contest in of for dialogue in contest.dialogues})
    place = {key: at for at, key in enumerate(keys)}
    columns: list[tuple[int, int, float, int]] = []
    meetings = []
    robust = np.zeros((len(authors), 2))
    for _, contest in of:
        score = dialogue_scores(contest.columns).score
        complete = np.flatnonzero(~np.isnan(score))
        a, b = codes[contest.a.id], codes[contest.b.id]
        columns += [(a, b, float(score[at]), place[contest.dialogues[at].key]) for at in complete]
        meetings += _meetings(contest, score[complete])
        low, high = order_robust_bounds(contest.columns) or (0.0, 0.0)
        robust[a] += complete.size * np.array([low, high])
        robust[b] += complete.size * np.array([1.0 - high, 1.0 - low])
    if not columns:
        return None
    first, second, dialogue = (np.array([row[at] for row in columns], dtype=np.int64) for at in (0, 1, 3))
    score = np.array([row[2] for row in columns])
    total = np.bincount(first, score, len(authors)) + np.bincount(second, 1.0 - score, len(authors))
    count = np.bincount(first, minlength=len(authors)) + np.bincount(second, minlength=len(authors))
    return JudgeRanking(
        judge=judge,
        judge_id=judge_id,
        authors=authors,
        names=_names(authors),
        strengths=strengths(first, second, score, dialogue, len(authors), seed=seed),
        rates=total / np.maximum(1, count),
        order_robust=robust / np.maximum(1, count)[:, None],
        meetings=tuple(meetings),
        kin=frozenset(one.set_id for entry, _ in of for one in entry.kin),
        emulated=any(is_emulated(entry.model) for entry, _ in of),
        answerer_notes=tuple(dict.fromkeys(note for _, one in of if (note := one.answering_model_note))),
    )


def _meetings(contest: Contest, score: Floats) -> list[ContestScore]:
    if not score.size:
        return []
    wins, losses = int((score > 0.5).sum()), int((score < 0.5).sum())
    draws, rate = int(score.size) - wins - losses, float(score.mean())
    error = standard_error(score)
    return [
        ContestScore(contest.a.id, contest.b.id, wins, losses, draws, rate, error),
        ContestScore(contest.b.id, contest.a.id, losses, wins, draws, 1.0 - rate, error),
    ]


def _names(authors: Sequence[ResponseSet]) -> tuple[str, ...]:
    plain = [name_of(one) for one in authors]
    return tuple(
        name if plain.count(name) == 1 else f"{one.author}@{one.id[:14]}"
        for name, one in zip(plain, authors, strict=True)
    )
