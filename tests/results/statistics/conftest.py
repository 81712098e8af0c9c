"""Simulated contests with known truth, shared by the tests of the statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from results.statistics import JudgmentTable

MakeContest = Callable[..., JudgmentTable]


def contest(
    n: int = 60,
    *,
    seed: int = 0,
    mean: float = 0.6,
    spread: float = 4.0,
    samples: int = 1,
    ties: float = 0.0,
    unscored: float = 0.0,
    soft: bool = False,
    position: float = 0.0,
) -> JudgmentTable:
    """Return a contest whose preference for A varies by dialogue: Beta with this mean and concentration.

    `position` is added to the probability of the first position; `ties` and `unscored` are shares of rows.
    """
    generator = np.random.default_rng(seed)
    taste = generator.beta(mean * spread, (1 - mean) * spread, n) if 0 < mean < 1 else np.full(n, mean)
    rows = n * 2 * samples
    dialogue = np.repeat(np.arange(n), 2 * samples)
    a_first = np.tile(np.repeat([True, False], samples), n)
    sample = np.tile(np.arange(samples), 2 * n)
    chance = np.clip(taste[dialogue] + np.where(a_first, position, -position), 0, 1)
    outcome = (generator.random(rows) < chance).astype(float)
    outcome[generator.random(rows) < ties] = 0.5
    lost = generator.random(rows) < unscored
    outcome[lost] = np.nan
    return JudgmentTable.from_columns(
        dialogue,
        a_first,
        outcome,
        n_dialogues=n,
        sample=sample,
        soft=np.where(lost, np.nan, chance) if soft else None,
        outside=np.where(lost, np.nan, 0.01) if soft else None,
        reason=np.where(lost, "refused", "").astype(object),
    )


@pytest.fixture(name="contest", scope="session")
def contest_maker() -> MakeContest:
    """Return `contest(n, seed=…, mean=…, …)`, which simulates the judgments of a contest."""
    return contest
