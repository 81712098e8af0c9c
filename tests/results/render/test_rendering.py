"""Renderings that belong together."""

from __future__ import annotations

from results.render.rendering import Rendering
from results.render.table import Table


def test_two_renderings_are_added_part_by_part() -> None:
    first = Rendering({"a": 1, "b": 1}, (Table("one"),), ("so",), ("but",))
    both = first + Rendering({"b": 2}, (Table("two"),), ("also",))
    assert both.document == {"a": 1, "b": 2}
    assert [table.title for table in both.tables] == ["one", "two"]
    assert (both.conclusions, both.caveats) == (("so", "also"), ("but",))
