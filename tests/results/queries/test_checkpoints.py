"""Students in the database: found by name, with where they came from, registered once however often."""

from __future__ import annotations

from typing import Any

from results.db.schema import CheckpointRow
from results.db.store import Store
from results.queries.checkpoints import CheckpointRecord, lineage, load_checkpoints, save_checkpoint
from tests.results.conftest import count

STEPS = [
    {"step": 1, "loss": 0.7, "rewards/margins": 0.0},
    {"step": 2, "loss": 0.5},
    {"step": 3, "loss": None},
]


def record(name: str, parent: str = "", **more: Any) -> dict[str, Any]:
    """What a checkpoint says of itself, as far as the register reads it."""
    values = {"name": name, "stage": "dpo" if parent else "sft", "base": {"name": "owner/base"}}
    return {**values, "parent": {"name": "x", "id": parent} if parent else None, **more}


async def found(store: Store, *names: str) -> list[CheckpointRecord]:
    return await store.read(lambda connection: load_checkpoints(connection, names or None))


async def test_a_student_is_found_by_name_and_tells_all_it_was_trained_with(store: Store) -> None:
    health = {"distinct": 0.25, "warnings": ["collapse"]}
    values = record("fish", settings={"rank": 8}, health=health, note="a zero \x00 and a “quote”")
    await save_checkpoint(store, "checkpoint-1:f", values, STEPS, "/there")
    await save_checkpoint(store, "checkpoint-1:g", record("goat"), [], "/there")
    for name in ("fish", "student:fish", "student:fish@paper-merged"):
        (one,) = await found(store, name)
        assert (one.author, one.stage, one.base, one.parent) == ("student:fish", "sft", "owner/base", "")
        assert one.settings == {"rank": 8}
        assert (one.health, one.warnings) == (health, ("collapse",))
        assert one.record["note"] == values["note"]
        assert one.curve() == [(1, 0.7), (2, 0.5)]
        assert one.curve("rewards/margins") == [(1, 0.0)]
    assert await found(store, "student:nobody") == []
    assert [one.name for one in await found(store)] == ["fish", "goat"]
    assert (await found(store, "goat"))[0].health == {}


async def test_registered_again_it_is_the_same_and_where_it_lies_is_known(store: Store) -> None:
    for folder in ("/old", "/new"):
        values = record("fish", seconds=len(folder))
        await save_checkpoint(store, "checkpoint-1:f", values, STEPS, folder)
    assert await count(store, CheckpointRow) == 1
    (one,) = await found(store, "fish")
    assert (one.folder, one.record["seconds"]) == ("/new", 4)


async def test_a_line_goes_back_to_the_first_that_is_known(store: Store) -> None:
    await save_checkpoint(store, "checkpoint-1:b", record("fish", "checkpoint-1:a"), [], "")
    (fish,) = await found(store, "fish")
    assert await store.read(lambda connection: lineage(connection, fish)) == [fish]
    await save_checkpoint(store, "checkpoint-1:a", record("fish-sft"), [], "")
    line = await store.read(lambda connection: lineage(connection, fish))
    assert [one.stage for one in line] == ["sft", "dpo"]
