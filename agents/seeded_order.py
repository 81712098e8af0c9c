"""Seeded random orders of dialogues."""

from __future__ import annotations

from collections.abc import Iterable

from agents.hashing import content_id
from agents.types import Dialogue


def seeded_order(dialogues: Iterable[Dialogue], seed: int) -> list[Dialogue]:
    """The dialogues in one random order per seed: each one's place depends on itself and the seed alone."""
    return sorted(dialogues, key=lambda dialogue: content_id(f"order-{seed}", dialogue.key))


def seeded_subset(dialogues: Iterable[Dialogue], size: int, seed: int) -> list[Dialogue]:
    """A random subset in the seeded order; a larger one with the same seed contains it."""
    return seeded_order(dialogues, seed)[:size]
