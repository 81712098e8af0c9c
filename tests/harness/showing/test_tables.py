"""Tables that fit the terminal: as they are, or turned; no number is ever broken or cut off."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from harness.showing.tables import fitting

NUMBERS = ("72.4 %", "68.0 to 76.5", "250", "0.0 to 100.0", "40: no answer 40", "0 / 0 / 200", "$0.5223")
HEADS = ("win rate", "95 %", "n", "bounds", "un-\nscored", "made / reused\n/ retried", "cost")


def table(judges: int) -> Table:
    """A row a judge, as `empathy judge` shows it."""
    made = Table(title="A against B", pad_edge=False, collapse_padding=True)
    made.add_column("judge", overflow="fold", min_width=18)
    for head in HEADS:
        made.add_column(head, justify="right")
    for at in range(judges):
        made.add_row(f"openai/a-model-of-a-long-name-{at}", *NUMBERS)
    return made


def printed(parts: list[Table], width: int) -> str:
    out = StringIO()
    console = Console(file=out, width=width)
    for part in parts:
        console.print(part)
    return out.getvalue()


@pytest.mark.parametrize("judges", [1, 2, 5])
@pytest.mark.parametrize("width", [50, 80, 100, 120, 132, 200])
def test_every_number_is_shown_whole_for_every_judge(width: int, judges: int) -> None:
    parts = fitting(table(judges), width)
    lines = printed(parts, width).splitlines()
    assert max(map(len, lines)) <= width
    for number in NUMBERS:
        assert sum(line.count(number) for line in lines) == judges
    assert sum("A against B" in line for line in lines) == 1


def test_where_there_is_room_it_stays_as_it_is_and_names_may_be_folded() -> None:
    wide = table(2)
    assert fitting(wide, 200) == [wide]
    needed = next(width for width in range(60, 200) if fitting(wide, width) == [wide])
    assert "$0.5223" in printed([wide], needed)
    assert "a-model-of-a-long-name-1" not in printed([wide], needed)


def test_heads_are_told_in_one_line() -> None:
    assert "unscored" in printed(fitting(table(1), 60), 60)
    assert "made / reused / retried" in printed(fitting(table(1), 60), 60)


def test_a_table_without_rows_is_left_alone() -> None:
    assert printed(fitting(table(0), 40), 40)
