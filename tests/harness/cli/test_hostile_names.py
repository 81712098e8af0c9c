"""Names and texts that an output would obey, through every command that shows them, at every width."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from agents.output_escape import visible_text
from harness.data.dataset import sample
from harness.terminal import output
from tests.harness.cli.contests import SAMPLE, change, judged

Run = Callable[..., Any]
NAMES = (
    ("mistral[/INST]-x", "responses[a]:two:"),
    ("=1+1|`<b>x</b>$\\frac{1}{2}$ &amp;", "\x1b[31mred\x9b2J\u202eevil\u200b\u2028\n# two lines"),
    ("# heading " + "x" * 120, "many words " * 12 + "end"),
)
WIDTHS = (None, 80, 60, 40)
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def imported(empathy: Run, name: str, text: str) -> None:
    """An author of this name, whose responses hold the name too."""
    rows = [
        {"instruction": f"{one.situation}\n{one.utterance}", "output": f"{text} {name}", "generator": "x"}
        for one in sample().dialogues
    ]
    Path("outputs.json").write_text(json.dumps(rows), encoding="utf-8")
    done = empathy("leaderboard", "--import", "outputs.json", "--as", name, "--data", "sample")
    assert done.code == 0, done.err
    assert harmless(done.out)


def harmless(text: str) -> bool:
    """Whether nothing in it is obeyed: no escape, no control, no direction mark."""
    return not any(
        unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and char not in "\n\t"
        for char in STYLE.sub("", text)
    )


def squeezed(text: str) -> str:
    """Without what breaks lines."""
    return re.sub(r"\s", "", STYLE.sub("", text))


def columns(text: str) -> str:
    """What is printed, read column by column within each table."""
    read: dict[tuple[int, int], str] = {}
    table = 0
    for line in STYLE.sub("", text).splitlines():
        if line[:1] == "┏":
            table += 1
        parts = re.split("[│┃]", line)[1:-1] if line[:1] in "│┃" else [line]
        for at, part in enumerate(parts):
            read[table, at] = read.get((table, at), "") + part
    return squeezed("\n".join(read.values()))


@pytest.fixture(params=NAMES, ids=["brackets", "escapes", "long"])
def names(request: pytest.FixtureRequest, empathy: Run) -> tuple[str, str]:
    """Two authors with hostile names, judged by a judge with one."""
    one, other = request.param
    imported(empathy, "first-author", "I hear you, my friend. That is a lot to carry.")
    imported(empathy, "second-author", "Oh.")
    sides = ("first-author", "dataset:human"), ("second-author", "dataset:human")
    judged(empathy, *sides, ("first-author", "second-author"), by=("control/longer", "control/ratings"))
    for plain, name in (("first-author", one), ("second-author", other)):  # as older versions took them
        for table in ("response_set", "response"):
            change(
                f"update {table} set author = '{name.replace(chr(39), 2 * chr(39))}' where author = '{plain}'"
            )
    change("update judge set name = 'judge/' || char(27) || '[31m[/x]:two:|=1' where name = 'control/longer'")
    return one, other


def test_every_table_shows_the_names_and_fits(
    empathy: Run, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = names
    commands = (
        ("leaderboard", "--split", "all"),
        ("compare", one, other, "--opponent", "dataset:human", "--split", "all"),
        ("compare", "--all", "--opponent", "dataset:human", "--split", "all"),
        ("judge", one, other, *SAMPLE, "--judge", "control/first"),
        ("rejudge", "last"),
        ("profile", one, other, "--data", "sample"),
    )
    for command in commands:
        for width in WIDTHS:
            monkeypatch.setattr(output, "width_of_terminal", lambda stream, width=width: width)
            done = empathy(*command)
            assert done.code == 0, done.err
            assert harmless(done.out + done.err)
            for name in names:
                assert squeezed(visible_text(name, one_line=True)) in columns(done.out), (command, width)
            if width is not None:
                assert max(map(cell_len, STYLE.sub("", done.out).splitlines())) <= width, (command, width)


def test_every_form_of_a_board_and_a_report_shows_the_names(empathy: Run, names: tuple[str, str]) -> None:
    shown = [visible_text(name, one_line=True) for name in names]
    board = empathy("leaderboard", "--split", "all", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(board, newline="")))
    assert len(rows) == 6
    assert not any(re.match(r"[=+\-@]", value) for row in rows for value in (row["author"], row["judge"]))
    tokens = (
        MarkdownIt("commonmark")
        .enable("table")
        .parse(empathy("leaderboard", "--split", "all", "--format", "md").out)
    )
    assert sum(token.type == "tr_open" for token in tokens) == 8
    assert sum(token.type == "td_open" for token in tokens) == 6 * 9
    assert {token.tag for token in tokens if token.type.startswith("html")} == set()
    data = empathy("leaderboard", "--split", "all", "--json")
    assert {row["author"] for ranking in data.data["rankings"] for row in ranking["authors"]} > set(names)
    for form in ("md", "csv", "json", "html"):
        done = empathy("report", "last", "--format", form, "--out", f"r.{form}")
        assert done.code == 0, done.err
        text = Path(f"r.{form}").read_text(encoding="utf-8")
        assert harmless(text)
        if form == "html":
            assert "<b>x</b>" not in text
        if form == "md":
            tokens = MarkdownIt("commonmark").enable("table").parse(text)
            assert all(token.type not in ("html_block", "html_inline") for token in tokens)
            words = squeezed("".join(child.content for token in tokens for child in token.children or ()))
            assert all(squeezed(name) in words for name in shown[:1])
