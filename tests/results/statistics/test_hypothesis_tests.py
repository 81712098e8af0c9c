"""Hypothesis tests against brute force, scipy and statsmodels."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from results.statistics import McNemarTest, NotEstimable, exact_mcnemar, holm, sign_flip

GRID = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(GRID), min_size=1, max_size=10))
def test_exact_test_matches_enumeration(differences: list[float]) -> None:
    values = np.array(differences)
    patterns = np.array(list(product([-1, 1], repeat=values.size)))
    expected = (np.abs(patterns @ values) >= abs(values.sum()) - 1e-9).mean()
    result = sign_flip(values, seed=0)
    assert result.p == pytest.approx(expected, rel=1e-9)
    assert "exact" in result.method


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(GRID), min_size=1, max_size=200), st.integers(0, 99))
def test_sign_flip_is_invariant_to_sign_and_order(differences: list[float], seed: int) -> None:
    values = np.array(differences)
    p = sign_flip(values, seed=0).p
    assert 0 < p <= 1
    assert sign_flip(-values, seed=1).p == p
    assert sign_flip(np.random.default_rng(seed).permutation(values), seed=2).p == pytest.approx(p)


def test_sampled_signs_agree_with_scipy() -> None:
    values = np.random.default_rng(4).normal(0.1, 1, 80).clip(-1, 1) / 3
    computed = sign_flip(values, seed=0)
    reference = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
    )
    assert "Monte Carlo" in computed.method
    assert computed.p == pytest.approx(reference.pvalue, abs=0.02)
    assert sign_flip(-values, seed=0).p == computed.p


def test_exact_and_sampled_signs_agree() -> None:
    values = np.random.default_rng(5).choice(GRID, 60)
    exact = sign_flip(values, seed=0)
    drawn = sign_flip(values * np.pi / 4, seed=0)  # off every grid, but the same test
    assert ("exact" in exact.method, "Monte Carlo" in drawn.method) == (True, True)
    assert drawn.p == pytest.approx(exact.p, abs=0.015)


def test_normal_limit_agrees_with_the_exact_test() -> None:
    values = np.random.default_rng(5).choice(GRID, 4800)
    many = np.r_[values * np.pi / 4, np.full(400, 1e-12)]  # the same test, off the grid and over 5,000
    assert "normal limit" in sign_flip(many, seed=0).method
    assert sign_flip(many, seed=0).p == pytest.approx(sign_flip(values, seed=0).p, abs=0.005)


def test_p_is_uniform_under_the_null() -> None:
    generator = np.random.default_rng(6)
    p_values = np.array([sign_flip(generator.choice(GRID, 50), seed=0).p for _ in range(500)])
    for level in (0.05, 0.2, 0.5):
        assert (p_values <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 500)


def test_zero_differences_have_p_one() -> None:
    assert sign_flip(np.zeros(30), seed=0).p == 1


@pytest.mark.parametrize("n", [1100, 6000])
def test_p_is_never_zero(n: int) -> None:
    assert 0 < sign_flip(np.ones(n), seed=0).p < 1e-200
    assert 0 < sign_flip(np.full(n, np.pi / 4), seed=0).p < 1e-4
    result = exact_mcnemar(np.ones(n), np.zeros(n))
    assert isinstance(result, McNemarTest) and 0 < result.p < 1e-200


def test_sign_flip_requires_differences() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sign_flip(np.array([]), seed=0)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (5, 5), (12, 3), (0, 30), (90, 60)])
def test_mcnemar_matches_statsmodels(only_first: int, only_second: int) -> None:
    first = np.r_[np.ones(only_first), np.zeros(only_second), np.ones(7), np.zeros(4), np.nan]
    second = np.r_[np.zeros(only_first), np.ones(only_second), np.ones(7), np.zeros(4), 1.0]
    result = exact_mcnemar(first, second)
    assert isinstance(result, McNemarTest)
    expected = mcnemar([[7, only_first], [only_second, 4]], exact=True).pvalue
    assert result.p == pytest.approx(expected)
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.n == only_first + only_second + 11


def test_mcnemar_is_not_estimable_with_ties_or_without_shared_dialogues() -> None:
    tied = exact_mcnemar(np.array([1, 0.5]), np.array([0.0, 1]))
    assert isinstance(tied, NotEstimable) and "not binary" in tied.reason
    none = exact_mcnemar(np.array([1, np.nan]), np.array([np.nan, 1]))
    assert isinstance(none, NotEstimable) and "share no dialogue" in str(none)


@pytest.mark.parametrize("size", [1, 7, 30])
def test_holm_matches_statsmodels(size: int) -> None:
    """Few examples, because the reference collects garbage at every call."""
    p_values = np.random.default_rng(size).beta(0.3, 2, size).round(3).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_matches_the_step_down_procedure(p_values: list[float]) -> None:
    for level in (0.01, 0.05, 0.3):
        rejected, left = set(), sorted(range(len(p_values)), key=p_values.__getitem__)
        while left and p_values[left[0]] * len(left) <= level:
            rejected.add(left.pop(0))
        assert {index for index, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_holm_of_empty_and_invalid_input() -> None:
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.2, 1.5])
