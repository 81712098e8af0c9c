"""Table of values; writers format each value by its unit (`results/render/writers`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

Value = Any
"""A cell: a number, a text, None, or what the unit states (`results/render/format.py`); a text is literal."""

NAMES = ("text", "lines")  # units whose columns are left-aligned by default


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with a unit of its own, for columns of mixed units.

    Attributes:
        value: the value.
        unit: its unit.
    """

    value: Value
    unit: str


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a table.

    Attributes:
        key: name in JSON and CSV.
        heading: heading for people; by default the key with spaces.
        unit: how writers format its values, a key of `UNITS` in `results/render/format.py`.
        alignment: "left" or "right"; by default left for text.
        style: of all cells, "bold" or "".
        once: whether terminals show a value that repeats the row above only once.
    """

    key: str
    heading: str = ""
    unit: str = "text"
    alignment: str = ""
    style: str = ""
    once: bool = False

    def __post_init__(self) -> None:
        """Fill in the defaults that depend on other fields."""
        if not self.heading:
            object.__setattr__(self, "heading", self.key.replace("_", " "))
        if not self.alignment:
            object.__setattr__(self, "alignment", "left" if self.unit in NAMES else "right")

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the column in a record; an interval has one key for each end."""
        prefix = "" if self.key == "interval" else f"{self.key}_"
        ends = (f"{prefix}low", f"{prefix}high")
        if self.unit.endswith("_range"):
            return ends
        return (self.key, *ends) if self.unit.endswith("_estimate") else (self.key,)

    def values(self, cell: Value) -> tuple[Value, ...]:
        """Return the values of a cell by key; a text instead of an interval stands at its first key."""
        value = cell.value if isinstance(cell, Quantity) else cell
        if len(self.keys) == 1:
            return (value,)
        return value if isinstance(value, tuple) else (value or None, *[None] * (len(self.keys) - 1))


@dataclass(slots=True)
class Row:
    """Cells of a row, one per column.

    Attributes:
        cells: the values.
        style: "dim", "bold" or "".
        hint: explanation of the row; only in HTML.
        ends: whether a rule follows the row.
        section: heading above the row, or "".
        section_hint: explanation of the section.
    """

    cells: tuple[Value, ...]
    style: str = ""
    hint: str = ""
    ends: bool = False
    section: str = ""
    section_hint: str = ""


@dataclass(slots=True)
class Table:
    """Columns and rows of values.

    Attributes:
        title, caption: lines above and below, or "".
        columns, rows: in display order.
        caveats: what limits the numbers of this table; below the caption.
    """

    title: str = ""
    caption: str = ""
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    caveats: tuple[str, ...] = ()
    _section: tuple[str, str] = ("", "")

    def add_row(self, *cells: Value, style: str = "", hint: str = "") -> None:
        """Append a row; missing cells at its end are empty.

        Raises:
            ValueError: more cells than columns.
        """
        if len(cells) > len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        row = Row((*cells, *[""] * (len(self.columns) - len(cells))), style, hint, False, *self._section)
        self.rows.append(row)
        self._section = ("", "")

    def add_metric(
        self, name: str, unit: str, values: Iterable[Value], *, style: str = "", hint: str = ""
    ) -> None:
        """Append a row of values of one unit, for tables with one metric per row."""
        self.add_row(name, *(Quantity(value, unit) for value in values), style=style, hint=hint)

    def add_section(self, heading: str = "", hint: str = "") -> None:
        """Draw a rule after the last row, and a heading above the next one."""
        if self.rows:
            self.rows[-1].ends = True
        self._section = (heading, hint)

    def without_empty_columns(self, optional: Collection[str]) -> Table:
        """Return the table without those optional columns, by key, that have no value in any row."""
        return self.without(
            column.key
            for index, column in enumerate(self.columns)
            if column.key in optional and all(_is_empty(row.cells[index]) for row in self.rows)
        )

    def without(self, keys: Iterable[str]) -> Table:
        """Return the table without the columns with these keys."""
        left_out = set(keys)
        kept = [index for index, column in enumerate(self.columns) if column.key not in left_out]
        rows = [replace(row, cells=tuple(row.cells[index] for index in kept)) for row in self.rows]
        return replace(self, columns=[self.columns[index] for index in kept], rows=rows)

    def records(self) -> list[dict[str, Value]]:
        """Return one record of values per row, by key."""
        return [
            {
                key: value
                for column, cell in zip(self.columns, row.cells, strict=True)
                for key, value in zip(column.keys, column.values(cell), strict=True)
            }
            for row in self.rows
        ]

    def to_frame(self) -> DataFrame:
        """Return the records as a DataFrame."""
        from pandas import DataFrame

        return DataFrame(self.records(), columns=[key for column in self.columns for key in column.keys])

    def transposed(self, name: str) -> Table:
        """Return a table of metrics with one row per column; `name` is the heading of the first."""
        heads = [str(row.cells[0]) for row in self.rows]
        columns = [Column(name), *(Column(head, head, "text", "right") for head in heads)]
        table = Table(self.title, self.caption, columns, caveats=self.caveats)
        for index, column in enumerate(self.columns[1:], 1):
            table.add_row(column.heading, *(row.cells[index] for row in self.rows))
        return table


def _is_empty(value: Value) -> bool:
    """Return whether a value is None, zero, or empty."""
    if isinstance(value, tuple):
        return all(part is None for part in value)
    return value is None or value in (0, "", {})


def metric_table(names: Iterable[str], title: str = "") -> Table:
    """Return an empty table with one metric per row and one right-aligned column per name."""
    columns = [Column("metric", " "), *(Column(name, name, "text", "right") for name in names)]
    return Table(title, columns=columns)
