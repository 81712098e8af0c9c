"""Layout of a table as text for a given width; numbers are never broken and names never cropped.

If a table is too wide, names are wrapped first. Then it is transposed with its rows side by side, as many per
part as fit; if it has more rows than columns, it is split by columns instead. At last labels and values are
wrapped between words. Every text is escaped here (`visible_text`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.output_escape import visible_text
from results.render.format import format_lines
from results.render.table import Column, Row, Table, Value

MIN_NAME_WIDTH = 16  # characters to which a name may be wrapped before the table is transposed
MIN_VALUE_WIDTH = 8  # minimum characters of a column
MIN_TABLE_WIDTH = 2 * MIN_VALUE_WIDTH + 4  # minimum characters of a table

# Spaces within a cell's numbers that must not be broken: "95.0 to 97.1", "61.6 %", "30 / 0 / 2".
_UNBREAKABLE = re.compile(
    r"(?<=[\d%]) (?=to [-+−\d]|of [\d]|%|/ )|(?<=\bto|\bof) (?=[-+−\d])|(?<=/) (?=[-+−$\d])"
)
_NUMBER = re.compile(r"(?=.*\d)[-+−$<≤≈±(\d][\d.,:%/+−$ ()tofkM-]*")
# Where a name may be wrapped: after a separator, else at a hyphen; never within a number.
_SEAMS = (re.compile(r"(?<=[/:@, ])"), re.compile(r"(?=-)|(?<=_)|(?<=\.)(?!\d)"))
_GLUE = "\x00"  # placeholder for an unbreakable space; never occurs in escaped text


@dataclass(frozen=True, slots=True)
class Line:
    """A laid-out row.

    Attributes:
        cells: lines of the cell, per column.
        style: style of the row.
        ends: whether a rule follows.
    """

    cells: tuple[tuple[str, ...], ...]
    style: str = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A laid-out table or part of a table, with every text escaped and wrapped.

    Attributes:
        title, caption: lines above and below.
        widths: characters of each column, without separators.
        heads, rows: lines per column.
        justify, styles: alignment and style per column.
    """

    title: tuple[str, ...]
    caption: tuple[str, ...]
    widths: tuple[int, ...]
    heads: tuple[tuple[str, ...], ...]
    rows: tuple[Line, ...]
    justify: tuple[str, ...]
    styles: tuple[str, ...]


def display_width(text: str) -> int:
    """Return the terminal cells that a text occupies; wide characters occupy two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap_text(text: str, width: int | None) -> tuple[str, ...]:
    """Wrap an escaped text into lines of at most `width` characters; None without limit.

    Lines break at spaces, never within a number. A word that is too long is broken, preferably after a
    separator.
    """
    if width is None:
        return tuple(text.split("\n"))
    return tuple(line for part in text.split("\n") for line in _wrapped_line(part, width))


def lay_out_table(table: Table, width: int | None, encoding: str = "utf-8") -> list[Layout]:
    """Lay out a table in one part, or in as many as necessary.

    Args:
        table: the table.
        width: characters per line; None without limit.
        encoding: encoding of the output.
    """
    grid = _Grid.from_table(table, encoding)
    if width is None:
        return [_laid_out(grid, grid.natural, None)]
    width = max(width, MIN_TABLE_WIDTH)
    widths = _shrunk(grid.natural, grid.natural, width - _separator_width(len(grid.columns))) or _fitted(
        grid, width
    )
    if widths is not None:
        return [_laid_out(grid, widths, width)]
    return [_laid_out(part, _squeezed(part, width), width) for part in _parts(grid, width)]


class _Grid:
    """Table of escaped texts; the lines of a cell are joined by newlines.

    Attributes:
        cells: by column.
        natural: per column, the characters of its head and widest cell in one line.
        narrow: the same with a wrapped head.
    """

    def __init__(self, title: str, caption: str, columns: list[Column], rows: list[Row]) -> None:
        self.title, self.caption, self.columns, self.rows = title, caption, columns, rows
        self.cells = [[str(row.cells[index]) for row in rows] for index in range(len(columns))]
        widest = [max(map(_width, cells), default=1) for cells in self.cells]
        self.natural = [
            max(_width(column.heading), size) for column, size in zip(columns, widest, strict=True)
        ]
        self.narrow = [
            max(_longest_word(column.heading), size) for column, size in zip(columns, widest, strict=True)
        ]

    @classmethod
    def from_table(cls, table: Table, encoding: str) -> _Grid:
        """Format the values of a table and escape every text; only the lines of a cell break lines."""

        def escaped(*lines: str) -> str:
            return "\n".join(visible_text(line, one_line=True, encoding=encoding) for line in lines)

        columns = [
            _column(escaped(column.heading), column.alignment, column.style) for column in table.columns
        ]
        rows: list[Row] = []
        above: tuple[Value, ...] = ()
        for row in table.rows:
            if row.section:
                rows.append(Row((escaped(row.section), *[""] * (len(columns) - 1)), "bold"))
            texts = tuple(
                ""
                if column.once and cell in above[index : index + 1]
                else escaped(*format_lines(cell, column.unit))
                for index, (cell, column) in enumerate(zip(row.cells, table.columns, strict=True))
            )
            above = row.cells
            rows.append(Row(texts, row.style, ends=row.ends))
        notes = filter(None, (table.caption, *table.caveats))
        return cls(escaped(table.title), escaped(*notes), columns, rows)


def _column(heading: str, alignment: str = "left", style: str = "") -> Column:
    """Return a column of texts."""
    return Column("", heading, "text", alignment, style)


def _width(text: str) -> int:
    """Return the width of the widest line."""
    return max(map(display_width, text.split("\n")))


def _fitted(grid: _Grid, width: int) -> tuple[int, ...] | None:
    """Return column widths with every number in one line; None if the table does not fit."""
    minimum = [
        min(required, max(MIN_NAME_WIDTH, _longest_number(cells))) if column.alignment == "left" else required
        for column, cells, required in zip(grid.columns, grid.cells, grid.narrow, strict=True)
    ]
    return _shrunk(grid.narrow, minimum, width - _separator_width(len(minimum)))


def _shrunk(natural: Sequence[int], minimum: Sequence[int], available: int) -> tuple[int, ...] | None:
    """Reduce the widest columns until they fit, but none below its minimum; None if impossible."""
    if sum(minimum) > available:
        return None
    widths = list(natural)
    while sum(widths) > available:
        widest = max(
            (index for index in range(len(widths)) if widths[index] > minimum[index]), key=widths.__getitem__
        )
        widths[widest] -= 1
    return tuple(widths)


def _parts(grid: _Grid, width: int) -> list[_Grid]:
    """Split the table into parts that fit, each with the row names: transposed, or some columns at a time."""
    name_columns = _name_columns(grid)
    names = _row_names(grid, name_columns)
    others = [index for index in range(len(grid.columns)) if index not in name_columns]
    head = ", ".join(grid.columns[index].heading for index in name_columns)
    transposed = len(grid.rows) <= len(others)
    parts: list[list[int]] = []
    for index in range(len(grid.rows)) if transposed else others:
        candidate = [*parts[-1], index] if parts else [index]
        part = (
            _transposed_part(grid, head, names, others, candidate)
            if transposed
            else _part(grid, head, names, candidate)
        )
        if parts and _fits(part, width):
            parts[-1] = candidate
        else:
            parts.append([index])
    if transposed:
        made_parts = [_transposed_part(grid, head, names, others, part) for part in parts]
    else:
        made_parts = [_part(grid, head, names, part) for part in parts]
    for before, after in pairwise(made_parts):
        before.caption, after.title = "", ""
    return made_parts or [grid]


def _name_columns(grid: _Grid) -> list[int]:
    """Return the columns that name a row: the leading left-aligned ones."""
    name_columns: list[int] = []
    for index, column in enumerate(grid.columns):
        if column.alignment == "left":
            name_columns.append(index)
        elif name_columns:
            break
    return name_columns or [0]


def _row_names(grid: _Grid, name_columns: Sequence[int]) -> list[str]:
    """Return the name of each row; an empty first word repeats the row above."""
    firsts = _filled_down(grid.cells[name_columns[0]])
    rest = (
        ", ".join(filter(None, cells))
        for cells in zip(*(grid.cells[index] for index in name_columns[1:]), strict=True)
    )
    if len(name_columns) == 1:
        return firsts
    return [", ".join(filter(None, both)) for both in zip(firsts, rest, strict=True)]


def _filled_down(names: Sequence[str]) -> list[str]:
    """Return the names with empty ones replaced by the name above."""
    filled: list[str] = []
    for name in names:
        filled.append(name if name or not filled else filled[-1])
    return filled


def _transposed_part(
    grid: _Grid, head: str, names: Sequence[str], others: Sequence[int], part: Sequence[int]
) -> _Grid:
    """Return some rows transposed into columns."""
    columns = [_column(head), *(_column(names[index], "right", grid.rows[index].style) for index in part)]
    rows = [
        Row(
            (grid.columns[other].heading, *(grid.rows[index].cells[other] for index in part)),
            grid.columns[other].style,
        )
        for other in others
    ]
    return _Grid(grid.title, grid.caption, columns, rows)


def _part(grid: _Grid, head: str, names: Sequence[str], part: Sequence[int]) -> _Grid:
    """Return some columns with the row names."""
    rows = [
        Row((name, *(row.cells[index] for index in part)), row.style, ends=row.ends)
        for name, row in zip(names, grid.rows, strict=True)
    ]
    return _Grid(grid.title, grid.caption, [_column(head), *(grid.columns[index] for index in part)], rows)


def _fits(part: _Grid, width: int) -> bool:
    """Return whether every value of a part fits in one line, with names and labels wrapped."""
    return _shrunk(*_value_widths(part), width - _separator_width(len(part.columns))) is not None


def _value_widths(part: _Grid) -> tuple[list[int], list[int]]:
    """Return the natural column widths of a part, and the minimum widths for its values."""
    words = max(map(_longest_word, [part.columns[0].heading, *part.cells[0]]))
    values = [
        max(max(map(_width, cells), default=0), min(_width(column.heading), MIN_NAME_WIDTH))
        for column, cells in zip(part.columns[1:], part.cells[1:], strict=True)
    ]
    return part.natural, [min(words, MIN_NAME_WIDTH), *values]


def _squeezed(part: _Grid, width: int) -> tuple[int, ...]:
    """Return the widths of a part: first labels are wrapped, then values between numbers, then anywhere."""
    natural, minimum = _value_widths(part)
    available = width - _separator_width(len(natural))
    numbers = [
        min(max(MIN_VALUE_WIDTH, _longest_number(cells)), column_minimum)
        for cells, column_minimum in zip(part.cells[1:], minimum[1:], strict=True)
    ]
    label = min(MIN_VALUE_WIDTH, natural[0])
    for candidate in (minimum, [minimum[0], *numbers], [label, *numbers]):
        widths = _shrunk(natural, candidate, available)
        if widths is not None:
            return widths
    values = len(natural) - 1
    return (label, *[max(1, (available - label) // max(1, values))] * values)


def _laid_out(grid: _Grid, widths: Sequence[int], width: int | None) -> Layout:
    """Wrap every text of a grid to the given widths."""
    heads = tuple(wrap_text(column.heading, size) for column, size in zip(grid.columns, widths, strict=True))
    rows = tuple(
        Line(
            tuple(wrap_text(str(cell), size) for cell, size in zip(row.cells, widths, strict=True)),
            row.style,
            row.ends,
        )
        for row in grid.rows
    )
    title, caption = (wrap_text(text, width) if text else () for text in (grid.title, grid.caption))
    justify = tuple(column.alignment for column in grid.columns)
    return Layout(
        title, caption, tuple(widths), heads, rows, justify, tuple(column.style for column in grid.columns)
    )


def _separator_width(columns: int) -> int:
    """Return the characters of the lines and spaces around and between columns."""
    return columns + 1 + columns - 1


def _words(text: str) -> list[str]:
    """Return the unbreakable parts of a text: words, and numbers with their units."""
    return [word.replace(_GLUE, " ") for word in _UNBREAKABLE.sub(_GLUE, text).split(" ")]


def _longest_word(text: str) -> int:
    """Return the width of the longest unbreakable part."""
    return max(display_width(word) for line in text.split("\n") for word in _words(line))


def _longest_number(cells: Sequence[str]) -> int:
    """Return the width of the longest number with its unit; 0 without numbers."""
    words = (word for cell in cells for line in cell.split("\n") for word in _words(line))
    return max((display_width(word) for word in words if _NUMBER.fullmatch(word)), default=0)


def _wrapped_line(text: str, width: int) -> list[str]:
    """Wrap one line."""
    if display_width(text) <= width:
        return [text]
    lines, line = [], ""
    for word in _words(text):
        longer = f"{line} {word}" if line else word
        if display_width(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *folded, line = _folded(word, width)
        lines += folded
    return [*lines, line]


def _folded(word: str, width: int) -> list[str]:
    """Return a word in pieces of at most `width` characters."""
    pieces, rest = [], word
    while display_width(rest) > width:
        size = _piece(rest, width)
        pieces.append(rest[:size])
        rest = rest[size:]
    return [*pieces, rest]


def _piece(text: str, width: int) -> int:
    """Return the length of a word's first piece: up to a separator within reach, else all that fits."""
    fitting = _prefix(text, width)
    for seam in _SEAMS:
        seams = [
            index for match in seam.finditer(text, 0, fitting + 1) if (index := match.start()) <= fitting
        ]
        if seams and seams[-1] > fitting // 3:
            return seams[-1]
    return fitting


def _prefix(text: str, width: int) -> int:
    """Return how many characters fit the width; at least one."""
    size, taken = 0, 0
    for char in text:
        taken += display_width(char)
        if taken > width:
            break
        size += 1
    return max(1, size)
