"""Output escaping: no format interprets text from data, and different texts stay different."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agents.output_escape import (
    csv_rows,
    csv_text,
    json_bytes,
    json_lines,
    latex_text,
    markdown_row,
    markdown_text,
    visible_text,
)
from tests.hostile import HOSTILE

# Signs of other scripts that are seen, though Unicode counts them among the format characters.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13456)}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(HOSTILE)


def is_hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and ord(char) not in SEEN


def test_every_invisible_character_is_escaped() -> None:
    left = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if is_hidden(chr(code)) and chr(code) not in "\t\n" and visible_text(chr(code)) == chr(code)
    ]
    assert left == []
    changed = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if not is_hidden(chr(code))
        and unicodedata.category(chr(code)) not in ("Cn", "Lo", "Mn")  # fillers are letters and marks
        and visible_text(chr(code)) != chr(code)
    ]
    assert changed == []


def test_names_are_shown_as_they_are() -> None:
    for name in (
        "responses[a].jsonl",
        "mistral[/INST]-x",
        ":two:",
        "模型🙂 $x^2$ \\alpha",
        "=x",
        "a|b",
        "é",
        "שלום",
    ):
        assert visible_text(name) == name
    assert visible_text("👩\u200d🔬 نمی\u200cخواهم") == "👩\u200d🔬 نمی\u200cخواهم"
    assert visible_text("a\u200db\n\u202ec", one_line=True) == "a\\u200db\\x0a\\u202ec"


@given(st.text(max_size=30), st.text(max_size=30))
def test_different_texts_stay_different(one: str, other: str) -> None:
    shown = [visible_text(text.replace("\r\n", "\n"), one_line=True) for text in (one, other)]
    assert (shown[0] == shown[1]) == (one.replace("\r\n", "\n") == other.replace("\r\n", "\n"))


@pytest.mark.parametrize("char", ["\x1b", "\u202e", "\n", "\U000e0041", "\x9b"])
def test_an_escape_and_the_text_that_spells_it_differ(char: str) -> None:
    spelled = visible_text(char, one_line=True)
    assert visible_text(spelled, one_line=True) != spelled


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(TEXTS)
def test_markdown_is_escaped(text: str) -> None:
    words = " ".join(visible_text(text.replace("\u00a0", " ")).split())
    for before, kinds in (("", {"paragraph"}), ("- ", {"bullet_list", "list_item", "paragraph"})):
        tokens = MARKDOWN.parse(before + markdown_text(text))
        inline = [token for token in tokens if token.type == "inline"]
        assert {token.type.rpartition("_")[0] for token in tokens if token.nesting} <= kinds
        assert "".join(child.content for token in inline for child in token.children or ()) == words
        assert {child.type for token in inline for child in token.children or ()} <= {"text", "text_special"}


@given(st.lists(TEXTS, min_size=3, max_size=3))
def test_a_row_of_a_markdown_table_keeps_its_cells(cells: list[str]) -> None:
    text = "\n".join([markdown_row("abc"), "| --- | --- | --- |", markdown_row(cells)])
    tokens = MARKDOWN.parse(text)
    assert sum(token.type == "td_open" for token in tokens) == 3
    assert tokens[0].type == "table_open"


@given(st.lists(TEXTS, min_size=2, max_size=2))
def test_no_cell_of_a_csv_is_a_formula_or_holds_an_escape(cells: list[str]) -> None:
    text = csv_text(["a", "b"], [cells])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == 2
    for cell, shown in zip(cells, rows[1], strict=True):
        assert not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", shown)
        assert not any(is_hidden(char) and char not in "\t\n\u200c\u200d" for char in shown)
        assert shown.removeprefix("'") == visible_text(cell).removeprefix("'")


def test_numbers_in_a_csv_stay_numbers() -> None:
    assert csv_rows(["a", "b"], [{"a": -1.5, "b": None, "c": "left out"}]) == "a,b\n-1.5,\n"


@given(TEXTS)
def test_json_holds_the_value_and_shows_every_character(text: str) -> None:
    for written in (json_bytes({text: [text]}), json_lines([{text: [text]}])):
        assert json.loads(written) == {text: [text]}
        assert not any(is_hidden(char) and char not in "\n\u200c\u200d" for char in written.decode())
    assert json_lines([1, 2]) == b"1\n2\n"


def test_a_name_that_is_not_utf_8_is_json_too() -> None:
    name = b"bad\xff.jsonl".decode("utf-8", "surrogateescape")
    assert json.loads(json_bytes({name: [name]})) == {name: [name]}
    assert visible_text(name) == "bad\\udcff.jsonl"


@given(TEXTS)
def test_latex_commands_in_data_are_escaped(text: str) -> None:
    shown = latex_text(text)
    plain = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|dag)\{\}|\\[{}$&#%_]|\$[<>|−-]\$", "", shown
    )
    assert not set(plain) & set("\\{}$&#%_~^<>|\n\t")
