"""Helpers for queries: read all rows, and split keys into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from results.db.store import CHUNK, Store

One = TypeVar("One")


async def rows_of(store: Store, query: Select[Any]) -> Sequence[Any]:
    """Return all rows of a query, in a read-only transaction.

    Raises:
        UserError: the database cannot be read.
    """
    return await store.read(lambda connection: connection.execute(query).all())


def chunks(keys: Sequence[One], most: int = CHUNK) -> Iterator[Sequence[One]]:
    """Split keys into lists of at most `most`, the limit of one query."""
    for start in range(0, len(keys), most):
        yield keys[start : start + most]
