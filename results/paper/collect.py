"""Collection of the paper's Table 1 from a database: matches contests to cells.

A contest counts if it is complete, on the test split, and its authors are a student and its base, by the
student's record or by name. Other authors can be assigned to cells in a file. Sends no requests.
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
    paper_judge,
    published,
    succeeded_model,
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
    """A contest of the database, seen from one of its authors.

    Attributes:
        entry: the contest.
        ours: the result for `author` (as A).
        name, set_id: the author and its response set.
        author, opponent: descriptions of both authors.
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
    """Read a CSV that assigns authors to cells: author, student, stage, method, strategy.

    Raises:
        UserError: wrong columns, or rows that are no cell of Table 1; every fault with its line.
    """
    faults = Faults(str(path))
    table = read_table(read_bytes(path, "the file of cells"), faults, CELL_COLUMNS)
    known = {(cell.student, cell.stage, cell.method, cell.strategy) for cell in published()}
    named: dict[str, AuthorDescription] = {}
    for row in table.rows if set(CELL_COLUMNS) <= set(table.heading) else ():
        author, *key = (row.cells[name] for name in CELL_COLUMNS)
        student, stage, method, strategy = key
        if (student, stage, method, strategy) not in known:
            faults.add(
                row.line,
                "not a cell of Table 1",
                ", ".join(key),
                "Write student, stage, method and strategy as in Table 1.",
                code="paper.not-a-cell",
            )
        elif author in named:
            faults.add(
                row.line,
                "duplicate author",
                repr(author),
                "Keep one row per author.",
                code="author.duplicate",
            )
        else:
            named[author] = AuthorDescription(student, False, stage, method, strategy, "", False)
    faults.raise_if_any("invalid file of cells", code="paper.invalid-cells")
    return named


async def select_paper_contests(
    store: Store,
    named: Mapping[str, AuthorDescription] | None = None,
    *,
    seed: int = 0,
    exclude_same_family: bool = False,
) -> list[PaperContest]:
    """Return all contests on the test split with an author of a known role, once per such author.

    Only judgments of overall empathy count; of several prompts of one model, the default's.
    """
    contest_index = await load_contest_index(store)
    entries: dict[tuple[str, frozenset[str]], ContestEntry] = {}
    for entry in contest_index.entries:
        key = (entry.judge_id, entry.sets)
        wanted = entry.split == "test" and not entry.stopped and entry.provider != "control"
        wanted = wanted and not entry.is_of_one_dimension and not (exclude_same_family and entry.same_family)
        if wanted and (key not in entries or entry.size >= entries[key].size):
            entries[key] = entry
    checkpoints = {checkpoint.author: checkpoint for checkpoint in await store.read(load_checkpoints)}
    selected = []
    for run_id in sorted({entry.run_id for entry in entries.values()}):
        for contest in await load_contests(store, run_id):
            fullest = entries.get((contest.judge_id, frozenset((contest.a.id, contest.b.id))))
            if fullest is not None and fullest.run_id == run_id:
                selected += _oriented_contests(fullest, contest, named or {}, checkpoints, seed)
    return selected


def _oriented_contests(
    entry: ContestEntry,
    contest: Contest,
    named: Mapping[str, AuthorDescription],
    trained: Mapping[str, CheckpointRecord],
    seed: int,
) -> list[PaperContest]:
    a, b = (
        named.get(response_set.name) or describe_author(response_set, trained)
        for response_set in (contest.a, contest.b)
    )
    sampling = orjson.loads(entry.sampling)
    oriented = []
    for mirrored, response_set, author, opponent in ((False, contest.a, a, b), (True, contest.b, b, a)):
        if author.stage or author.is_teacher:
            columns = contest.columns.swap_authors() if mirrored else contest.columns
            ours = build_cell_result(
                contest, columns, run=entry.run_id, seed=seed, trained=trained, sampling=sampling
            )
            if ours is not None:
                scores = _scores(contest, columns)
                judge = paper_judge(entry.model)
                oriented.append(
                    PaperContest(
                        entry, ours, response_set.name, response_set.id, author, opponent, judge, scores
                    )
                )
    return oriented


def _scores(contest: Contest, columns: JudgmentTable) -> Scores:
    score = dialogue_scores(columns).score
    pairs = zip(contest.dialogues, score, strict=True)
    return {dialogue.key: float(value) for dialogue, value in pairs if not np.isnan(value)}


def paper_claims(contests: Sequence[PaperContest]) -> list[Contrast]:
    """Estimate the paper's claims from the judged contests."""
    by_cell: dict[Cell, list[PaperContest]] = {}
    for contest in contests:
        cell = find_cell(contest.author, contest.opponent, contest.judge)
        if cell is not None:
            by_cell.setdefault(cell, []).append(contest)
    direct = {
        stage: [
            _largest(candidates).scores
            for llm in sorted({contest.author.llm for contest in contests})
            if (
                candidates := [
                    contest
                    for contest in contests
                    if _is_direct(contest, stage) and contest.author.llm == llm
                ]
            )
        ]
        for stage in STAGES
    }
    against = {
        base: _largest(candidates).scores
        for base in (LLAMA, MISTRAL)
        if (candidates := [contest for contest in contests if _is_against_teacher(contest, base)])
    }
    return contrasts(
        {cell: _largest(candidates).scores for cell, candidates in by_cell.items()},
        OtherScores(direct, against),
    )


def _is_direct(contest: PaperContest, stage: str) -> bool:
    author, opponent = contest.author, contest.opponent
    is_base = opponent.is_base and opponent.base == author.base == LLAMA
    return is_base and contest.judge == GPT_4O and (author.method, author.stage) == (Method.DIRECT, stage)


def _is_against_teacher(contest: PaperContest, base: str) -> bool:
    author = contest.author
    return (contest.judge, author.base, author.stage) == (
        GEMINI,
        base,
        SFT_DPO,
    ) and contest.opponent.is_teacher


def _largest(candidates: Sequence[PaperContest]) -> PaperContest:
    """Return the contest that counts among several for the same cell."""
    return max(
        candidates,
        key=lambda contest: (
            contest.entry.is_plain,
            not succeeded_model(contest.entry.model),
            contest.entry.size,
        ),
    )


def table1_cells(contests: list[PaperContest]) -> dict[Cell, CellResult]:
    """Return the result that counts for each cell, with a note if other students match it."""
    by_cell: dict[Cell, list[PaperContest]] = {}
    for contest in contests:
        cell = find_cell(contest.author, contest.opponent, contest.judge)
        if cell is not None:
            by_cell.setdefault(cell, []).append(contest)
    return {cell: _cell_result(candidates) for cell, candidates in by_cell.items()}


def _cell_result(candidates: Sequence[PaperContest]) -> CellResult:
    ours = _largest(candidates).ours
    sets = len({contest.set_id for contest in candidates})
    note = f"one of {sets} matching students (or response sets): the largest, then the newest"
    return ours if sets == 1 else replace(ours, differences=(*ours.differences, note))
