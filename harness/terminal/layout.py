"""Where the texts of a table stand at a given width: no number is ever broken, no name cut off.

Where there is no room for a table, its names are folded first. Then it is turned, its rows side by side, as
many in a part as fit; where it has more rows than columns it is parted by columns instead. At last labels and
values are wrapped between their words. Every text is made visible here (`agents/output_escape.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agents.output_escape import visible_text
from results.render.table import Cell, Column, Row, Table

LEAST_NAME = 16  # characters to which a name may be folded before the table is turned
LEAST_VALUE = 8  # characters that a column has at the very least
NARROWEST = 2 * LEAST_VALUE + 4  # characters: no table is laid out for less

# What stands between the numbers of one cell and does not part them: "95.0 to 97.1", "61.6 %", "30 / 0 / 2".
_BOUND = re.compile(r"(?<=[\d%]) (?=to [-+−\d]|of [\d]|%|/ )|(?<=\bto|\bof) (?=[-+−\d])|(?<=/) (?=[-+−$\d])")
_NUMBER = re.compile(r"(?=.*\d)[-+−$<≤≈±(\d][\d.,:%/+−$ ()tofkM-]*")
# Where a name may be folded: after what separates its parts, else at a hyphen; not within a number.
_SEAMS = (re.compile(r"(?<=[/:@, ])"), re.compile(r"(?=-)|(?<=_)|(?<=\.)(?!\d)"))
_GLUE = "\x00"  # stands for a space that does not part; no shown text holds it


@dataclass(frozen=True, slots=True)
class Line:
    """A row that is laid out: per column the lines of its cell."""

    cells: tuple[tuple[str, ...], ...]
    style: str = ""
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A table, or a part of one, ready to be drawn: every text visible and wrapped.

    Attributes:
        title, caption: lines above and below.
        widths: characters of each column, without what separates them.
        heads, rows: each column's lines.
        justify, styles: of the columns.
    """

    title: tuple[str, ...]
    caption: tuple[str, ...]
    widths: tuple[int, ...]
    heads: tuple[tuple[str, ...], ...]
    rows: tuple[Line, ...]
    justify: tuple[str, ...]
    styles: tuple[str, ...]


def display_width(text: str) -> int:
    """Cells of a terminal that a text takes: two for a wide character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrap_text(text: str, width: int | None) -> tuple[str, ...]:
    """A visible text in lines of at most so many characters: broken at spaces, never within a number; a word
    that is too long is folded, after a separator where there is one in reach."""
    if width is None:
        return tuple(text.split("\n"))
    return tuple(line for part in text.split("\n") for line in _wrapped_line(part, width))


def lay_out_table(table: Table, width: int | None, encoding: str = "utf-8") -> list[Layout]:
    """The table in one part, or in as many as it takes.

    Args:
        table: what is to be shown.
        width: characters of a line; None for room without end.
        encoding: that of the output.
    """
    shown = _Grid.of(table, encoding)
    if width is None:
        return [_laid_out(shown, shown.natural, None)]
    width = max(width, NARROWEST)
    widths = _shrunk(shown.natural, shown.natural, width - _between(len(shown.columns))) or _fitted(
        shown, width
    )
    if widths is not None:
        return [_laid_out(shown, widths, width)]
    return [_laid_out(part, _squeezed(part, width), width) for part in _parts(shown, width)]


class _Grid:
    """A table of visible texts; a cell's lines are joined by newlines.

    Attributes:
        cells: by column.
        natural: per column the characters that hold its head and every cell in one line.
        narrow: the same, its head wrapped.
    """

    def __init__(self, title: str, caption: str, columns: list[Column], rows: list[Row]) -> None:
        self.title, self.caption, self.columns, self.rows = title, caption, columns, rows
        self.cells = [[str(row.cells[at]) for row in rows] for at in range(len(columns))]
        widest = [max(map(_width, cells), default=1) for cells in self.cells]
        self.natural = [max(_width(one.head), size) for one, size in zip(columns, widest, strict=True)]
        self.narrow = [max(_longest_word(one.head), size) for one, size in zip(columns, widest, strict=True)]

    @classmethod
    def of(cls, table: Table, encoding: str) -> _Grid:
        """Nothing in it is hidden, and nothing breaks a line but the lines of a cell."""

        def shown(cell: Cell) -> str:
            lines = (cell,) if isinstance(cell, str) else cell
            return "\n".join(visible_text(line, one_line=True, encoding=encoding) for line in lines)

        columns = [Column(shown(one.head), one.justify, one.style) for one in table.columns]
        rows = [Row(tuple(map(shown, row.cells)), row.style, row.ends) for row in table.rows]
        return cls(shown(table.title), shown(table.caption), columns, rows)


def _width(text: str) -> int:
    return max(map(display_width, text.split("\n")))


def _fitted(grid: _Grid, width: int) -> tuple[int, ...] | None:
    """The columns' widths with every number in one line; None where there is no room, names folded or not."""
    least = [
        min(needed, max(LEAST_NAME, _longest_number(cells))) if column.justify == "left" else needed
        for column, cells, needed in zip(grid.columns, grid.cells, grid.narrow, strict=True)
    ]
    return _shrunk(grid.narrow, least, width - _between(len(least)))


def _shrunk(natural: Sequence[int], least: Sequence[int], room: int) -> tuple[int, ...] | None:
    """Widths that fit, taken from the widest first, none below its least; None where those do not fit."""
    if sum(least) > room:
        return None
    widths = list(natural)
    while sum(widths) > room:
        widest = max((at for at in range(len(widths)) if widths[at] > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return tuple(widths)


def _parts(grid: _Grid, width: int) -> list[_Grid]:
    """The table in parts that fit as far as can be, its names in each: turned, or some columns at a time."""
    named = _named(grid)
    names = _names(grid, named)
    others = [at for at in range(len(grid.columns)) if at not in named]
    head = ", ".join(grid.columns[at].head for at in named)
    turned = len(grid.rows) <= len(others)
    parts: list[list[int]] = []
    for at in range(len(grid.rows)) if turned else others:
        made = [*parts[-1], at] if parts else [at]
        part = _turned_part(grid, head, names, others, made) if turned else _part(grid, head, names, made)
        if parts and _fits(part, width):
            parts[-1] = made
        else:
            parts.append([at])
    if turned:
        made_parts = [_turned_part(grid, head, names, others, part) for part in parts]
    else:
        made_parts = [_part(grid, head, names, part) for part in parts]
    for before, after in pairwise(made_parts):
        before.caption, after.title = "", ""
    return made_parts or [grid]


def _named(grid: _Grid) -> list[int]:
    """The columns that say what a row is: the first ones to the left."""
    named: list[int] = []
    for at, column in enumerate(grid.columns):
        if column.justify == "left":
            named.append(at)
        elif named:
            break
    return named or [0]


def _names(grid: _Grid, named: Sequence[int]) -> list[str]:
    """What each row is; where the first word for it is left out, that of the row before."""
    firsts = _filled_down(grid.cells[named[0]])
    rest = (
        ", ".join(filter(None, cells)) for cells in zip(*(grid.cells[at] for at in named[1:]), strict=True)
    )
    if len(named) == 1:
        return firsts
    return [", ".join(filter(None, both)) for both in zip(firsts, rest, strict=True)]


def _filled_down(names: Sequence[str]) -> list[str]:
    filled: list[str] = []
    for name in names:
        filled.append(name if name or not filled else filled[-1])
    return filled


def _turned_part(
    grid: _Grid, head: str, names: Sequence[str], others: Sequence[int], part: Sequence[int]
) -> _Grid:
    columns = [Column(head), *(Column(names[at], "right", grid.rows[at].style) for at in part)]
    rows = [
        Row(
            (grid.columns[other].head, *(grid.rows[at].cells[other] for at in part)),
            grid.columns[other].style,
        )
        for other in others
    ]
    return _Grid(grid.title, grid.caption, columns, rows)


def _part(grid: _Grid, head: str, names: Sequence[str], part: Sequence[int]) -> _Grid:
    rows = [
        Row((name, *(row.cells[at] for at in part)), row.style, row.ends)
        for name, row in zip(names, grid.rows, strict=True)
    ]
    return _Grid(grid.title, grid.caption, [Column(head), *(grid.columns[at] for at in part)], rows)


def _fits(part: _Grid, width: int) -> bool:
    """Whether every value of a part stands in one line, its names and labels wrapped."""
    return _shrunk(*_comfortable(part), width - _between(len(part.columns))) is not None


def _comfortable(part: _Grid) -> tuple[list[int], list[int]]:
    """Widths of a part's columns that hold everything in one line, and the least of them for the values."""
    words = max(map(_longest_word, [part.columns[0].head, *part.cells[0]]))
    values = [
        max(max(map(_width, cells), default=0), min(_width(one.head), LEAST_NAME))
        for one, cells in zip(part.columns[1:], part.cells[1:], strict=True)
    ]
    return part.natural, [min(words, LEAST_NAME), *values]


def _squeezed(part: _Grid, width: int) -> tuple[int, ...]:
    """Widths of a part: its labels are wrapped first, then its values between their numbers, then folded."""
    natural, least = _comfortable(part)
    room = width - _between(len(natural))
    numbers = [
        min(max(LEAST_VALUE, _longest_number(cells)), one)
        for cells, one in zip(part.cells[1:], least[1:], strict=True)
    ]
    label = min(LEAST_VALUE, natural[0])
    for tried in (least, [least[0], *numbers], [label, *numbers]):
        widths = _shrunk(natural, tried, room)
        if widths is not None:
            return widths
    values = len(natural) - 1
    return (label, *[max(1, (room - label) // max(1, values))] * values)


def _laid_out(grid: _Grid, widths: Sequence[int], width: int | None) -> Layout:
    heads = tuple(wrap_text(column.head, size) for column, size in zip(grid.columns, widths, strict=True))
    rows = tuple(
        Line(
            tuple(wrap_text(str(cell), size) for cell, size in zip(row.cells, widths, strict=True)),
            row.style,
            row.ends,
        )
        for row in grid.rows
    )
    title, caption = (wrap_text(text, width) if text else () for text in (grid.title, grid.caption))
    justify = tuple(one.justify for one in grid.columns)
    return Layout(
        title, caption, tuple(widths), heads, rows, justify, tuple(one.style for one in grid.columns)
    )


def _between(columns: int) -> int:
    """Characters of the lines around and between so many columns, all but the last with a space after."""
    return columns + 1 + columns - 1


def _words(text: str) -> list[str]:
    """What no line break may part: words, and numbers with what belongs to them."""
    return [word.replace(_GLUE, " ") for word in _BOUND.sub(_GLUE, text).split(" ")]


def _longest_word(text: str) -> int:
    return max(display_width(word) for line in text.split("\n") for word in _words(line))


def _longest_number(cells: Sequence[str]) -> int:
    """Characters of the longest number in these cells, with what belongs to it; 0 where there is none."""
    words = (word for cell in cells for line in cell.split("\n") for word in _words(line))
    return max((display_width(word) for word in words if _NUMBER.fullmatch(word)), default=0)


def _wrapped_line(text: str, width: int) -> list[str]:
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
    """A word in pieces of at most so many characters."""
    pieces, rest = [], word
    while display_width(rest) > width:
        size = _piece(rest, width)
        pieces.append(rest[:size])
        rest = rest[size:]
    return [*pieces, rest]


def _piece(text: str, width: int) -> int:
    """Characters of a text's first piece: up to a separator in reach, else what fits; at least one."""
    fitting = _prefix(text, width)
    for seam in _SEAMS:
        seams = [at for found in seam.finditer(text, 0, fitting + 1) if (at := found.start()) <= fitting]
        if seams and seams[-1] > fitting // 3:
            return seams[-1]
    return fitting


def _prefix(text: str, width: int) -> int:
    """How many characters of a text fit in so many cells of a terminal; at least one."""
    size, taken = 0, 0
    for char in text:
        taken += display_width(char)
        if taken > width:
            break
        size += 1
    return max(1, size)
