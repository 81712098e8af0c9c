"""Strict CSV reader that reports every fault with the line on which its row begins.

A row maps column names to cells and has as many cells as the heading. Blank rows and rows of empty cells,
which spreadsheets leave at the end, are skipped.
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
MAX_CELL_CHARACTERS = 2**31 - 1  # the default of the csv module, 131,072, is too small for a long response

MAX_LINE_CHARACTERS = 100_000  # longer lines within a quoted cell are not checked for swallowed rows
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: the line on which it begins, from 1, and its cells by column name."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class CsvTable:
    """Content of a CSV file.

    Attributes:
        heading: the column names, in file order.
        line: line of the heading, from 1.
        rows: the rows that have as many cells as the heading.
    """

    heading: tuple[str, ...]
    line: int
    rows: tuple[CsvRow, ...]


def read_table(
    content: bytes,
    faults: Faults,
    columns: Sequence[str],
    *,
    truncated: str = "",
    is_row: Callable[[dict[str, str]], bool] | None = None,
) -> CsvTable:
    """Read a CSV file; add every fault of its encoding, heading and rows to `faults`.

    Args:
        columns: the required columns; the file may have others.
        truncated: remedy to report if the file ends within a quoted cell.
        is_row: returns whether the cells of a line within a quoted cell look like a row of their own, which
            means that a stray quotation mark swallowed it. By default a line looks like a row if none of its
            cells begins with a space, as words after a comma do.
    """
    text = decode_text(content, faults)
    if text is None:
        return CsvTable((), 1, ())
    records = _records(text, faults, truncated)
    line, heading = records[0] if records else (1, [])
    if _check_heading(line, heading, columns, faults):
        rows = tuple(_rows(heading, records[1:], faults, is_row or _is_dense))
    else:
        rows = ()
    return CsvTable(tuple(heading), line, rows)


def _records(text: str, faults: Faults, truncated: str) -> list[tuple[int, list[str]]]:
    """Return every record with the line on which it begins; stop at the first record that is not CSV."""
    before = csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error as error:
        detail = f"{error}, on line {reader.line_num}"
        if "unexpected end" in str(error):
            what = "the quoted cell of this row is not closed"
            faults.add(begins, what, detail, truncated, code="file.unclosed-quote")
        else:
            remedy = "Double every quotation mark within a quoted cell."
            faults.add(begins, "the row is not valid CSV", detail, remedy, code="file.not-csv")
    finally:
        csv.field_size_limit(before)
    return records


def _check_heading(line: int, heading: Sequence[str], columns: Sequence[str], faults: Faults) -> bool:
    """Add the faults of the heading to `faults`. Return whether rows can be read."""
    if not heading:
        if not faults:
            remedy = f"Add the columns {', '.join(columns)}."
            faults.add(0, "the file is empty", remedy=remedy, code="file.empty")
        return False
    delimiter = next((other for other in OTHER_DELIMITERS if len(heading) == 1 and other in heading[0]), "")
    if delimiter:
        faults.add(
            line,
            "the cells are not separated by commas",
            f"the delimiter {delimiter!r}",
            "Save the file with commas as the delimiter.",
            code="file.wrong-delimiter",
        )
        return False
    missing = [name for name in columns if name not in heading]
    if missing:
        present = ", ".join(heading[:12]) if len(missing) < len(columns) else "none of them"
        columns_found = f"{len(heading)} columns: {present}"
        remedy = _missing_columns_remedy(missing, heading)
        faults.add(line, "columns are missing", columns_found, remedy, code="file.missing-columns")
    repeated = [name for name in columns if heading.count(name) > 1]
    if repeated:
        faults.add(line, "columns are repeated", ", ".join(repeated), code="file.duplicate-columns")
    return True


def _missing_columns_remedy(missing: Sequence[str], heading: Sequence[str]) -> str:
    """List the missing columns, each with a present one that differs in case or white space only."""
    similar = {name.strip().lower(): name for name in heading}
    names = [f"{name} (the file has {similar[name]!r})" if name in similar else name for name in missing]
    return f"Add the columns: {', '.join(names)}."


def _rows(
    heading: Sequence[str],
    records: Sequence[tuple[int, list[str]]],
    faults: Faults,
    is_row: Callable[[dict[str, str]], bool],
) -> Iterator[CsvRow]:
    for line, cells in records:
        swallowed = _swallowed(cells, heading, is_row)
        if swallowed:
            what = "a quoted cell of this row contains other rows"
            remedy = "Remove the stray quotation mark."
            faults.add(line, what, repr(swallowed[:60]), remedy, code="file.swallowed-rows")
        elif len(cells) != len(heading):
            what = "the number of cells differs from that of the heading"
            faults.add(line, what, f"{len(cells)} of {len(heading)}", code="file.wrong-cell-count")
        else:
            yield CsvRow(line, dict(zip(heading, cells, strict=True)))


def _swallowed(cells: Sequence[str], heading: Sequence[str], is_row: Callable[[dict[str, str]], bool]) -> str:
    """Return a line within a quoted cell that is, or ends, another row; "" if there is none.

    A stray quotation mark in one column and another in the same column some rows later form one row of the
    right width. Its quoted cell then contains the end of the first row and the beginning of the last.
    """

    def fits(pieces: Sequence[str]) -> bool:
        return len(pieces) == len(heading) and is_row(dict(zip(heading, pieces, strict=True)))

    for column, cell in enumerate(cells if len(heading) > 2 else ()):
        lines = _LINE_END.split(cell)
        if len(lines) < 2:
            continue
        first, *inner, last = lines
        row = next((line for line in inner if fits(_parse_line(line))), "")
        ends = [[*cells[:column], *_parse_line(first)], [*_parse_line(last), *cells[column + 1 :]]]
        if row or all(map(fits, ends)):
            return row or last
    return ""


def _parse_line(line: str) -> list[str]:
    """Parse one line as CSV; a line over `MAX_LINE_CHARACTERS` becomes a single cell."""
    return next(csv.reader([line]), [""]) if len(line) < MAX_LINE_CHARACTERS else [line]


def _is_dense(cells: dict[str, str]) -> bool:
    """Return whether no cell begins with a space."""
    return not any(cell.startswith(" ") for cell in cells.values())
