"""Formatting of values by unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.render.columns import SHARED, columns
from results.render.format import UNITS, format_lines, format_value
from results.render.table import Quantity

EXAMPLES = {
    "text": [("[a]", "[a]")],
    "count": [(0, "0"), (1234, "1,234")],
    "counts": [((30, 0, 1200), "30 / 0 / 1,200")],
    "of": [((3, 1200), "3 of 1,200")],
    "rank_range": [((1, 1), "1"), ((1, 3), "1–3")],
    "flag": [(True, "yes"), (False, "")],
    "strength_estimate": [((12.2, 3.0, None), "12 (3 and up)")],
    "unscored": [({}, "0"), (None, "0"), ({"truncated": 1, "refused": 2}, "3: refused 2, truncated 1")],
    "percent": [(0.616, "61.6 %"), (1, "100.0 %")],
    "percent_range": [((0.552, 0.678), "55.2 to 67.8"), ((None, 0.5), "-")],
    "percent_estimate": [((0.6, 0.5, 0.7), "60.0 % (50.0 to 70.0)"), ((None, None, None), "-")],
    "whole_percents": [((0.5, 0.25, 0.25), "50 / 25 / 25")],
    "points": [(0.072, "+7.2"), (-0.031, "-3.1")],
    "points_range": [((-0.01, 0.11), "-1.0 to +11.0")],
    "points_estimate": [((0.01, -0.01, 0.03), "+1.0 (-1.0 to +3.0)")],
    "unsigned_points": [(0.044, "4.4")],
    "p": [(0.0121, "0.012"), (0.0009, "< 0.001"), (1.0, "1.000")],
    "points_p": [((0.04, 0.001), "+4.0 (p 0.001)")],
    "decimal": [(0.456, "0.46"), (float("nan"), "-")],
    "decimals": [((0.5, 0.25), "0.50 / 0.25")],
    "tenths": [(12.34, "12.3")],
    "whole": [(1234.5, "1,234")],
    "strength": [(1012.4, "1012")],
    "strength_range": [
        *[((900.0, 1100.0), "900 to 1100"), ((900.0, None), "900 and up"), ((None, 900.0), "900 and down")],
        ((None, None), "no bound"),
    ],
    "usd": [(0.5223, "$0.5223"), (None, "not known")],
    "rounded_usd": [(None, "?"), (0.0, "$0.00"), (0.0042, "$0.0042"), (2710.7, "$2,710.70")],
    "duration": [(None, "?"), (0, "0:00"), (59.6, "1:00"), (3723, "1:02:03")],
    "elapsed": [(4.2, "4.2 s"), (200, "3 min 20 s"), (4320, "1 h 12 min"), (None, "-")],
}


def test_every_unit_has_an_example() -> None:
    assert set(EXAMPLES) == set(UNITS)


@pytest.mark.parametrize("unit", EXAMPLES)
def test_a_value_is_formatted_by_its_unit(unit: str) -> None:
    for value, text in EXAMPLES[unit]:
        assert format_value(value, unit) == text
        assert format_value(Quantity(value, unit)) == text
    assert format_value(None, unit)


@given(st.sampled_from(sorted(UNITS)), st.text())
def test_a_text_is_literal_in_every_unit(unit: str, text: str) -> None:
    assert format_lines(text, unit) == (text,)


def test_lines_are_formatted_one_by_one() -> None:
    assert format_lines((Quantity(0.5, "percent"), "n = 3"), "lines") == ("50.0 %", "n = 3")


def test_shared_columns_have_known_units() -> None:
    assert {column.unit for column in SHARED.values()} <= set(UNITS)
    judge, rate = columns("judge", "win_rate")
    assert (judge.heading, judge.alignment, rate.heading, rate.alignment) == (
        *("judge", "left", "win rate", "right"),
    )
