"""The only access to standard output and standard error; every text is printed literally.

Results go to standard output, messages to standard error. Rich only draws tables and the live display: every
text has been escaped and wrapped before and is never interpreted as markup. On a terminal, tables and lines
are fitted to its width. In a file or pipe, no line is wrapped or padded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from agents.output_escape import visible_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table as Drawn

    from results.render.rendering import Rendering
    from results.render.table import Table
    from results.render.writers.terminal import Layout

UNLIMITED_WIDTH = 100_000  # characters; wide enough that rich never wraps
ERASE_LINE = "\r\x1b[2K"
LINE_UP = "\x1b[1A"


def print_line(text: object = "") -> None:
    """Write one line of a result to standard output."""
    _write(sys.stdout, visible_text(text, one_line=True, encoding=_encoding(sys.stdout)))


def print_message(text: object = "") -> None:
    """Write a message, one line, to standard error."""
    _write(sys.stderr, visible_text(text, one_line=True, encoding=_encoding(sys.stderr)))


def print_text(text: object, *, is_message: bool = False) -> None:
    """Write a text of several lines to standard output, or a message to standard error."""
    stream = sys.stderr if is_message else sys.stdout
    _write(stream, visible_text(text, encoding=_encoding(stream)))


def print_progress(text: str) -> None:
    """Write a progress line to standard error, wrapped at the width of a terminal."""
    _write(sys.stderr, _wrap_for(text, sys.stderr))


def print_notes(notes: Iterable[str], *, dim: bool = True) -> None:
    """Write notes to standard output, one per line; on a terminal wrapped and by default dim."""
    _draw(sys.stdout, [_line(_wrap_for(note, sys.stdout), "dim" if dim else "") for note in notes])


def print_table(table: Table) -> None:
    """Write a table to standard output."""
    _draw(sys.stdout, to_renderables(table, width_of_terminal(sys.stdout), _encoding(sys.stdout)))


def print_rendering(rendering: Rendering, *, as_json: bool = False) -> None:
    """Write a result to standard output: its document as JSON, or its tables, conclusions and caveats."""
    if as_json:
        print_json(rendering.document)
        return
    for table in rendering.tables:
        print_table(table)
    print_notes(rendering.conclusions, dim=False)
    print_notes(rendering.caveats)


def print_json(document: Mapping[str, object], *, indented: bool = True) -> None:
    """Write a result as JSON to standard output, in UTF-8, with `schema_version` at its top."""
    from results.render.writers.json import json_document

    print_document(json_document(document, indented=indented))


def print_document(content: bytes | str) -> None:
    """Write a complete document to standard output, in UTF-8, without escaping."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
    sys.stdout.buffer.flush()


class StatusLine:
    """Status line on standard error, overwritten in place on a terminal and one line per update elsewhere."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self._height = 0

    def show(self, text: str, *, ends: bool = False) -> None:
        """Replace the status with `text`, wrapped at the terminal's width.

        Args:
            text: the new status.
            ends: keep this status and start a new line after it.
        """
        from results.render.writers.terminal import wrap_text

        if not self.is_terminal:
            print_message(text)
            return
        shown = visible_text(text, one_line=True, encoding=_encoding(sys.stderr))
        lines = wrap_text(shown, _size(sys.stderr)[0] - 1)
        over = ERASE_LINE + f"{LINE_UP}{ERASE_LINE}" * (self._height - 1)
        self._height = 0 if ends else len(lines)
        sys.stderr.write(over + "\n".join(lines) + ("\n" if ends else ""))
        sys.stderr.flush()


@contextmanager
def live(state: Callable[[], tuple[Table, Sequence[str]]]) -> Iterator[Callable[[], None]]:
    """Redraw a table on standard error, a terminal, for as long as the block runs.

    Args:
        state: returns the current table, and the same content as lines for a terminal that is too small.

    Yields:
        A function that redraws; it is called once more when the block ends.
    """
    from rich.console import Group
    from rich.live import Live

    def drawn() -> Group:
        table, rows = state()
        columns, height = _size(sys.stderr)
        encoding = _encoding(sys.stderr)
        if _fits_terminal(table, columns, height, encoding):
            return Group(*to_renderables(table, columns, encoding, ruled=False))
        return Group(*map(_line, _truncate_rows(rows, columns, height, encoding)))

    with Live(drawn(), console=_console(sys.stderr), auto_refresh=False) as display:

        def draw() -> None:
            display.update(drawn(), refresh=True)

        try:
            yield draw
        finally:
            draw()


def _fits_terminal(table: Table, columns: int, height: int, encoding: str) -> bool:
    """Return whether the terminal fits the whole table with each row in one line."""
    from results.render.writers.terminal import lay_out_table

    first, *more = lay_out_table(table, columns, encoding)
    return (
        not more
        and len(first.rows) + 3 < height
        and all(len(cell) == 1 for row in first.rows for cell in row.cells)
    )


def _truncate_rows(rows: Sequence[str], columns: int, height: int, encoding: str) -> list[str]:
    """Return the wrapped rows that fit the height, and a count of the others."""
    from results.render.writers.terminal import wrap_text

    lines: list[str] = []
    for number, row in enumerate(rows):
        row_lines = wrap_text(visible_text(row, one_line=True, encoding=encoding), columns)
        if len(lines) + len(row_lines) + 2 > height:
            return [*lines[: height - 2], f"and {len(rows) - number} more"]
        lines += row_lines
    return lines


def width_of_terminal(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind a stream; None if it is not a terminal."""
    return _size(stream)[0] if stream.isatty() else None


def _size(stream: TextIO) -> tuple[int, int]:
    """Return columns and lines of a terminal; the variables COLUMNS and LINES override them."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((80, 24))
    overrides = (os.environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, lines = (int(value) if value.isdecimal() else 0 for value in overrides)
    return columns or size.columns or 80, lines or size.lines or 24


def to_renderables(
    table: Table, width: int | None, encoding: str = "utf-8", *, ruled: bool = True
) -> list[RenderableType]:
    """Lay out a table for a width and return its parts as rich renderables, with title and caption.

    Args:
        table: the table.
        width: characters per line; None without limit.
        encoding: encoding of the output.
        ruled: whether to draw lines around and between cells.
    """
    from results.render.writers.terminal import lay_out_table

    parts: list[RenderableType] = []
    for layout in lay_out_table(table, width, encoding):
        parts += [_line(line, "bold") for line in layout.title]
        parts.append(_to_rich_table(layout, ruled=ruled))
        parts += [_line(line, "dim") for line in layout.caption]
    return parts


def _to_rich_table(layout: Layout, *, ruled: bool) -> Drawn:
    """Return one part of a table as a rich table."""
    from rich.table import Table as Drawn

    drawn = Drawn(pad_edge=False, collapse_padding=True)
    if not ruled:
        drawn.box, drawn.padding = None, (0, 2, 0, 0)
    columns = zip(layout.heads, layout.widths, layout.justify, layout.styles, strict=True)
    for head, width, justify, style in columns:
        alignment: Any = justify
        drawn.add_column(_cell(head, "bold"), width=width, justify=alignment, style=style)
    for row in layout.rows:
        drawn.add_row(*map(_cell, row.cells), style=row.style, end_section=row.ends)
    return drawn


def _cell(lines: Iterable[str], style: str = "") -> RenderableType:
    """Return a cell as plain rich text; its lines fit the column."""
    from rich.text import Text

    return Text("\n".join(lines), style=style, no_wrap=True, overflow="fold")


def _line(text: str, style: str = "") -> RenderableType:
    """Return a line as plain rich text that is not wrapped, coloured or cropped."""
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ignore")


def _wrap_for(text: object, stream: TextIO) -> str:
    """Return the escaped text, wrapped at the stream's terminal width."""
    shown = visible_text(text, one_line=True, encoding=_encoding(stream))
    width = width_of_terminal(stream)
    if width is None:
        return shown
    from results.render.writers.terminal import wrap_text

    return "\n".join(wrap_text(shown, width))


def _draw(stream: TextIO, parts: Iterable[RenderableType]) -> None:
    """Print renderables to a stream."""
    console = _console(stream)
    for part in parts:
        console.print(part, soft_wrap=True)
    stream.flush()


def _console(stream: TextIO) -> Console:
    """Return a rich console without markup, emoji codes or highlighting."""
    from rich.console import Console

    width = width_of_terminal(stream) or UNLIMITED_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def _write(stream: TextIO, text: str) -> None:
    """Write one line and flush."""
    stream.write(f"{text}\n")
    stream.flush()


def _encoding(stream: TextIO) -> str:
    """Return the stream's encoding, by default UTF-8."""
    return getattr(stream, "encoding", None) or "utf-8"
