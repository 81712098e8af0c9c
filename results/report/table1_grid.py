"""Table 1's layout for any judged students: rows by base, judge and stage; columns by method and strategy.

The measured win rate is shown beside the published value if the paper has the cell. Cells that were not
judged stay empty. Students are identified by name and training (`results/paper/cells.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.author_names import AuthorName
from results.paper.cell_results import build_cell_result, describe_author
from results.paper.cells import METHODS, NUMBERS, STAGES, Cell, find_cell, paper_judge, published
from results.paper.single_order import BASE_FIRST, STUDENT_FIRST
from results.paper.table1 import CellResult, Table1, notes, table1
from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import Contest
from results.report.author_roles import TRUNCATED_BASE, AuthorRole, author_role
from results.statistics.replication import ReplicationResult

Place = tuple[str, str, str, str, str]  # base, judge, step, method, strategy


@dataclass(frozen=True, slots=True)
class Table1Entry:
    """One cell of the layout.

    Attributes:
        method, strategy: of the cell.
        ours: None if it was not judged.
        published: in [0, 1]; None if it is no cell of the paper.
        compared: ours compared with the published value; None without either.
    """

    method: str
    strategy: str
    ours: CellResult | None
    published: float | None
    compared: ReplicationResult | None


def orders_of(entry: Table1Entry) -> list[str]:
    """Return our single-order rates in percent, "base first 61.2"; empty if not judged."""
    if entry.ours is None:
        return []
    orders = ((BASE_FIRST, entry.ours.base_first), (STUDENT_FIRST, entry.ours.student_first))
    return [
        f"{name} {100 * single_order.rate:.1f}"
        for name, single_order in orders
        if single_order is not None and single_order.rate is not None
    ]


@dataclass(frozen=True)
class Table1Line:
    """A base under a judge after one training stage; 14 entries, method by method."""

    base: str
    judge: str
    step: str
    entries: tuple[Table1Entry, ...]


@dataclass(frozen=True)
class Table1Grid:
    """The layout, and notes for the reader."""

    lines: tuple[Table1Line, ...]
    notes: tuple[str, ...]

    @property
    def filled_cells(self) -> int:
        """Return the number of judged cells."""
        return sum(entry.ours is not None for line in self.lines for entry in line.entries)


def build_table1_grid(
    contests: Sequence[Contest],
    trained: Mapping[str, CheckpointRecord],
    samplings: Mapping[str, Mapping[str, Any]],
    *,
    run: str,
    seed: int,
) -> Table1Grid | None:
    """Return the layout of these contests; None if none is a student of over-human or over-llm against its
    base.

    Args:
        trained: checkpoint records by author.
        samplings: judge id → the judge's parameters.
        run: id of the run.
        seed: seed of the bootstrap.
    """
    ours: dict[Place, CellResult] = {}
    cells: dict[Place, Cell] = {}
    for contest in contests:
        for mirrored in (False, True):
            place, cell = _place(contest, trained, mirrored=mirrored)
            columns = contest.columns.swap_authors() if mirrored else contest.columns
            if place is None:
                continue
            sampling = samplings.get(contest.judge_id)
            found = build_cell_result(
                contest, columns, run=run, seed=seed, trained=trained, sampling=sampling
            )
            if found:
                ours[place] = found
                if cell:
                    cells[place] = cell
    if not ours:
        return None
    table = table1({cells[place]: found for place, found in ours.items() if place in cells})
    heads = dict.fromkeys((base, judge) for base, judge, *_ in sorted(ours))
    lines = [_line(head, step, ours, cells, table) for head in heads for step in STAGES]
    return Table1Grid(tuple(lines), tuple(notes(table)))


def _place(
    contest: Contest, trained: Mapping[str, CheckpointRecord], *, mirrored: bool
) -> tuple[Place | None, Cell | None]:
    author, opponent = (contest.b, contest.a) if mirrored else (contest.a, contest.b)
    against_base = author_role(opponent, trained).is_base and not opponent.author.startswith(TRUNCATED_BASE)
    if author_role(author, trained) is not AuthorRole.STUDENT or not against_base:
        return None, None
    description, base = describe_author(author, trained), describe_author(opponent, trained)
    if description.method not in METHODS or not (description.stage and description.strategy):
        return None, None
    shown = description.base or AuthorName.parse(opponent.author).name or ""
    place = (shown, contest.judge, description.stage, description.method, description.strategy)
    return place, find_cell(description, base, paper_judge(contest.judge_model))


def _line(
    head: tuple[str, str],
    step: str,
    ours: Mapping[Place, CellResult],
    cells: Mapping[Place, Cell],
    table: Table1,
) -> Table1Line:
    base, judge = head
    model = judge.partition("/")[2]
    entries = []
    for method in METHODS:
        for strategy in NUMBERS:
            place = (base, judge, step, str(method), str(strategy))
            cell = cells.get(place, Cell(base, paper_judge(model), step, str(method), str(strategy)))
            values = (ours.get(place), published().get(cell), table.compared.get(cell))
            entries.append(Table1Entry(str(method), str(strategy), *values))
    return Table1Line(base, judge, step, tuple(entries))
