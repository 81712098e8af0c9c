"""Agreement between judges: published examples, reference implementations, symmetries, invalid input."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from results.statistics.agreement import (
    cohen_kappa,
    gwet_ac1,
    judge_agreement,
    krippendorff_alpha,
    majority,
    rank_correlation,
)
from results.statistics.not_estimable import NotEstimable

GAP = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section E: four observers, twelve units
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
)


def answers(seed: int, n: int = 200, alike: float = 0.6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    first = generator.choice([0.0, 0.5, 1.0], n, p=[0.3, 0.1, 0.6])
    other = generator.choice([0.0, 0.5, 1.0], n, p=[0.4, 0.2, 0.4])
    return first, np.where(generator.random(n) < alike, first, other), np.arange(n) // 2


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_matches_krippendorffs_example(level: str, alpha: float) -> None:
    assert krippendorff_alpha(PUBLISHED, level) == pytest.approx(alpha, abs=5e-4)


def test_ac1_and_kappa_match_gwets_example() -> None:
    """Gwet (2002): 118, 5, 2 and 0 of 125; raw 0.944, κ −0.0234, AC1 0.9408."""
    table = np.array([[118.0, 5.0], [2.0, 0.0]])
    assert cohen_kappa(table) == pytest.approx(-0.0234, abs=5e-5)
    shares = (table.sum(axis=0) + table.sum(axis=1)) / (2 * table.sum())
    assert gwet_ac1(118 / 125, shares) == pytest.approx(0.9408, abs=5e-5)


@pytest.mark.parametrize("seed", range(3))
def test_kappa_matches_scikit_learn(seed: int) -> None:
    first, second, groups = answers(seed)
    result = judge_agreement(first, second, groups=groups, seed=0)
    table = np.array([[((first == x) & (second == y)).sum() for y in (1, 0.5, 0)] for x in (1, 0.5, 0)])
    assert result.kappa == pytest.approx(cohens_kappa(table).kappa)
    assert result.agreement == pytest.approx(np.trace(table) / table.sum())
    assert result.attainable == pytest.approx(
        np.minimum(table.sum(axis=0), table.sum(axis=1)).sum() / table.sum()
    )


@pytest.mark.parametrize("seed", range(3))
def test_agreement_is_invariant_to_swapping_judges_or_authors(seed: int) -> None:
    first, second, groups = answers(seed)
    original = judge_agreement(first, second, groups=groups, seed=0)
    other = judge_agreement(1 - second, 1 - first, groups=groups, seed=0)
    assert (original.n, original.agreement, original.low, original.high) == (
        other.n,
        other.agreement,
        other.low,
        other.high,
    )
    assert original.attainable == pytest.approx(other.attainable)
    for name in ("kappa", "alpha", "ac1"):
        assert getattr(original, name) == pytest.approx(getattr(other, name))
    assert original.prevalence[1.0] == pytest.approx(other.prevalence[0.0])


def test_unanswered_units_are_ignored() -> None:
    first, second, groups = answers(0)
    first[:20] = GAP
    second[10:40] = GAP
    result = judge_agreement(first, second, groups=groups, seed=0)
    kept = judge_agreement(first[40:], second[40:], groups=groups[40:], seed=0)
    assert (result.n, result.agreement) == (160, kept.agreement)
    nothing = judge_agreement(first[:10], second[:10], groups=groups[:10], seed=0)
    assert (nothing.n, nothing.agreement) == (0, None)
    assert isinstance(nothing.kappa, NotEstimable)


def test_kappa_is_not_estimable_when_one_answer_dominates() -> None:
    first = np.array([1.0] * 96 + [0.0] * 4)
    result = judge_agreement(first, np.roll(first, 4), groups=np.arange(100), seed=0)
    assert result.agreement == 0.92
    assert isinstance(result.kappa, NotEstimable)
    assert isinstance(result.alpha, NotEstimable)
    assert result.ac1 is not None
    assert result.ac1 > 0.9


def test_alpha_of_identical_and_of_single_answers() -> None:
    assert krippendorff_alpha(np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]])) == 1.0
    assert isinstance(krippendorff_alpha(np.ones((2, 5))), NotEstimable)
    assert isinstance(krippendorff_alpha(np.array([[1.0, GAP], [GAP, 0.0]])), NotEstimable)
    with pytest.raises(ValueError, match="ratio"):
        krippendorff_alpha(np.array([[1.0, 0.0], [0.0, 1.0]]), "ratio")


def test_majority_counts_judges_and_mirrors() -> None:
    observed = np.array([[1.0, 1.0, 0.5, GAP], [1.0, 0.0, 0.0, GAP], [0.0, 0.5, 0.5, GAP]])
    assert majority(observed).tolist()[:3] == [1.0, 0.5, 0.0]
    assert np.isnan(majority(observed)[3])
    assert np.array_equal(majority(1 - observed), 1 - majority(observed), equal_nan=True)


def test_rank_correlation() -> None:
    assert rank_correlation([0.1, 0.2, 0.3], [5, 6, 7]) == 1.0
    assert rank_correlation([0.1, 0.2, 0.3], [7, 6, 5]) == -1.0
    assert rank_correlation([1, 2, 3, 4], [1, 2, 4, 4]) == pytest.approx(5 / np.sqrt(6 * 5))
    assert isinstance(rank_correlation([0.1, 0.2], [1, 2]), NotEstimable)
    assert isinstance(rank_correlation([0.5, 0.5, 0.5], [1, 2, 3]), NotEstimable)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="units"):
        judge_agreement(np.zeros(2), np.zeros(3), groups=np.arange(2), seed=0)
    with pytest.raises(ValueError, match="none of"):
        judge_agreement(np.full(2, 0.3), np.zeros(2), groups=np.arange(2), seed=0)
