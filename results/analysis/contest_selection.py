"""Selection of the contests for a comparison of authors, from all runs in the database.

For each judge it collects every author's contest against a common opponent and the head-to-head contests.
Dialogues get one common code across contests, so that they can be paired. Contests judged with early stopping
are skipped: only their confidence sequence is valid.
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
from results.queries.contest_index import ContestEntry, ContestIndex, load_contest_index
from results.queries.contests import Contest, load_contests
from results.statistics import JudgmentTable

CONTROL = "control"


@dataclass(frozen=True, eq=False)
class AuthorContest:
    """One author's contest, with the dialogue codes of the selection.

    Attributes:
        entry: index entry of the contest.
        columns: judgments with the author as A.
        included: per dialogue code, whether the contest includes that dialogue; shape (dialogues,).
        answering_models: model → number of completions.
    """

    entry: ContestEntry
    columns: JudgmentTable
    included: NDArray[np.bool_]
    answering_models: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class JudgeContests:
    """One judge's contests of the compared authors.

    Attributes:
        judge_id, judge, provider, model: identity of the judge.
        author_contests: set id → the author's contest against the opponent.
        direct: (first, second) set ids → head-to-head contest.
    """

    judge_id: str
    judge: str
    provider: str
    model: str
    author_contests: dict[str, AuthorContest] = field(default_factory=dict)
    direct: dict[tuple[str, str], AuthorContest] = field(default_factory=dict)

    @property
    def is_control(self) -> bool:
        """Whether the judge is a control judge, that is a baseline."""
        return self.provider == CONTROL

    @property
    def answering_models(self) -> dict[str, int]:
        """Answering model → number of completions, over all contests of the judge in the selection."""
        counts: Counter[str] = Counter()
        for contest in (*self.author_contests.values(), *self.direct.values()):
            counts.update(contest.answering_models)
        return dict(counts)

    @property
    def answering_model_note(self) -> str:
        """Note on the models that answered under the judge's name; "" if it was that model alone."""
        return "" if self.is_control else answering_model_note(self.judge, self.model, self.answering_models)

    @property
    def same_family(self) -> tuple[FamilyMatch, ...]:
        """Judged authors of the judge's own model family."""
        author_contests = [*self.author_contests.values(), *self.direct.values()]
        return tuple(
            dict.fromkeys(match for standing in author_contests for match in standing.entry.same_family)
        )


@dataclass(frozen=True, eq=False)
class ContestSelection:
    """Contests that a comparison uses.

    Attributes:
        contest_index: index of all contests in the database.
        opponent: common opponent.
        authors: compared authors, in the given order.
        dialogues: dialogues, indexed by their common code.
        judges: contests by judge, sorted by name.
        split: split of the contests.
        left_out: names of judges excluded as same-family.
    """

    contest_index: ContestIndex
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
    exclude_same_family: bool = False,
    snapshots: Collection[str] = (),
) -> ContestSelection:
    """Select the contests of these authors against one opponent.

    Args:
        authors: author names; empty for every author judged against the opponent.
        opponent: name of the common opponent.
        judges: names, or prefixes of ids. Empty selects every model that judged all of the authors, or every
            control judge when no model did.
        split: split of the contests.
        exclude_same_family: exclude judges of a compared author's model family.
        snapshots: answering models to restrict to, as for `results.queries.contests.load_contests`.

    Raises:
        UserError: an unknown author, opponent or judge; a needed contest that was never completed, or only
            by excluded judges.
    """
    contest_index = await load_contest_index(store)
    entries_of_split = [entry for entry in contest_index.entries if entry.split == split]
    complete = [
        entry
        for entry in entries_of_split
        if not entry.stopped and not (exclude_same_family and entry.same_family)
    ]
    judge_ids = _match_judges(contest_index, judges)
    named_ids = set().union(*judge_ids)
    of_judges = [entry for entry in complete if not judge_ids or entry.judge_id in named_ids]
    opponent_set = contest_index.author(opponent, _entries_with_author(contest_index, opponent, of_judges))
    with_opponent = [entry for entry in of_judges if opponent_set.id in entry.sets]
    if authors:
        sets = tuple(
            contest_index.author(name, _entries_with_author(contest_index, name, with_opponent))
            for name in authors
        )
    else:
        sets = _authors_against(with_opponent, opponent_set)
    _check_different(sets, opponent_set)
    common_ids = _common_judges(with_opponent, sets if authors else (), opponent_set, judge_ids)
    same_family = (
        {entry.judge for entry in entries_of_split if entry.same_family and opponent_set.id in entry.sets}
        if exclude_same_family
        else set()
    )
    if (not common_ids or not sets) and same_family:
        raise UserError(
            "no judge remains once the judges of a compared author's family are excluded",
            code="comparison.judges-excluded",
            where="--exclude-same-family",
            found=f"excluded: {', '.join(sorted(same_family))}",
            remedy="Use a judge of another model family, or omit --exclude-same-family.",
        )
    if not common_ids or not sets:
        raise _missing_contests_error(
            contest_index, entries_of_split, sets, opponent_set, judges, split, named_ids
        )
    selection = await _load_contests(
        store, contest_index, sets, opponent_set, common_ids, complete, split, snapshots
    )
    return replace(selection, left_out=tuple(sorted(same_family)))


def _entries_with_author(
    contest_index: ContestIndex, name: str, entries: Sequence[ContestEntry]
) -> list[ContestEntry] | None:
    """Return the contests with this author; None (meaning all contests) when there is none."""
    ids = {response_set.id for response_set in contest_index.response_sets_named(name)}
    return [entry for entry in entries if entry.sets & ids] or None


def _match_judges(contest_index: ContestIndex, names: Sequence[str]) -> list[set[str]]:
    """Return the matching judge ids for each name.

    Raises:
        UserError: unknown judge.
    """
    matches = []
    for name in names:
        by_id = name.startswith("judge-1:")
        ids = {
            entry.judge_id
            for entry in contest_index.entries
            if entry.judge == name or (by_id and entry.judge_id.startswith(name))
        }
        if not ids:
            known = sorted({entry.judge for entry in contest_index.entries})
            raise UserError(
                "no judgments by this judge in the database",
                code="judge.no-judgments",
                where="--judge",
                found=repr(name),
                remedy=f"Choose from: {', '.join(known)}."
                if known
                else "Judge two authors with: empathy judge",
            )
        matches.append(ids)
    return matches


def _authors_against(entries: Sequence[ContestEntry], opponent: ResponseSet) -> tuple[ResponseSet, ...]:
    authors = {
        response_set.id: response_set
        for entry in entries
        for response_set in (entry.a, entry.b)
        if response_set.id != opponent.id
    }
    return tuple(sorted(authors.values(), key=lambda response_set: (response_set.name, response_set.id)))


def _check_different(sets: Sequence[ResponseSet], opponent: ResponseSet) -> None:
    ids = [response_set.id for response_set in sets]
    if len(set(ids)) < len(ids) or opponent.id in ids:
        raise UserError(
            "an author cannot be compared with itself",
            code="comparison.same-author",
            found=", ".join(response_set.name for response_set in (*sets, opponent)),
            remedy="Name different authors and an opponent that is not among them.",
        )


def _common_judges(
    entries: Sequence[ContestEntry],
    sets: Sequence[ResponseSet],
    opponent: ResponseSet,
    selected_ids: Sequence[set[str]],
) -> list[str]:
    """Return the judges that judged every author against the opponent; empty if a named judge did not.

    Raises:
        UserError: several judge configurations share a name.
    """
    judged = {(entry.judge_id, entry.sets) for entry in entries}
    pairs = [frozenset((response_set.id, opponent.id)) for response_set in sets]
    entry_of = {entry.judge_id: entry for entry in entries}
    judge_ids = sorted(entry_of, key=lambda judge_id: (entry_of[judge_id].judge, judge_id))
    ids = [judge_id for judge_id in judge_ids if all((judge_id, pair) in judged for pair in pairs)]
    if not selected_ids:  # control judges count only when named, or when no model judged
        ids = [judge_id for judge_id in ids if entry_of[judge_id].provider != CONTROL] or ids
    ambiguous = [
        judge_id
        for judge_id in ids
        if sum(entry_of[other].judge == entry_of[judge_id].judge for other in ids) > 1
    ]
    if ambiguous:
        raise UserError(
            "several judge configurations have this name",
            code="judge.ambiguous",
            where="--judge",
            found=", ".join(sorted({repr(entry_of[judge_id].judge) for judge_id in ambiguous})),
            remedy=f"Select one by the start of its id: --judge {ambiguous[0][:20]}",
            faults=[
                Fault(
                    f"{judge_id}: prompt {entry_of[judge_id].prompt_version or 'none'}, "
                    f"sampling {entry_of[judge_id].sampling}"
                )
                for judge_id in ambiguous
            ],
        )
    return ids if all(group & set(ids) for group in selected_ids) else []


def _missing_contests_error(
    contest_index: ContestIndex,
    entries: Sequence[ContestEntry],
    sets: Sequence[ResponseSet],
    opponent: ResponseSet,
    judges: Sequence[str],
    split: Split,
    named_ids: set[str],
) -> UserError:
    """Return the error that lists the missing contests and the commands that judge them."""
    entries_of_judges = [entry for entry in entries if not judges or entry.judge_id in named_ids]
    faults = []
    judge = judges[0] if judges else "MODEL"
    for response_set in sets:
        pair = frozenset((response_set.id, opponent.id))
        command = f"empathy judge {response_set.name} {opponent.name} --judge {judge} --split {split}"
        entries_of_pair = [entry for entry in entries_of_judges if entry.sets == pair]
        judge_names = sorted({entry.judge for entry in entries_of_pair if not entry.stopped})
        if judge_names:
            faults.append(
                Fault(f"{response_set.name} against {opponent.name}: judged by {', '.join(judge_names)}")
            )
        elif entries_of_pair:
            problem = "judged with early stopping only; such a contest cannot be compared"
            faults.append(
                Fault(
                    f"{response_set.name} against {opponent.name}: {problem}",
                    remedy=command,
                    code="comparison.early-stopped",
                )
            )
        else:
            faults.append(
                Fault(
                    f"{response_set.name} against {opponent.name}: not judged",
                    remedy=command,
                    code="comparison.not-judged",
                )
            )
    elsewhere = {entry.split for entry in contest_index.entries if opponent.id in entry.sets} - {str(split)}
    hint = f" This opponent has contests on: --split {', '.join(sorted(elsewhere))}." if elsewhere else ""
    return UserError(
        f"no judge has judged every author against {opponent.name} on the {split} split",
        code="comparison.incomplete",
        where="--judge" if judges else "",
        found=", ".join(judges),
        remedy="Judge the missing contests first." + hint,
        faults=faults,
    )


async def _load_contests(
    store: Store,
    contest_index: ContestIndex,
    sets: tuple[ResponseSet, ...],
    opponent: ResponseSet,
    judge_ids: Sequence[str],
    entries: Sequence[ContestEntry],
    split: Split,
    snapshots: Collection[str],
) -> ContestSelection:
    entry_of: dict[tuple[str, str, str], ContestEntry] = {}
    for judge_id in judge_ids:
        pairs = [(response_set.id, opponent.id) for response_set in sets]
        pairs += [
            (first_set.id, second_set.id)
            for position, first_set in enumerate(sets)
            for second_set in sets[position + 1 :]
        ]
        for first, second in pairs:
            entry = _largest_entry(entries, judge_id, first, second)
            if entry is not None:
                entry_of[judge_id, first, second] = entry
    loaded: dict[str, list[Contest]] = {}
    for run_id in dict.fromkeys(entry.run_id for entry in entry_of.values()):
        loaded[run_id] = await load_contests(store, run_id, snapshots)
    contest_of = {key: _find_contest(loaded[entry.run_id], key[0], entry) for key, entry in entry_of.items()}
    dialogue_of_key = {
        dialogue.key: dialogue for contest in contest_of.values() for dialogue in contest.dialogues
    }
    dialogues = tuple(seeded_order(dialogue_of_key.values(), 0))
    codes = {dialogue.key: position for position, dialogue in enumerate(dialogues)}
    judges: dict[str, JudgeContests] = {}
    for (judge_id, first, second), contest in contest_of.items():
        entry = entry_of[judge_id, first, second]
        judge_contests = judges.setdefault(
            judge_id, JudgeContests(judge_id, entry.judge, entry.provider, entry.model)
        )
        author_contest = _align_contest(entry, contest, first, codes)
        if second == opponent.id:
            judge_contests.author_contests[first] = author_contest
        else:
            judge_contests.direct[first, second] = author_contest
    return ContestSelection(contest_index, opponent, sets, dialogues, tuple(judges.values()), str(split))


def _largest_entry(
    entries: Sequence[ContestEntry], judge_id: str, first: str, second: str
) -> ContestEntry | None:
    """Return the largest run of a contest (ties: the newest), or None."""
    pair = frozenset((first, second))
    candidates = [entry for entry in entries if entry.judge_id == judge_id and entry.sets == pair]
    return max(candidates, key=lambda entry: entry.size, default=None)


def _find_contest(contests: Sequence[Contest], judge_id: str, entry: ContestEntry) -> Contest:
    return next(
        contest
        for contest in contests
        if contest.judge_id == judge_id and {contest.a.id, contest.b.id} == entry.sets
    )


def _align_contest(entry: ContestEntry, contest: Contest, first: str, codes: dict[str, int]) -> AuthorContest:
    """Return the contest with the first author as A and dialogues by their common code."""
    columns = contest.columns if contest.a.id == first else contest.columns.swap_authors()
    dialogue_codes = [codes[dialogue.key] for dialogue in contest.dialogues]
    included = np.zeros(len(codes), dtype=np.bool_)
    included[dialogue_codes] = True
    return AuthorContest(
        entry, columns.reindex(dialogue_codes, len(codes)), included, contest.answering_models
    )
