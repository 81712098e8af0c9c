"""A table with every feature, for the tests of writers."""

from __future__ import annotations

import pytest

from results.render.table import Column, Quantity, Table


@pytest.fixture
def table() -> Table:
    """Return two rows in two sections, with an interval, a hint, a caption and a caveat."""
    columns = [
        Column("judge", once=True),
        Column("win_rate", unit="percent", style="bold"),
        Column("interval", "95 %", "percent_range"),
        Column("unscored", unit="unscored"),
    ]
    made = Table("A against B", "the caption", columns, caveats=("a caveat",))
    made.add_section("models", "not controls")
    made.add_row("openai/x", 0.616, (0.5, 0.7), {"refused": 2}, hint="the first")
    made.add_section()
    made.add_row("openai/x", None, "exact", Quantity(-0.01, "points"), style="dim")
    return made
