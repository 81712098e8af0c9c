"""Printed text is literal, fits a terminal, and is complete and unpadded elsewhere."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len

from agents.output_escape import visible_text
from harness.terminal import output
from harness.terminal.output import (
    StatusLine,
    live,
    print_document,
    print_json,
    print_line,
    print_message,
    print_notes,
    print_progress,
    print_table,
    print_text,
)
from results.render.format import SCHEMA_VERSION
from results.render.table import Column, Table
from tests.hostile import HOSTILE

STYLE = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (80, 60, 40)


@pytest.fixture(params=[None, *WIDTHS])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Set the columns of a terminal on both streams, or none."""
    if request.param is not None:
        monkeypatch.setattr(output, "width_of_terminal", lambda stream: request.param)
        monkeypatch.setattr(output, "_size", lambda stream: (request.param, 24))
    chosen: int | None = request.param
    return chosen


def harmless(text: str) -> bool:
    """Return whether a text has no control characters, direction marks or foreign escapes."""
    return not any(
        unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and char not in "\n\t\u200c\u200d"
        for char in STYLE.sub("", text)
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_print_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_line(text)
    print_message(text)
    out, err = capsys.readouterr()
    assert out == err == f"{visible_text(text, one_line=True)}\n"
    assert harmless(out)
    print_text(text)
    print_text(text, is_message=True)
    out, err = capsys.readouterr()
    assert out == err == f"{visible_text(text)}\n"
    assert harmless(out)


@pytest.mark.parametrize("text", HOSTILE)
def test_notes_fit_the_terminal(width: int | None, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_notes([text, text])
    out = STYLE.sub("", capsys.readouterr().out)
    assert "".join(out.split()) == "".join((visible_text(text, one_line=True) * 2).split())
    assert harmless(out)
    if width is None:
        assert out == f"{visible_text(text, one_line=True)}\n" * 2
    else:
        assert max(map(cell_len, out.splitlines())) <= width


def test_a_table_fits_the_terminal_and_is_unpadded_in_a_pipe(
    width: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table(
        "a title", columns=[Column("name"), *(Column(f"column {n}", unit="count") for n in range(9))]
    )
    table.add_row("[/INST] :two: " + "x" * 60, *(f"{index}.5 %" for index in range(9)))
    print_table(table)
    lines = STYLE.sub("", capsys.readouterr().out).splitlines()
    assert all(sum(f"{index}.5 %" in line for line in lines) == 1 for index in range(9))
    assert lines[0] == "a title"
    if width is None:
        assert len(lines) == 6
        assert "[/INST] :two: " + "x" * 60 in lines[4]
    else:
        assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("text", HOSTILE)
def test_json_equals_the_value(text: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_json({text: text})
    out = capsysbinary.readouterr().out
    assert json.loads(out) == {"schema_version": SCHEMA_VERSION, text: text}
    assert harmless(out.decode())


def test_a_document_is_written_unchanged(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_document("é\n")
    print_document(b"\xff\n")
    assert capsysbinary.readouterr().out == b"\xc3\xa9\n\xff\n"


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_status_line_is_overwritten_completely(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(output, "_size", lambda stream: (columns, 24))
    line, height = StatusLine(), 1
    for text in HOSTILE:
        line.show(text)
        written = capsys.readouterr().err
        over = output.ERASE_LINE + (output.LINE_UP + output.ERASE_LINE) * (height - 1)
        assert written.startswith(over)
        shown = written.removeprefix(over).split("\n")
        assert max(map(cell_len, shown)) < columns
        assert harmless("".join(shown))
        assert "".join("".join(shown).split()) == "".join(visible_text(text, one_line=True).split())
        height = len(shown)
    line.show("done", ends=True)
    assert capsys.readouterr().err.endswith("done\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_progress_fits_the_terminal(width: int | None, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_progress(text)
    lines = capsys.readouterr().err.splitlines()
    assert harmless("".join(lines))
    assert width is None or max(map(cell_len, lines)) <= width


def drawn_live(capsys: pytest.CaptureFixture[str], rows: Sequence[str]) -> list[str]:
    """Return the last state of a live display of a table with these names."""

    def state() -> tuple[Table, Sequence[str]]:
        table = Table(columns=[Column("name"), Column("done", unit="count")])
        for row in rows:
            table.add_row(row, "1,500/2,000")
        return table, [f"{row}: 1,500/2,000, left 0:20" for row in rows]

    capsys.readouterr()
    with live(state) as draw:
        draw()
    shown = capsys.readouterr().err
    assert not set(shown) & {"\x9b", "\u202e", "\x07", "\u200b"}
    states = re.split(r"(?:\x1b\[1A\x1b\[2K)+|\r\x1b\[2K", shown)
    return [line.rstrip() for line in STYLE.sub("", states[-1]).splitlines()]


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("height", [200, 24, 8])
def test_the_live_display_fits_and_interprets_no_markup(
    columns: int, height: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_size", lambda stream: (columns, height))
    for rows in (HOSTILE[:2], HOSTILE[:7], HOSTILE):
        lines = drawn_live(capsys, rows)
        assert max(map(cell_len, lines)) <= columns
        assert len(lines) < height
        assert "…" not in "".join(lines)
        count = sum("1,500/2,000" in line for line in lines)
        more = [int(result[1]) for line in lines if (result := re.fullmatch(r"and (\d+) more", line))]
        assert count + sum(more) == len(rows)


@pytest.mark.parametrize(
    ("environment", "size"),
    [({"COLUMNS": "40"}, 40), ({"COLUMNS": "0"}, 80), ({"COLUMNS": "x"}, 80), ({"COLUMNS": ""}, 80)],
)
def test_columns_variable_overrides_the_width(
    environment: dict[str, str], size: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import sys

    monkeypatch.setenv("COLUMNS", environment["COLUMNS"])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert output.width_of_terminal(sys.stdout) == size
