"""Controlled Bradley–Terry strengths: antisymmetry, agreement with the plain fit, coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from results.statistics import ControlledStrengths, NotEstimable, controlled_strengths, strengths
from results.statistics.bradley_terry import ELO_PER_LOG

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
TRUE = np.array([0.6, 0.2, -0.1, -0.7])
WORDS = np.array([10.0, 3.0, -2.0, 0.0])  # how long each author writes on average, in standard deviations / 5
LONGER = 0.8


def meetings(
    generator: np.random.Generator, dialogues: int = 120, *, longer: float = LONGER, true: Floats = TRUE
) -> dict[str, Any]:
    """Return a ring of four authors with one chord; every contest has every dialogue."""
    first, second = (np.tile(np.array(side), dialogues) for side in ([0, 1, 2, 3, 0], [1, 2, 3, 0, 2]))
    dialogue = np.repeat(np.arange(dialogues), 5)
    length = WORDS + 10.0 * generator.standard_normal((dialogues, 4))
    difference = length[dialogue, first] - length[dialogue, second]
    taste = 0.5 * generator.standard_normal((dialogues, 4))
    odds = true[first] - true[second] + longer * np.tanh(difference / 15.0)
    odds = odds + taste[dialogue, first] - taste[dialogue, second]
    score = (generator.random((2, first.size)) < expit(odds)).mean(axis=0)
    return {
        "first": first,
        "second": second,
        "score": score,
        "dialogue": dialogue,
        "covariates": difference[:, None],
        "names": ["words"],
        "authors": 4,
    }


def estimated(rows: dict[str, Any]) -> ControlledStrengths:
    result = controlled_strengths(**rows, seed=0)
    assert isinstance(result, ControlledStrengths)
    return result


def test_equals_plain_strengths_without_covariates() -> None:
    rows = meetings(np.random.default_rng(1))
    rows |= {"covariates": np.zeros((rows["score"].size, 0)), "names": []}
    plain = strengths(rows["first"], rows["second"], rows["score"], rows["dialogue"], 4, seed=0, resamples=20)
    result = estimated(rows)
    assert result.elo == pytest.approx(plain.elo, abs=1e-6)
    assert result.plain == pytest.approx(result.elo)
    assert result.effects == ()


def test_swapping_the_sides_of_a_meeting_changes_nothing() -> None:
    rows = meetings(np.random.default_rng(2))
    turned = np.random.default_rng(3).random(rows["score"].size) < 0.5
    other = rows | {
        "first": np.where(turned, rows["second"], rows["first"]),
        "second": np.where(turned, rows["first"], rows["second"]),
        "score": np.where(turned, 1 - rows["score"], rows["score"]),
        "covariates": np.where(turned[:, None], -rows["covariates"], rows["covariates"]),
    }
    first, back = estimated(rows), estimated(other)
    for name in ("elo", "low", "high", "plain"):
        assert getattr(back, name) == pytest.approx(getattr(first, name), abs=1e-6)
    assert back.effects[0].effect == pytest.approx(first.effects[0].effect)
    assert first.best is not None and back.best is not None
    assert back.best.low == pytest.approx(first.best.low, abs=1e-4)


def test_longer_responses_alone_do_not_raise_strength() -> None:
    """Four equal authors, one of which writes longer, under a judge that prefers length."""
    rows = meetings(np.random.default_rng(4), 400, longer=2.0, true=np.zeros(4))
    result = estimated(rows)
    assert result.plain[0] - 1000 > 40
    assert abs(result.elo[0] - 1000) < 40
    assert result.effects[0].low > 0
    assert (result.low < 1000).all() and (result.high > 1000).all()


def test_an_author_that_wins_everything_has_no_interval() -> None:
    rows = meetings(np.random.default_rng(5))
    always = np.where(rows["first"] == 3, 0.0, np.where(rows["second"] == 3, 1.0, rows["score"]))
    result = estimated(rows | {"score": always})
    assert np.isnan(result.low[3]) and np.isnan(result.high[3])
    assert np.isfinite(result.low[:3]).all()
    assert result.elo[:3].mean() == pytest.approx(1000)
    total = estimated(rows)
    assert (result.high - result.low)[:3].max() < 2 * (total.high - total.low)[:3].max()


def test_not_estimable_rankings() -> None:
    rows = meetings(np.random.default_rng(6), 15)
    assert isinstance(controlled_strengths(**rows, seed=0), NotEstimable)
    rows = meetings(np.random.default_rng(7), 40)
    difference = rows | {"authors": 5}
    assert isinstance(controlled_strengths(**difference, seed=0), NotEstimable)
    text = np.where(rows["first"] == 0, 1.0, 0.0) - np.where(rows["second"] == 0, 1.0, 0.0)
    same = rows | {"covariates": text[:, None]}  # a covariate that is the author
    assert isinstance(controlled_strengths(**same, seed=0), NotEstimable)
    with pytest.raises(ValueError, match="outside"):
        controlled_strengths(**(rows | {"score": rows["score"] + 1}), seed=0)
    with pytest.raises(ValueError, match="missing"):
        controlled_strengths(**(rows | {"covariates": np.full((200, 1), np.nan)}), seed=0)


def test_an_author_that_is_always_longer_is_extrapolated() -> None:
    rows = meetings(np.random.default_rng(8))
    far = rows["covariates"][:, 0] + 200 * ((rows["first"] == 1) * 1.0 - (rows["second"] == 1) * 1.0)
    result = estimated(rows | {"covariates": far[:, None]})
    assert result.extrapolated.tolist() == [False, True, False, False]
    assert np.isnan(result.low).tolist() == [False, True, False, False]


# -- coverage ------------------------------------------------------------------------------------------------


def truth() -> Floats:
    """Return the fit of a very large study, in which varying preferences flatten the curve."""
    result = estimated(meetings(np.random.default_rng(100), 40_000))
    return (result.elo - 1000) / ELO_PER_LOG


def coverage(*, runs: int, dialogues: int = 120) -> tuple[list[float], float]:
    """Return the coverage of each author's strength, and of the strongest one's corrected for selection."""
    true = truth()
    generator = np.random.default_rng(101)
    held, best = np.zeros(4), 0
    for _ in range(runs):
        result = estimated(meetings(generator, dialogues))
        low, high = (result.low - 1000) / ELO_PER_LOG, (result.high - 1000) / ELO_PER_LOG
        held += (low <= true) & (true <= high)
        assert result.best is not None
        chosen = true[int(np.argmax(result.elo))] * ELO_PER_LOG + 1000
        best += result.best.low <= chosen <= result.best.high
    return (held / runs).tolist(), best / runs


def test_controlled_strengths_cover() -> None:
    held, best = coverage(runs=80)
    assert min(held) >= 0.86
    assert best >= 0.86


@pytest.mark.slow
@pytest.mark.parametrize("dialogues", [50, 250])
def test_controlled_strengths_cover_at_their_level(dialogues: int) -> None:
    held, best = coverage(runs=1000, dialogues=dialogues)
    assert min(held) >= 0.93
    assert best >= 0.93
