"""Rows of a query, and keys in portions that every database takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select

from results.db.store import CHUNK, Store

One = TypeVar("One")


async def rows_of(store: Store, query: Select[Any]) -> Sequence[Any]:
    """All rows of a query, in a transaction that only reads.

    Raises:
        UserError: the database cannot be read.
    """
    return await store.read(lambda connection: connection.execute(query).all())


def chunks(keys: Sequence[One], most: int = CHUNK) -> Iterator[Sequence[One]]:
    """The keys, at most so many at a time as one query may name."""
    for start in range(0, len(keys), most):
        yield keys[start : start + most]
