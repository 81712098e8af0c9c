"""Tests of the CSV reader: valid files are read, and faults name the line on which their row begins."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.files.faults import MAX_FAULTS, Faults
from agents.files.table import CsvTable, read_table
from tests.errors import user_error

COLUMNS = ("id", "a", "b", "c")
CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def written(rows: Sequence[Sequence[str]], **form: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **form).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


def read(content: bytes) -> tuple[CsvTable, list[tuple[str, str]]]:
    faults = Faults("some.csv")
    table = read_table(content, faults, COLUMNS)
    return table, [(fault.where, fault.code) for fault in faults.all]


def spaced(text: str) -> str:
    """Join the lines of a cell, so that none of them looks like a row."""
    return " ".join(text.splitlines())


@given(
    rows=st.lists(st.tuples(*[CELLS] * 4).filter(lambda row: any(map(str.strip, row))), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
)
def test_any_written_table_is_read_back(rows: list[tuple[str, ...]], end: str, mark: bool) -> None:
    plain = [tuple(map(spaced, row)) for row in rows]
    content = written(plain, lineterminator=end)
    table, faults = read((b"\xef\xbb\xbf" if mark else b"") + content)
    assert not faults
    assert [tuple(row.cells.values()) for row in table.rows] == [
        row for row in plain if any(map(str.strip, row))
    ]


@given(breaks=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_a_row_records_the_line_on_which_it_begins(breaks: list[int]) -> None:
    rows = [(f"{index}", "x" + "\n very well," * count, "y", "z") for index, count in enumerate(breaks)]
    table, faults = read(written(rows))
    assert not faults
    begins, expected = 2, []
    for count in breaks:
        expected.append(begins)
        begins += 1 + count
    assert [row.line for row in table.rows] == expected


@given(row=st.integers(0, 19), cell=st.integers(0, 3))
def test_an_unclosed_quotation_mark_is_a_fault(row: int, cell: int) -> None:
    lines = [f"{number},alpha,beta,gamma".split(",") for number in range(20)]
    lines[row][cell] = '"' + lines[row][cell]
    table, faults = read(("\n".join([",".join(COLUMNS), *map(",".join, lines)]) + "\n").encode())
    assert [where for where, _ in faults] == [f"some.csv:{row + 2}"]
    assert len(table.rows) == row


@given(first=st.integers(0, 17), gap=st.integers(1, 2), cell=st.integers(0, 3), end=st.integers(0, 3))
def test_rows_swallowed_by_two_quotation_marks_are_a_fault(first: int, gap: int, cell: int, end: int) -> None:
    lines = [f"{number},alpha,beta,gamma".split(",") for number in range(20)]
    lines[first][cell] = '"' + lines[first][cell]
    lines[first + gap][end] += '"'
    _, faults = read(("\n".join([",".join(COLUMNS), *map(",".join, lines)]) + "\n").encode())
    assert faults


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_one_fault(delimiter: str) -> None:
    _, faults = read(written([("1", "2", "3", "4")] * 5, delimiter=delimiter))
    assert faults == [("some.csv:1", "file.wrong-delimiter")]


@pytest.mark.parametrize("cells", [3, 5])
def test_a_wrong_number_of_cells_is_a_fault(cells: int) -> None:
    table, faults = read(written([("1", "2", "3", "4"), ["x"] * cells, ("1", "2", "3", "4")]))
    assert faults == [("some.csv:3", "file.wrong-cell-count")]
    assert [row.line for row in table.rows] == [2, 4]


def test_a_cell_of_any_length_is_read() -> None:
    long = "x" * 1_000_000
    table, faults = read(written([("1", long, "", "")]))
    assert not faults
    assert table.rows[0].cells["a"] == long


def test_rows_of_empty_cells_are_skipped() -> None:
    table, faults = read(written([("1", "2", "3", "4"), ("", "", "", ""), (" ", "", "", "")]) + b"\n\n")
    assert not faults
    assert len(table.rows) == 1


def test_columns_that_differ_in_case_or_spaces_are_suggested() -> None:
    faults = Faults("some.csv")
    read_table(b"ID,a ,c\n1,2,3\n", faults, COLUMNS)
    [fault] = faults.all
    assert "'ID'" in fault.remedy
    assert "'a '" in fault.remedy
    assert fault.remedy.endswith(", b.")


def test_the_first_faults_are_listed_and_the_others_counted() -> None:
    faults = Faults("some.csv")
    read_table(written([("x",)] * 50), faults, COLUMNS)
    with user_error("file.wrong-cell-count") as error:
        faults.raise_if_any("invalid table", code="file.not-csv")
    assert error.value.code == "file.not-csv"
    assert len(error.faults) == MAX_FAULTS + 1
    assert "30" in error.faults[-1].what
