"""Seeded random orders of dialogues."""

from __future__ import annotations

from collections.abc import Iterable

from agents.hashing import content_id
from agents.types import Dialogue


def seeded_order(dialogues: Iterable[Dialogue], seed: int) -> list[Dialogue]:
    """Return the dialogues in a random order.

    The relative order of two dialogues depends only on their keys and the seed, not on the other dialogues.
    """
    return sorted(dialogues, key=lambda dialogue: content_id(f"order-{seed}", dialogue.key))


def seeded_subset(dialogues: Iterable[Dialogue], size: int, seed: int) -> list[Dialogue]:
    """Return the first `size` dialogues of the seeded order; larger subsets contain smaller ones."""
    return seeded_order(dialogues, seed)[:size]
