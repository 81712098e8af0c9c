"""The one way to standard output and standard error: texts as they are, nothing in them obeyed.

Results go to standard output, messages to standard error. Rich draws tables and the live display, and gets
nothing else: every text has been made visible and wrapped before, and is no markup. On a terminal, tables and
lines take its width. Where the output goes to a file or a pipe they take what they need: no line is broken or
padded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from agents.output_escape import json_bytes, visible_text
from results.render.format import versioned

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table as Drawn

    from harness.terminal.layout import Layout
    from results.render.table import Table

WIDEST = 100_000  # characters: room without end, to rich
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
    """Write how far something is, one line, to standard error; on a terminal wrapped at its width."""
    _write(sys.stderr, _wrapped(text, sys.stderr))


def print_notes(notes: Iterable[str], *, dim: bool = True) -> None:
    """Write what is said beside a table, a line each, to standard output; on a terminal wrapped, and dim."""
    _draw(sys.stdout, [_line(_wrapped(note, sys.stdout), "dim" if dim else "") for note in notes])


def print_table(table: Table) -> None:
    """Write a table to standard output."""
    _draw(sys.stdout, to_renderables(table, width_of_terminal(sys.stdout), _encoding(sys.stdout)))


def print_json(data: Mapping[str, Any] | Sequence[Any], *, indented: bool = True) -> None:
    """Write a result as JSON to standard output, in UTF-8, with `schema_version` at its top.

    A list becomes the value of `items`.
    """
    print_document(json_bytes(versioned(data), indented=indented))


def print_document(content: bytes | str) -> None:
    """Write a whole document to standard output, in UTF-8; its format's writer has made its texts safe."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
    sys.stdout.buffer.flush()


class StatusLine:
    """A line on standard error that is written over on a terminal; elsewhere a line each time."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self._height = 0

    def show(self, text: str, *, ends: bool = False) -> None:
        """Show this instead of what was there, wrapped at the terminal's width; `ends` leaves it."""
        from harness.terminal.layout import wrap_text

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
    """Draw over the same lines of standard error, a terminal, for as long as the block runs.

    Args:
        state: what is to be seen now: a table, and the same in lines, a row each, for a terminal that has no
            room for the table.

    Yields:
        what draws anew; it is drawn once more when the block ends.
    """
    from rich.console import Group
    from rich.live import Live

    def drawn() -> Group:
        table, rows = state()
        columns, height = _size(sys.stderr)
        encoding = _encoding(sys.stderr)
        if _has_room(table, columns, height, encoding):
            return Group(*to_renderables(table, columns, encoding, ruled=False))
        return Group(*map(_line, _fitting(rows, columns, height, encoding)))

    with Live(drawn(), console=_console(sys.stderr), auto_refresh=False) as display:

        def draw() -> None:
            display.update(drawn(), refresh=True)

        try:
            yield draw
        finally:
            draw()


def _has_room(table: Table, columns: int, height: int, encoding: str) -> bool:
    """Whether a terminal holds the table as it is, each row in one line."""
    from harness.terminal.layout import lay_out_table

    first, *more = lay_out_table(table, columns, encoding)
    return (
        not more
        and len(first.rows) + 3 < height
        and all(len(cell) == 1 for row in first.rows for cell in row.cells)
    )


def _fitting(rows: Sequence[str], columns: int, height: int, encoding: str) -> list[str]:
    """The rows wrapped, as many as there is room for, and how many there are beyond."""
    from harness.terminal.layout import wrap_text

    lines: list[str] = []
    for number, row in enumerate(rows):
        own = wrap_text(visible_text(row, one_line=True, encoding=encoding), columns)
        if len(lines) + len(own) + 2 > height:
            return [*lines[: height - 2], f"and {len(rows) - number} more"]
        lines += own
    return lines


def width_of_terminal(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream; None where there is none, and so room without end."""
    return _size(stream)[0] if stream.isatty() else None


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines of a terminal; COLUMNS and LINES say otherwise."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((80, 24))
    said = (os.environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, lines = (int(one) if one.isdecimal() else 0 for one in said)
    return columns or size.columns or 80, lines or size.lines or 24


def to_renderables(
    table: Table, width: int | None, encoding: str = "utf-8", *, ruled: bool = True
) -> list[RenderableType]:
    """A table's parts with their titles and captions, laid out for a width, as rich draws them.

    Args:
        table: what is to be shown.
        width: characters of a line; None for room without end.
        encoding: that of the output.
        ruled: with lines around and between its cells.
    """
    from harness.terminal.layout import lay_out_table

    parts: list[RenderableType] = []
    for layout in lay_out_table(table, width, encoding):
        parts += [_line(line, "bold") for line in layout.title]
        parts.append(_drawn(layout, ruled=ruled))
        parts += [_line(line, "dim") for line in layout.caption]
    return parts


def _drawn(layout: Layout, *, ruled: bool) -> Drawn:
    from rich.table import Table as Drawn

    drawn = Drawn(pad_edge=False, collapse_padding=True)
    if not ruled:
        drawn.box, drawn.padding = None, (0, 2, 0, 0)
    columns = zip(layout.heads, layout.widths, layout.justify, layout.styles, strict=True)
    for head, width, justify, style in columns:
        side: Any = justify
        drawn.add_column(_cell(head, "bold"), width=width, justify=side, style=style)
    for row in layout.rows:
        drawn.add_row(*map(_cell, row.cells), style=row.style, end_section=row.ends)
    return drawn


def _cell(lines: Iterable[str], style: str = "") -> RenderableType:
    """A cell as rich takes it where it is no markup; its lines fit the column."""
    from rich.text import Text

    return Text("\n".join(lines), style=style, no_wrap=True, overflow="fold")


def _line(text: str, style: str = "") -> RenderableType:
    """A text as rich takes it where it is no markup: not coloured, not broken, not cut off."""
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ignore")


def _wrapped(text: object, stream: TextIO) -> str:
    shown = visible_text(text, one_line=True, encoding=_encoding(stream))
    width = width_of_terminal(stream)
    if width is None:
        return shown
    from harness.terminal.layout import wrap_text

    return "\n".join(wrap_text(shown, width))


def _draw(stream: TextIO, parts: Iterable[RenderableType]) -> None:
    console = _console(stream)
    for part in parts:
        console.print(part, soft_wrap=True)
    stream.flush()


def _console(stream: TextIO) -> Console:
    """The only console there is: no text is markup to it, an emoji code, or something to colour."""
    from rich.console import Console

    width = width_of_terminal(stream) or WIDEST
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def _encoding(stream: TextIO) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
