"""Sets that are older than the identity of how authors are asked keep their id while that stays the same."""

from __future__ import annotations

from pathlib import Path

from agents.types import ResponseSet
from results.db.store import Store
from results.db.tokenizer_identities import unchanged_sets


async def test_a_set_is_kept_while_its_author_is_asked_as_when_it_was_first_met(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        await store.save_responses(ResponseSet("set-1:a", "base:x", "cut", "{}"), [])
        assert await unchanged_sets(store, {"set-1:b": "one"}) == set()
        for asking, kept in (("one", {"set-1:a"}), ("two", set()), ("one", {"set-1:a"})):
            assert await unchanged_sets(store, {"set-1:a": asking, "set-1:b": "one"}) == kept
        assert await unchanged_sets(store, {}) == set()
