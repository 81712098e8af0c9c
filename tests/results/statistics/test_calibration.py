"""Calibration of soft verdicts: decomposition of the Brier score, symmetry, calibrated and biased judges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from results.statistics import Calibration, NotEstimable, calibration
from results.statistics.calibration import folded, reliability

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
PAIRS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from((0.0, 0.5, 1.0)), st.integers(0, 8)), min_size=20, max_size=60
)


def estimated(soft: Floats, outcome: Floats, clusters: Floats | None = None) -> Calibration:
    result = calibration(soft, outcome, np.arange(soft.size) if clusters is None else clusters, seed=0)
    assert isinstance(result, Calibration)
    return result


def columns(pairs: list[tuple[float, float, int]]) -> tuple[Floats, Floats, Floats]:
    soft, outcome, clusters = (np.array(column) for column in zip(*pairs, strict=True))
    return soft, outcome, clusters


@settings(max_examples=25, deadline=None)
@given(PAIRS)
def test_brier_score_equals_its_decomposition(pairs: list[tuple[float, float, int]]) -> None:
    result = estimated(*columns(pairs))
    assert result.brier.value == pytest.approx(
        result.miscalibration - result.discrimination + result.uncertainty, abs=1e-9
    )
    assert min(result.miscalibration, result.discrimination, result.uncertainty) >= 0
    assert sum(item.right.n for item in result.bins) == result.n == len(pairs)
    assert result.overconfidence.value == pytest.approx(result.confidence - (result.right.value or 0.0))


@settings(max_examples=25, deadline=None)
@given(PAIRS)
def test_calibration_is_invariant_to_swapping_the_pair(pairs: list[tuple[float, float, int]]) -> None:
    soft, outcome, clusters = columns(pairs)
    exchanged = np.random.default_rng(1).random(soft.size) < 0.5
    is_present = estimated(soft, outcome, clusters)
    back = estimated(np.where(exchanged, 1 - soft, soft), np.where(exchanged, 1 - outcome, outcome), clusters)
    for name in ("miscalibration", "discrimination", "uncertainty", "confidence", "hard_brier"):
        assert getattr(back, name) == pytest.approx(getattr(is_present, name), abs=1e-9)
    assert back.brier.low == pytest.approx(is_present.brier.low, abs=1e-9)
    assert back.right.value == pytest.approx(is_present.right.value)


def test_brier_score_and_isotonic_curve_match_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    soft = np.round(generator.random(300), 2)
    outcome = (generator.random(300) < soft).astype(float)
    assert estimated(soft, outcome).brier.value == pytest.approx(brier_score_loss(outcome, soft))
    curve = IsotonicRegression().fit(np.r_[soft, 1 - soft], np.r_[outcome, 1 - outcome])
    assert reliability(soft, outcome) == pytest.approx(curve.predict(soft), abs=1e-6)


def test_invalid_input_and_too_few_pairs() -> None:
    assert isinstance(calibration(np.full(19, 0.7), np.ones(19), np.arange(19), seed=0), NotEstimable)
    nothing = np.full(40, np.nan)
    assert isinstance(calibration(nothing, np.ones(40), np.arange(40), seed=0), NotEstimable)
    holed = estimated(np.r_[np.full(30, 0.7), np.full(5, np.nan)], np.ones(35))
    assert (holed.n, holed.left_out) == (30, 5)
    with pytest.raises(ValueError, match="lie in"):
        calibration(np.full(30, 1.2), np.ones(30), np.arange(30), seed=0)
    with pytest.raises(ValueError, match="different lengths"):
        calibration(np.full(30, 0.7), np.ones(29), np.arange(30), seed=0)


@pytest.mark.parametrize("soft", [0.0, 0.5, 1.0])
def test_a_constant_judge(soft: float) -> None:
    outcome = np.r_[np.ones(30), np.zeros(10)]
    result = estimated(np.full(40, soft), outcome)
    assert result.brier.value == pytest.approx(((soft - outcome) ** 2).mean())
    assert len(result.bins) == 1
    if soft == 0.5:
        assert result.discrimination == result.miscalibration == 0


# -- calibration of the calibration --------------------------------------------------------------------------


def simulated(
    generator: np.random.Generator, *, sharpness: float, clusters: int = 60, each: int = 8
) -> tuple[Floats, Floats, Floats]:
    """Return soft verdicts whose log-odds are `sharpness` times the true ones, correlated within clusters."""
    cluster = np.repeat(np.arange(clusters), each)
    odds = 0.8 * generator.normal(size=clusters)[cluster] + generator.normal(size=cluster.size)
    outcome = (generator.random(cluster.size) < expit(odds)).astype(float)
    return expit(sharpness * odds), outcome, cluster


def held(sharpness: float, *, runs: int) -> tuple[float, float, float]:
    """Return the coverage of Brier score and overconfidence, and the rate of excess miscalibration."""
    generator = np.random.default_rng(71)
    soft, outcome, _ = simulated(generator, sharpness=sharpness, clusters=40_000)
    confidence, _ = folded(soft, outcome)
    true = expit(np.abs(logit(np.clip(soft, 1e-12, 1 - 1e-12))) / sharpness)
    brier = float((true * (1 - confidence) ** 2 + (1 - true) * confidence**2).mean())
    over = float((confidence - true).mean())
    scores, leanings, flagged = 0, 0, 0
    for _ in range(runs):
        result = estimated(*simulated(generator, sharpness=sharpness))
        scores += (result.brier.low or 0) <= brier <= (result.brier.high or 0)
        leanings += (result.overconfidence.low or 0) <= over <= (result.overconfidence.high or 0)
        flagged += result.miscalibration > result.miscalibration_by_chance
    return scores / runs, leanings / runs, flagged / runs


def test_calibrated_and_overconfident_judges_are_distinguished() -> None:
    generator = np.random.default_rng(72)
    fair = estimated(*simulated(generator, sharpness=1.0))
    bold = estimated(*simulated(generator, sharpness=3.0))
    assert fair.miscalibration <= fair.miscalibration_by_chance < bold.miscalibration
    assert (bold.overconfidence.low or 0) > 0
    assert (fair.brier.value or 0) < (bold.brier.value or 0)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1.0, 2.0])
def test_calibration_intervals_cover(sharpness: float) -> None:
    scores, leanings, flagged = held(sharpness, runs=500)
    assert scores >= 0.92
    assert leanings >= 0.92
    if sharpness == 1.0:
        assert flagged <= 0.09
