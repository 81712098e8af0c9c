"""Workspace of a command or session: the database, the dataset and the prompts, each opened on first use."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from agents.prompt_lookup import load_library
from harness.data.author_resolver import Author, resolve_author
from harness.data.dataset import Dataset, load
from prompts import Library
from results.db import DEFAULT_DB
from results.db.store import Store


class Workspace:
    """Database, dataset and prompts; use `async with`, or call `close`.

    Args:
        db: path of the database for SQLite, or `postgresql://USER@HOST/NAME`.
        data: CSV file of the dataset, or "sample"; None for the default path.
        prompts: folder of prompts that replace the included ones of the same name.
    """

    def __init__(
        self, db: str = DEFAULT_DB, data: str | None = None, prompts: str | Path | None = None
    ) -> None:
        self.db = db
        self.data = data
        self._prompts = None if prompts is None else Path(prompts)
        self._opened = AsyncExitStack()
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the database. Idempotent."""
        self._store = None
        await self._opened.aclose()

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset.

        Raises:
            UserError: it does not exist, or is invalid.
        """
        return load(self.data)

    @cached_property
    def library(self) -> Library:
        """The prompts.

        Raises:
            UserError: prompts are invalid.
        """
        return load_library(self._prompts)

    @property
    def has_database(self) -> bool:
        """Whether the database exists; for a server, this is not checked."""
        return "://" in self.db or Path(self.db).exists()

    async def store(self, *, create: bool = False) -> Store:
        """Return the open database.

        Args:
            create: create it if it does not exist.

        Raises:
            UserError: it cannot be opened.
        """
        if self._store is None:
            self._store = await self._opened.enter_async_context(await Store.open(self.db, create=create))
        return self._store

    async def store_or_empty(self) -> Store:
        """Return the open database; an empty one if it does not exist, which is not created."""
        if self.has_database:
            return await self.store()
        folder = self._opened.enter_context(tempfile.TemporaryDirectory())
        return await self._opened.enter_async_context(await Store.open(str(Path(folder) / "empty.sqlite")))

    async def author(self, name: str, *, create: bool = False) -> Author:
        """Return an author with its responses.

        Args:
            create: create the database if it does not exist.

        Raises:
            UserError: no responses of it exist, or its file is invalid.
        """
        return await resolve_author(name, self.dataset, await self.store(create=create))
