"""The CSV reader: whatever is written is read, whatever is no CSV is told by the line its row begins on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.files.faults import MAX_FAULTS, Faults
from agents.files.table import Table, read_table

COLUMNS = ("id", "a", "b", "c")
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def written(rows: Sequence[Sequence[str]], **form: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **form).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def read(content: bytes) -> tuple[Table, list[str]]:
    faults = Faults("some.csv")
    table = read_table(content, faults, COLUMNS)
    return table, [f"{fault.where}: {fault.what}" for fault in faults.all]


def spaced(text: str) -> str:
    """A cell whose further lines are prose, so that none of them is taken for a row."""
    return " ".join(text.splitlines())


@given(
    rows=st.lists(st.tuples(*[CELLS] * 4).filter(lambda row: any(map(str.strip, row))), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
)
def test_whatever_is_written_is_read(rows: list[tuple[str, ...]], end: str, mark: bool) -> None:
    plain = [tuple(map(spaced, row)) for row in rows]
    content = written(plain, lineterminator=end)
    table, faults = read((b"\xef\xbb\xbf" if mark else b"") + content)
    assert not faults
    assert [tuple(row.cells.values()) for row in table.rows] == [
        row for row in plain if any(map(str.strip, row))
    ]


@given(breaks=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_a_row_is_told_by_the_line_it_begins_on(breaks: list[int]) -> None:
    rows = [(f"{at}", "x" + "\n very well," * count, "y", "z") for at, count in enumerate(breaks)]
    table, faults = read(written(rows))
    assert not faults
    begins, expected = 2, []
    for count in breaks:
        expected.append(begins)
        begins += 1 + count
    assert [row.line for row in table.rows] == expected


@given(at=st.integers(0, 19), cell=st.integers(0, 3))
def test_an_open_quotation_mark_is_never_read_as_a_cell(at: int, cell: int) -> None:
    lines = [f"{number},alpha,beta,gamma".split(",") for number in range(20)]
    lines[at][cell] = '"' + lines[at][cell]
    table, faults = read(("\n".join([",".join(COLUMNS), *map(",".join, lines)]) + "\n").encode())
    assert [fault.split(": ")[0] for fault in faults] == [f"some.csv:{at + 2}"]
    assert len(table.rows) == at


@given(first=st.integers(0, 17), gap=st.integers(1, 2), cell=st.integers(0, 3), end=st.integers(0, 3))
def test_two_open_quotation_marks_swallow_nothing_silently(first: int, gap: int, cell: int, end: int) -> None:
    lines = [f"{number},alpha,beta,gamma".split(",") for number in range(20)]
    lines[first][cell] = '"' + lines[first][cell]
    lines[first + gap][end] += '"'
    _, faults = read(("\n".join([",".join(COLUMNS), *map(",".join, lines)]) + "\n").encode())
    assert faults


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_one_fault(delimiter: str) -> None:
    _, faults = read(written([("1", "2", "3", "4")] * 5, delimiter=delimiter))
    assert faults == ["some.csv:1: the cells are not separated by commas"]


@pytest.mark.parametrize("cells", [3, 5])
def test_another_number_of_cells(cells: int) -> None:
    table, faults = read(written([("1", "2", "3", "4"), ["x"] * cells, ("1", "2", "3", "4")]))
    assert faults == ["some.csv:3: the row has another number of cells than the heading"]
    assert [row.line for row in table.rows] == [2, 4]


def test_a_cell_of_any_length_is_read() -> None:
    long = "x" * 1_000_000
    table, faults = read(written([("1", long, "", "")]))
    assert not faults
    assert table.rows[0].cells["a"] == long


def test_rows_of_empty_cells_are_passed_over() -> None:
    table, faults = read(written([("1", "2", "3", "4"), ("", "", "", ""), (" ", "", "", "")]) + b"\n\n")
    assert not faults
    assert len(table.rows) == 1


def test_columns_that_differ_in_letter_case_or_spaces_are_named() -> None:
    faults = Faults("some.csv")
    read_table(b"ID,a ,c\n1,2,3\n", faults, COLUMNS)
    [fault] = faults.all
    assert "'ID'" in fault.remedy
    assert "'a '" in fault.remedy
    assert fault.remedy.endswith(", b.")


def test_the_first_faults_and_a_count() -> None:
    faults = Faults("some.csv")
    read_table(written([("x",)] * 50), faults, COLUMNS)
    with pytest.raises(Exception, match="and 30 more") as caught:
        faults.raise_if_any("no")
    assert len(caught.value.faults) == MAX_FAULTS + 1  # type: ignore[attr-defined]
