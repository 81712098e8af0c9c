"""Is B better than A? The contests that answer it, gathered from the database across runs.

Every author against one opponent under one judge, and the two head to head where that was judged. Dialogues
get one common code over all contests, so that they can be paired. Reads the database alone; asks nothing,
and what a number means is the statistics' business. Contests that stopped on their own answers are passed
over: their sequence stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from agents.errors import Fault, UserError
from agents.models.family import FamilyMatch
from agents.models.response_model import answering_model_note
from agents.seeded_order import seeded_order
from agents.types import Dialogue, ResponseSet, Split
from results.db.store import Store
from results.queries.contest_index import ContestEntry, ContestIndex, load_contest_index, name_of
from results.queries.contests import Contest, load_contests
from results.statistics import JudgmentTable

CONTROL = "control"


@dataclass(frozen=True, eq=False)
class AuthorContest:
    """One author against the opponent (or against another), with codes common to a whole gathering.

    Attributes:
        entry: the contest it is from.
        columns: the author as A.
        asked: per code, whether the contest was about that dialogue.
        answerers: answering name → number of answers.
    """

    entry: ContestEntry
    columns: JudgmentTable
    asked: NDArray[np.bool_]
    answerers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class JudgeContests:
    """What one judge said of the authors.

    Attributes:
        judge_id, judge, provider, model: who.
        standings: by set id, each author against the opponent; those that were judged so.
        direct: by (first, second) set ids, the first against the second.
    """

    judge_id: str
    judge: str
    provider: str
    model: str
    standings: dict[str, AuthorContest] = field(default_factory=dict)
    direct: dict[tuple[str, str], AuthorContest] = field(default_factory=dict)

    @property
    def is_control(self) -> bool:
        """Whether it is a floor and no opinion."""
        return self.provider == CONTROL

    @property
    def answerers(self) -> dict[str, int]:
        """Answering name → number of answers, over all its contests here."""
        counts: Counter[str] = Counter()
        for standing in (*self.standings.values(), *self.direct.values()):
            counts.update(standing.answerers)
        return dict(counts)

    @property
    def answering_model_note(self) -> str:
        """A sentence on who answered under the judge's name; "" where it was that model alone."""
        return "" if self.is_control else answering_model_note(self.judge, self.model, self.answerers)

    @property
    def kin(self) -> tuple[FamilyMatch, ...]:
        """Those whom it judged here that are of its own family."""
        standings = [*self.standings.values(), *self.direct.values()]
        return tuple(dict.fromkeys(one for standing in standings for one in standing.entry.kin))


@dataclass(frozen=True, eq=False)
class ContestSelection:
    """The contests that a comparison is made of.

    Attributes:
        catalogue: all there is.
        opponent: the common one.
        authors: who is compared, in the order given.
        dialogues: by their common code.
        judges: by name.
        split: of the contests.
        left_out: judges left out as kin.
    """

    catalogue: ContestIndex
    opponent: ResponseSet
    authors: tuple[ResponseSet, ...]
    dialogues: tuple[Dialogue, ...]
    judges: tuple[JudgeContests, ...]
    split: str
    left_out: tuple[str, ...] = ()


async def select_contests(
    store: Store,
    authors: Sequence[str],
    opponent: str,
    judges: Sequence[str] = (),
    *,
    split: Split = Split.TEST,
    without_kin: bool = False,
    snapshots: Collection[str] = (),
) -> ContestSelection:
    """The contests of these authors against one opponent; with no authors, of all that any judge judged so.

    Args:
        judges: names, or beginnings of ids; none means every model that judged all of the authors, or
            every control judge where no model did.
        without_kin: leave out what was judged by one of a contestant's family.
        snapshots: as `results.queries.contests.load_contests` takes them.

    Raises:
        UserError: an author, the opponent or a judge is not known, or a contest that is needed was never
            judged to the end, or only by kin that are left out.
    """
    catalogue = await load_contest_index(store)
    there = [entry for entry in catalogue.entries if entry.split == split]
    full = [entry for entry in there if not entry.stopped and not (without_kin and entry.kin)]
    chosen = _chosen_judges(catalogue, judges)
    named = set().union(*chosen)
    of_judges = [entry for entry in full if not chosen or entry.judge_id in named]
    against = catalogue.author(opponent, _mentioning(catalogue, opponent, of_judges))
    with_opponent = [entry for entry in of_judges if against.id in entry.sets]
    if authors:
        sets = tuple(catalogue.author(name, _mentioning(catalogue, name, with_opponent)) for name in authors)
    else:
        sets = _all_against(with_opponent, against)
    _check_different(sets, against)
    ids = _judges_of(with_opponent, sets if authors else (), against, chosen)
    kin = {entry.judge for entry in there if entry.kin and against.id in entry.sets} if without_kin else set()
    if (not ids or not sets) and kin:
        raise UserError(
            "no judge remains once the judges of a compared author's family are excluded",
            code="comparison.judges-excluded",
            where="--exclude-same-family",
            found=f"excluded: {', '.join(sorted(kin))}",
            remedy="Use a judge of another model family, or omit --exclude-same-family.",
        )
    if not ids or not sets:
        raise _not_judged(catalogue, there, sets, against, judges, split, named)
    found = await _load(store, catalogue, sets, against, ids, full, split, snapshots)
    return replace(found, left_out=tuple(sorted(kin)))


def _mentioning(
    catalogue: ContestIndex, name: str, entries: Sequence[ContestEntry]
) -> list[ContestEntry] | None:
    """Those of the contests that have the author; None (all contests) where none has."""
    ids = {of.id for of in catalogue.response_sets_named(name)}
    return [entry for entry in entries if entry.sets & ids] or None


def _chosen_judges(catalogue: ContestIndex, names: Sequence[str]) -> list[set[str]]:
    """For each name, the ids of the ways of judging that have it.

    Raises:
        UserError: one is not known.
    """
    found = []
    for name in names:
        by_id = name.startswith("judge-1:")
        ids = {
            entry.judge_id
            for entry in catalogue.entries
            if entry.judge == name or (by_id and entry.judge_id.startswith(name))
        }
        if not ids:
            known = sorted({entry.judge for entry in catalogue.entries})
            raise UserError(
                "no judgments by this judge in the database",
                code="judge.no-judgments",
                where="--judge",
                found=repr(name),
                remedy=f"Choose from: {', '.join(known)}."
                if known
                else "Judge two authors with: empathy judge",
            )
        found.append(ids)
    return found


def _all_against(entries: Sequence[ContestEntry], opponent: ResponseSet) -> tuple[ResponseSet, ...]:
    found = {of.id: of for entry in entries for of in (entry.a, entry.b) if of.id != opponent.id}
    return tuple(sorted(found.values(), key=lambda of: (name_of(of), of.id)))


def _check_different(sets: Sequence[ResponseSet], opponent: ResponseSet) -> None:
    ids = [of.id for of in sets]
    if len(set(ids)) < len(ids) or opponent.id in ids:
        raise UserError(
            "an author cannot be compared with itself",
            code="comparison.same-author",
            found=", ".join(name_of(of) for of in (*sets, opponent)),
            remedy="Name different authors and an opponent that is not among them.",
        )


def _judges_of(
    entries: Sequence[ContestEntry],
    sets: Sequence[ResponseSet],
    opponent: ResponseSet,
    chosen: Sequence[set[str]],
) -> list[str]:
    """The judges that judged every author against the opponent; none where a named one did not.

    Raises:
        UserError: several ways of judging have one name and could both be meant.
    """
    judged = {(entry.judge_id, entry.sets) for entry in entries}
    wanted = [frozenset((of.id, opponent.id)) for of in sets]
    names = {entry.judge_id: entry for entry in entries}
    everyone = sorted(names, key=lambda judge_id: (names[judge_id].judge, judge_id))
    ids = [one for one in everyone if all((one, pair) in judged for pair in wanted)]
    if not chosen:  # control judges are floors: they are told only where they are named, or alone
        ids = [one for one in ids if names[one].provider != CONTROL] or ids
    same = [one for one in ids if sum(names[other].judge == names[one].judge for other in ids) > 1]
    if same:
        raise UserError(
            "several judge configurations have this name",
            code="judge.ambiguous",
            where="--judge",
            found=", ".join(sorted({repr(names[one].judge) for one in same})),
            remedy=f"Select one by the start of its id: --judge {same[0][:20]}",
            faults=[
                Fault(f"{one}: prompt {names[one].prompt_version or 'none'}, sampling {names[one].sampling}")
                for one in same
            ],
        )
    return ids if all(group & set(ids) for group in chosen) else []


def _not_judged(
    catalogue: ContestIndex,
    there: Sequence[ContestEntry],
    sets: Sequence[ResponseSet],
    opponent: ResponseSet,
    judges: Sequence[str],
    split: Split,
    named: set[str],
) -> UserError:
    """Which contests are lacking, and how to make them."""
    asked = [entry for entry in there if not judges or entry.judge_id in named]
    faults = []
    judge = judges[0] if judges else "MODEL"
    for of in sets:
        pair = frozenset((of.id, opponent.id))
        command = f"empathy judge {name_of(of)} {name_of(opponent)} --judge {judge} --split {split}"
        found = [entry for entry in asked if entry.sets == pair]
        by = sorted({entry.judge for entry in found if not entry.stopped})
        if by:
            faults.append(Fault(f"{name_of(of)} against {name_of(opponent)}: judged by {', '.join(by)}"))
        elif found:
            what = "judged with early stopping only; such a contest cannot be compared"
            faults.append(
                Fault(
                    f"{name_of(of)} against {name_of(opponent)}: {what}",
                    remedy=command,
                    code="comparison.early-stopped",
                )
            )
        else:
            faults.append(
                Fault(
                    f"{name_of(of)} against {name_of(opponent)}: not judged",
                    remedy=command,
                    code="comparison.not-judged",
                )
            )
    elsewhere = {entry.split for entry in catalogue.entries if opponent.id in entry.sets} - {str(split)}
    hint = f" This opponent has contests on: --split {', '.join(sorted(elsewhere))}." if elsewhere else ""
    return UserError(
        f"no judge has judged every author against {name_of(opponent)} on the {split} split",
        code="comparison.incomplete",
        where="--judge" if judges else "",
        found=", ".join(judges),
        remedy="Judge the missing contests first." + hint,
        faults=faults,
    )


async def _load(
    store: Store,
    catalogue: ContestIndex,
    sets: tuple[ResponseSet, ...],
    opponent: ResponseSet,
    judge_ids: Sequence[str],
    entries: Sequence[ContestEntry],
    split: Split,
    snapshots: Collection[str],
) -> ContestSelection:
    wanted: dict[tuple[str, str, str], ContestEntry] = {}
    for judge_id in judge_ids:
        pairs = [(of.id, opponent.id) for of in sets]
        pairs += [(one.id, other.id) for at, one in enumerate(sets) for other in sets[at + 1 :]]
        for first, second in pairs:
            entry = _fullest(entries, judge_id, first, second)
            if entry is not None:
                wanted[judge_id, first, second] = entry
    loaded: dict[str, list[Contest]] = {}
    for run_id in dict.fromkeys(entry.run_id for entry in wanted.values()):
        loaded[run_id] = await load_contests(store, run_id, snapshots)
    found = {key: _contest(loaded[entry.run_id], key[0], entry) for key, entry in wanted.items()}
    everything = {dialogue.key: dialogue for contest in found.values() for dialogue in contest.dialogues}
    dialogues = tuple(seeded_order(everything.values(), 0))
    codes = {dialogue.key: at for at, dialogue in enumerate(dialogues)}
    judges: dict[str, JudgeContests] = {}
    for (judge_id, first, second), contest in found.items():
        entry = wanted[judge_id, first, second]
        under = judges.setdefault(judge_id, JudgeContests(judge_id, entry.judge, entry.provider, entry.model))
        standing = _standing(entry, contest, first, codes)
        if second == opponent.id:
            under.standings[first] = standing
        else:
            under.direct[first, second] = standing
    return ContestSelection(catalogue, opponent, sets, dialogues, tuple(judges.values()), str(split))


def _fullest(entries: Sequence[ContestEntry], judge_id: str, first: str, second: str) -> ContestEntry | None:
    """Of the runs that have a contest, the one that counts."""
    pair = frozenset((first, second))
    found = [entry for entry in entries if entry.judge_id == judge_id and entry.sets == pair]
    return max(found, key=lambda one: one.size, default=None)


def _contest(contests: Sequence[Contest], judge_id: str, entry: ContestEntry) -> Contest:
    return next(
        contest
        for contest in contests
        if contest.judge_id == judge_id and {contest.a.id, contest.b.id} == entry.sets
    )


def _standing(entry: ContestEntry, contest: Contest, first: str, codes: dict[str, int]) -> AuthorContest:
    """The contest with the first author as A and dialogues by their common code."""
    columns = contest.columns if contest.a.id == first else contest.columns.swap_authors()
    mine = [codes[dialogue.key] for dialogue in contest.dialogues]
    asked = np.zeros(len(codes), dtype=np.bool_)
    asked[mine] = True
    return AuthorContest(entry, columns.reindex(mine, len(codes)), asked, contest.answerers)
