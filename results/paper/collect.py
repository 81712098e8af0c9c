"""The paper's Table 1 from a database: which contest is which cell.

Every contest judged to the end on the test split whose two authors tell (by a student's record, else by name)
that they are a student and its base; what does not tell is named in a file of cells. Asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from agents.files.faults import Faults
from agents.files.table import read_table
from agents.files.text import read_bytes
from agents.types import Method
from results.db.store import Store
from results.paper.cell_results import build_cell_result, describe_author
from results.paper.cells import (
    GEMINI,
    GPT_4O,
    LLAMA,
    MISTRAL,
    SFT_DPO,
    STAGES,
    AuthorDescription,
    Cell,
    find_cell,
    judge_of,
    published,
    succeeds,
)
from results.paper.contrasts import Contrast, OtherScores, Scores, contrasts
from results.paper.table1 import CellResult
from results.queries.checkpoints import CheckpointRecord, load_checkpoints
from results.queries.contest_index import ContestEntry, load_contest_index
from results.queries.contests import Contest, load_contests
from results.statistics import JudgmentTable, dialogue_scores

CELL_COLUMNS = ("author", "student", "stage", "method", "strategy")


@dataclass(frozen=True, eq=False)
class PaperContest:
    """One contest of the database, its author told apart from its opponent.

    Attributes:
        entry, ours: where from, and the result for `author` (as A).
        name, set_id: of the author and its responses.
        author, opponent: what the sets say of themselves.
        judge: the paper's name of the judge, or "".
        scores: by dialogue, of the complete ones; in [0, 1].
    """

    entry: ContestEntry
    ours: CellResult
    name: str
    set_id: str
    author: AuthorDescription
    opponent: AuthorDescription
    judge: str
    scores: Scores


def read_cells(path: Path) -> dict[str, AuthorDescription]:
    """A CSV that says what authors are: author, student, stage, method, strategy.

    Raises:
        UserError: other columns, or a row that is no cell of Table 1; every fault with its line.
    """
    faults = Faults(str(path))
    table = read_table(read_bytes(path, "the file of cells"), faults, CELL_COLUMNS)
    known = {(cell.student, cell.stage, cell.method, cell.strategy) for cell in published()}
    named: dict[str, AuthorDescription] = {}
    for row in table.rows if set(CELL_COLUMNS) <= set(table.heading) else ():
        author, *key = (row.cells[name] for name in CELL_COLUMNS)
        student, stage, method, strategy = key
        if (student, stage, method, strategy) not in known:
            faults.add(row.line, "is no cell of Table 1", ", ".join(key))
        elif author in named:
            faults.add(row.line, "names an author a second time", repr(author))
        else:
            named[author] = AuthorDescription(student, False, stage, method, strategy, "", False)
    faults.raise_if_any("this file of cells cannot be used")
    return named


async def select_paper_contests(
    store: Store,
    named: Mapping[str, AuthorDescription] | None = None,
    *,
    seed: int = 0,
    exclude_same_family: bool = False,
) -> list[PaperContest]:
    """All contests on the test split in which either author tells what it is; both ways round.

    Judged for the whole of empathy; of one model's ways of asking, the default's.
    """
    contest_index = await load_contest_index(store)
    entries: dict[tuple[str, frozenset[str]], ContestEntry] = {}
    for entry in contest_index.entries:
        key = (entry.judge_id, entry.sets)
        wanted = entry.split == "test" and not entry.stopped and entry.provider != "control"
        wanted = wanted and not entry.is_of_one_dimension and not (exclude_same_family and entry.same_family)
        if wanted and (key not in entries or entry.size >= entries[key].size):
            entries[key] = entry
    trained = {one.author: one for one in await store.read(load_checkpoints)}
    found = []
    for run_id in sorted({entry.run_id for entry in entries.values()}):
        for contest in await load_contests(store, run_id):
            fullest = entries.get((contest.judge_id, frozenset((contest.a.id, contest.b.id))))
            if fullest is not None and fullest.run_id == run_id:
                found += _both_ways(fullest, contest, named or {}, trained, seed)
    return found


def _both_ways(
    entry: ContestEntry,
    contest: Contest,
    named: Mapping[str, AuthorDescription],
    trained: Mapping[str, CheckpointRecord],
    seed: int,
) -> list[PaperContest]:
    a, b = (named.get(of.name) or describe_author(of, trained) for of in (contest.a, contest.b))
    sampling = orjson.loads(entry.sampling)
    found = []
    for mirrored, of, author, opponent in ((False, contest.a, a, b), (True, contest.b, b, a)):
        if author.stage or author.is_teacher:
            columns = contest.columns.swap_authors() if mirrored else contest.columns
            ours = build_cell_result(
                contest, columns, run=entry.run_id, seed=seed, trained=trained, sampling=sampling
            )
            if ours is not None:
                scores = _scores(contest, columns)
                judge = judge_of(entry.model)
                found.append(PaperContest(entry, ours, of.name, of.id, author, opponent, judge, scores))
    return found


def _scores(contest: Contest, columns: JudgmentTable) -> Scores:
    score = dialogue_scores(columns).score
    pairs = zip(contest.dialogues, score, strict=True)
    return {dialogue.key: float(one) for dialogue, one in pairs if not np.isnan(one)}


def paper_claims(contests: Sequence[PaperContest]) -> list[Contrast]:
    """The paper's claims, with ours where the contests that they are about were judged."""
    by_cell: dict[Cell, list[PaperContest]] = {}
    for one in contests:
        cell = find_cell(one.author, one.opponent, one.judge)
        if cell is not None:
            by_cell.setdefault(cell, []).append(one)
    direct = {
        stage: [
            _fullest(of).scores
            for llm in sorted({one.author.llm for one in contests})
            if (of := [one for one in contests if _is_direct(one, stage) and one.author.llm == llm])
        ]
        for stage in STAGES
    }
    against = {
        base: _fullest(of).scores
        for base in (LLAMA, MISTRAL)
        if (of := [one for one in contests if _is_against_teacher(one, base)])
    }
    return contrasts(
        {cell: _fullest(of).scores for cell, of in by_cell.items()}, OtherScores(direct, against)
    )


def _is_direct(one: PaperContest, stage: str) -> bool:
    author, opponent = one.author, one.opponent
    is_base = opponent.is_base and opponent.base == author.base == LLAMA
    return is_base and one.judge == GPT_4O and (author.method, author.stage) == (Method.DIRECT, stage)


def _is_against_teacher(one: PaperContest, base: str) -> bool:
    author = one.author
    return (one.judge, author.base, author.stage) == (GEMINI, base, SFT_DPO) and one.opponent.is_teacher


def _fullest(found: Sequence[PaperContest]) -> PaperContest:
    """Of several contests that could stand for one the one that counts."""
    return max(found, key=lambda one: (one.entry.is_plain, not succeeds(one.entry.model), one.entry.size))


def table1_cells(contests: list[PaperContest]) -> dict[Cell, CellResult]:
    """Of each cell the contest that counts; how many other students could have stood there is told."""
    of_cell: dict[Cell, list[PaperContest]] = {}
    for one in contests:
        cell = find_cell(one.author, one.opponent, one.judge)
        if cell is not None:
            of_cell.setdefault(cell, []).append(one)
    return {cell: _chosen(found) for cell, found in of_cell.items()}


def _chosen(found: Sequence[PaperContest]) -> CellResult:
    ours = _fullest(found).ours
    sets = len({one.set_id for one in found})
    told = f"one of {sets} such students (or sets of responses) that were judged: the fullest, the newest"
    return ours if sets == 1 else replace(ours, differences=(*ours.differences, told))
