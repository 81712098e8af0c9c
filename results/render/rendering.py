"""A result in every format: JSON document, tables, conclusions and caveats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.render.table import Table


@dataclass(frozen=True, slots=True)
class Rendering:
    """A result, ready for any writer.

    Attributes:
        document: the result as JSON data: rates in [0, 1], money in US dollars, times in seconds.
        tables: the result as tables.
        conclusions: sentences to print below the tables.
        caveats: what limits the numbers; printed last.
    """

    document: Mapping[str, Any]
    tables: tuple[Table, ...] = ()
    conclusions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    def __add__(self, other: Rendering) -> Rendering:
        """Return both results in one: the fields of both documents, and the tables and texts in order."""
        return Rendering(
            {**self.document, **other.document},
            self.tables + other.tables,
            self.conclusions + other.conclusions,
            self.caveats + other.caveats,
        )
