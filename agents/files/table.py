"""The one strict CSV reader: a heading, rows of as many cells, every fault with the line its row begins on.

A row maps column names to cells. Blank rows, and rows of empty cells alone (as spreadsheets leave them at
the end), are passed over.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agents.files.faults import Faults
from agents.files.text import decode_text

OTHER_DELIMITERS = (";", "\t", "|")
MOST_CELL_CHARACTERS = 2**31 - 1  # the csv module's own limit, 131,072, is below one long response

MOST_LINE_CHARACTERS = 100_000  # of a line that is looked at for a row by itself
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, from 1, and its cells by their column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file.

    Attributes:
        heading: the columns, in the file's order.
        line: where the heading stands.
        rows: those with as many cells as the heading.
    """

    heading: tuple[str, ...]
    line: int
    rows: tuple[Row, ...]


def read_table(
    content: bytes,
    faults: Faults,
    columns: Sequence[str],
    *,
    truncated: str = "",
    is_row: Callable[[dict[str, str]], bool] | None = None,
) -> Table:
    """A CSV file's rows; whatever is wrong with the file, its heading or a row's form is added to `faults`.

    Args:
        columns: those that are needed; others may stand beside them.
        truncated: what to do about a file that ends within a quoted text.
        is_row: whether a line within a quoted text is a row by itself, by its cells: what an open quotation
            mark swallowed. None: where no cell of it begins with a space, as words after a comma do.
    """
    text = decode_text(content, faults)
    if text is None:
        return Table((), 1, ())
    records = _records(text, faults, truncated)
    line, heading = records[0] if records else (1, [])
    if _check_heading(line, heading, columns, faults):
        rows = tuple(_rows(heading, records[1:], faults, is_row or _is_dense))
    else:
        rows = ()
    return Table(tuple(heading), line, rows)


def _records(text: str, faults: Faults, truncated: str) -> list[tuple[int, list[str]]]:
    """Every record with the line it begins on; reading ends at the first that is no CSV."""
    before = csv.field_size_limit(MOST_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        at_end = "unexpected end" in str(error)
        what = (
            "the row that begins here has a quoted text without an end"
            if at_end
            else ("the row that begins here is no CSV: a quotation mark within a quoted text must be doubled")
        )
        faults.add(begins, what, f"{error}, on line {reader.line_num}", truncated if at_end else "")
    finally:
        csv.field_size_limit(before)
    return records


def _check_heading(line: int, heading: Sequence[str], columns: Sequence[str], faults: Faults) -> bool:
    """Check the heading; add what is wrong with it to `faults`. Return whether rows can be read."""
    if not heading:
        if not faults:
            faults.add(0, "is empty", remedy=f"It needs the columns {', '.join(columns)}.")
        return False
    delimiter = next((other for other in OTHER_DELIMITERS if len(heading) == 1 and other in heading[0]), "")
    if delimiter:
        found = f"{delimiter!r} between them"
        faults.add(line, "the cells are not separated by commas", found, "Save it with commas.")
        return False
    missing = [name for name in columns if name not in heading]
    if missing:
        there = ", ".join(heading[:12]) if len(missing) < len(columns) else "none of them"
        found = f"{len(heading)} columns: {there}"
        faults.add(line, "columns are missing", found, _lacking(missing, heading))
    twice = [name for name in columns if heading.count(name) > 1]
    if twice:
        faults.add(line, "columns are there twice", ", ".join(twice))
    return True


def _lacking(missing: Sequence[str], heading: Sequence[str]) -> str:
    """The columns that are missing, with those that differ from them in letter case or white space alone."""
    alike = {name.strip().lower(): name for name in heading}
    told = [f"{name} (there is {alike[name]!r})" if name in alike else name for name in missing]
    return f"Missing: {', '.join(told)}."


def _rows(
    heading: Sequence[str],
    records: Sequence[tuple[int, list[str]]],
    faults: Faults,
    is_row: Callable[[dict[str, str]], bool],
) -> Iterator[Row]:
    for line, cells in records:
        swallowed = _swallowed(cells, heading, is_row)
        if swallowed:
            what = "the row that begins here holds other rows within a quoted text: a quotation mark too many"
            faults.add(line, what, repr(swallowed[:60]))
        elif len(cells) != len(heading):
            what = "the row has another number of cells than the heading"
            faults.add(line, what, f"{len(cells)} of {len(heading)}")
        else:
            yield Row(line, dict(zip(heading, cells, strict=True)))


def _swallowed(cells: Sequence[str], heading: Sequence[str], is_row: Callable[[dict[str, str]], bool]) -> str:
    """A line within a quoted text that is, or ends, a row of its own; "" for none.

    An open quotation mark in a column and a second one some rows on, at the end of the same column, make one
    row of the right width: its quoted text holds the end of the first row, and the beginning of the last.
    """

    def fits(pieces: Sequence[str]) -> bool:
        return len(pieces) == len(heading) and is_row(dict(zip(heading, pieces, strict=True)))

    for at, cell in enumerate(cells if len(heading) > 2 else ()):
        lines = _LINE_END.split(cell)
        if len(lines) < 2:
            continue
        first, *inner, last = lines
        row = next((line for line in inner if fits(_pieces(line))), "")
        ends = [[*cells[:at], *_pieces(first)], [*_pieces(last), *cells[at + 1 :]]]
        if row or all(map(fits, ends)):
            return row or last
    return ""


def _pieces(line: str) -> list[str]:
    return next(csv.reader([line]), [""]) if len(line) < MOST_LINE_CHARACTERS else [line]


def _is_dense(cells: dict[str, str]) -> bool:
    return not any(cell.startswith(" ") for cell in cells.values())
