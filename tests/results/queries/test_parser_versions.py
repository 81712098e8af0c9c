"""Which parser read what, and what re-reading changed."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import pytest

from agents.messages import Completion, FinishReason
from agents.verdicts.parser import VERDICT_PARSER, parse_verdict
from results.db.mappers import completion_from_row, completion_row
from results.queries.parser_versions import count_parser_versions, newest_judgments, verdict_change


def row(judged: str, parser: str, preference: str | None) -> Any:
    return SimpleNamespace(judged=judged, parser=parser, preference=preference)


def by(reading: Any) -> str:
    return str(reading.judged)


ROWS = [
    row("a", "verdict-1", "first"),
    row("a", VERDICT_PARSER, "second"),
    row("b", "verdict-1", "first"),
    row("c", VERDICT_PARSER, None),
    row("c", "verdict-1", "tie"),
    row("d", "verdict-9", None),
    row("d", "verdict-10", "first"),
    row("e", "verdict-1", "first"),
    row("e", VERDICT_PARSER, "first"),
]


def test_the_newest_reading_counts_whatever_the_order() -> None:
    for rows in list(permutations(ROWS, len(ROWS)))[::40_000]:
        newest = {by(one): (one.parser, one.preference) for one in newest_judgments(rows, by)}
        assert newest == {
            "a": (VERDICT_PARSER, "second"),
            "b": ("verdict-1", "first"),
            "c": (VERDICT_PARSER, None),
            "d": ("verdict-10", "first"),
            "e": (VERDICT_PARSER, "first"),
        }


def test_what_changed_is_counted_by_kind() -> None:
    readings = count_parser_versions(ROWS, by)
    assert dict(readings.by_parser) == {"verdict-1": 1, VERDICT_PARSER: 3, "verdict-10": 1}
    assert dict(readings.reread) == {"verdict-1": 3, "verdict-9": 1}
    assert (readings.changed, readings.became_scored, readings.became_unscored) == (1, 1, 1)
    assert readings.outdated == 1
    assert readings.to_dict()["parser"] == VERDICT_PARSER
    assert readings.note("judge")


def test_readings_of_one_parser_of_today_need_no_note() -> None:
    assert count_parser_versions([row("a", VERDICT_PARSER, "first")], by).note("judge") == ""


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("first", "first", ""),
        (None, None, ""),
        ("first", "second", "changed"),
        ("tie", None, "became_unscored"),
        (None, "tie", "became_scored"),
    ],
)
def test_movements(before: str | None, after: str | None, kind: str) -> None:
    assert verdict_change(before, after) == kind


@pytest.mark.parametrize("text", ["1\ud83d", "2 \udc00\n", "Response 1.\x00", "\ud83d", "1 \ufffd"])
def test_what_is_read_from_a_stored_answer_is_what_was_read_as_it_came(text: str) -> None:
    completion = Completion(text, FinishReason.STOP)
    stored = completion_from_row(SimpleNamespace(**completion_row("k", "m", completion, None, "i", 0.0)))
    live, again = (parse_verdict(one, ("1", "2")) for one in (completion, stored))
    assert getattr(live, "preference", None) == getattr(again, "preference", None)
