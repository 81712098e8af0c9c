"""Table layout: full, transposed or split tables without broken numbers, lost names or markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from agents.output_escape import visible_text
from results.render.table import Column, Table
from results.render.writers.terminal import lay_out_table, wrap_text
from tests.hostile import HOSTILE
from tests.tables import table_text

NUMBERS = ("72.4 %", "68.0 to 76.5", "250", "0.0 to 100.0", "40: no answer 40", "0 / 0 / 200", "$0.5223")
HEADS = ("win rate", "95 %", "n", "bounds", "unscored", "made / reused / retried", "cost")
WIDTHS = (40, 60, 80, 120)


def text_table(title: str, name: str, *heads: str) -> Table:
    """Return an empty table of texts, right-aligned except for the first column."""
    return Table(title, columns=[Column(name), *(Column(head, head, "text", "right") for head in heads)])


def table(judges: int) -> Table:
    """Return a table with one row per judge, as `empathy judge` prints it."""
    made = text_table("A against B", "judge", *HEADS)
    for number in range(judges):
        made.add_row(f"openai/a-model-of-a-long-name-{number}", *NUMBERS)
    return made


def printed(made: Table, width: int | None) -> list[str]:
    return table_text(made, width).splitlines()


def text_of(lines: list[str]) -> str:
    """Return the text of the lines without rules and spaces."""
    return re.sub(r"[\s│┃─━┏┓┗┛└┘┡┩╇┳┴┬┼├┤╋┠┨]", "", "".join(lines))


@pytest.mark.parametrize("judges", [1, 2, 5, 12])
@pytest.mark.parametrize("width", [*WIDTHS, 50, 100, 132, 200, None])
def test_numbers_are_never_broken(width: int | None, judges: int) -> None:
    lines = printed(table(judges), width)
    assert width is None or max(map(cell_len, lines)) <= width
    for number in ("72.4 %", "68.0 to 76.5", "0.0 to 100.0", "0 / 0 / 200", "$0.5223"):
        assert sum(line.count(number) for line in lines) == judges
    assert sum("A against B" in line for line in lines) == 1
    assert not any(line != line.rstrip() for line in lines)


def test_names_are_wrapped_before_the_table_is_split() -> None:
    assert [len(lay_out_table(table(2), width)) for width in (None, 200)] == [1, 1]
    needed = next(width for width in range(60, 200) if len(lay_out_table(table(2), width)[0].rows) == 2)
    folded = "\n".join(printed(table(2), needed))
    assert "$0.5223" in folded
    assert "a-model-of-a-long-name-1" not in folded


def test_a_long_table_is_split_by_columns_with_names_in_each_part() -> None:
    parts = lay_out_table(table(12), 60)
    assert len(parts) > 1
    assert all(len(part.rows) == 12 for part in parts)
    assert [part.title for part in parts[1:]] == [()] * (len(parts) - 1)


def test_transposed_rows_are_named_by_all_name_columns() -> None:
    made = Table("differences")
    made.columns = [Column("judge"), Column("how"), *(Column(head, alignment="right") for head in HEADS)]
    made.add_row("openai/gpt-4o", "against base", *NUMBERS)
    made.add_row("", "head to head", *NUMBERS)
    heads = [text_of(list(head)) for part in lay_out_table(made, 40) for head in part.heads[1:]]
    assert heads == ["openai/gpt-4o,againstbase", "openai/gpt-4o,headtohead"]


@pytest.mark.parametrize("width", [*WIDTHS, 1, 20, None])
@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_hostile_texts_are_printed_literally(width: int | None, rows: int) -> None:
    for hostile in HOSTILE:
        alignments = ("left", "right", "right")
        columns = [Column(hostile, hostile, "text", alignment) for alignment in alignments]
        made = Table(hostile, hostile, columns)
        for _ in range(rows):
            made.add_row(hostile, "12.5 %", hostile)
        lines = printed(made, width)
        shown = visible_text(hostile, one_line=True)
        assert width is None or max(map(cell_len, lines)) <= max(width, 20)
        assert "".join(shown.split()) in text_of(lines)
        assert "\x1b" not in "".join(lines)
        assert sum(line.count("12.5 %") for line in lines) == rows


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from((*NUMBERS, *HOSTILE)), min_size=4, max_size=4), max_size=6),
    st.integers(20, 200),
)
def test_lines_fit_the_terminal(rows: list[list[str]], width: int) -> None:
    made = text_table("title", "name", "a number", "another number", "x")
    for row in rows:
        made.add_row(*row)
    assert max(map(cell_len, printed(made, width))) <= width


@given(st.text(st.sampled_from("ab -.:/5,%$模"), max_size=60), st.integers(2, 30))
def test_wrapping_only_removes_spaces(text: str, width: int) -> None:
    lines = wrap_text(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_numbers_keep_their_units() -> None:
    for text in (
        "rate 95.0 to 97.1 here",
        "rate 61.6 % here",
        "calls 30 / 0 / 2 here",
        "by +1.0 to -2.0 now",
    ):
        for width in range(14, 30):
            number = re.search(r"[-+\d].*[\d%]", text)
            assert number is not None
            assert any(number[0] in line for line in wrap_text(text, width))


def test_heads_stay_in_one_line_if_they_fit() -> None:
    assert any("made / reused / retried" in line for line in printed(table(1), None))


def test_unencodable_text_is_escaped_and_fits() -> None:
    made = text_table("κ – 95 %", "name", "n")
    made.add_row("模型🙂" * 4, "1")
    for layout in lay_out_table(made, 40, "ascii"):
        for row in layout.rows:
            assert all(line.isascii() and len(line) <= 40 for lines in row.cells for line in lines)


def test_a_value_that_repeats_the_row_above_is_shown_once() -> None:
    made = Table(columns=[Column("judge", once=True), Column("how")])
    for judge, how in (("one", "x"), ("one", "x"), ("two", "x")):
        made.add_row(judge, how)
    (layout,) = lay_out_table(made, None)
    assert [row.cells for row in layout.rows] == [
        (("one",), ("x",)),
        (("",), ("x",)),
        (("two",), ("x",)),
    ]
