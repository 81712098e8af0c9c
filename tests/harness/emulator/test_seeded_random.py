"""Seeded random draws: ranges, distributions and reproducibility."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.emulator.seeded_random import beta, choice, digest, index_by_weight, lognormal, normal, uniform

PARTS = st.lists(st.one_of(st.binary(), st.text(), st.integers()), min_size=1, max_size=4)


@settings(deadline=None, derandomize=True)
@given(PARTS, PARTS)
def test_different_parts_have_different_digests(first: list[bytes], second: list[bytes]) -> None:
    assert (digest(*first) == digest(*second)) == (first == second)


@settings(deadline=None, derandomize=True)
@given(PARTS)
def test_a_uniform_draw_is_in_range_and_reproducible(parts: list[bytes]) -> None:
    assert 0.0 <= uniform(*parts) < 1.0
    assert uniform(*parts) == uniform(*parts)
    assert math.isfinite(normal(*parts))


def test_uniform_draws_are_uniform() -> None:
    draws = sorted(uniform("uniformity", number) for number in range(4000))
    furthest = max(abs(draw - (rank + 0.5) / 4000) for rank, draw in enumerate(draws))
    assert furthest < 1.63 / math.sqrt(4000)  # Kolmogorov-Smirnov bound at 1 %


@pytest.mark.parametrize(("mean", "concentration"), [(0.5, 4.0), (0.78, 6.0), (0.96, 3.0)])
def test_beta_draws_have_the_right_mean_and_variance(mean: float, concentration: float) -> None:
    draws = [beta(mean, concentration, "beta", number) for number in range(5000)]
    sample_mean = sum(draws) / len(draws)
    sample_variance = sum((draw - sample_mean) ** 2 for draw in draws) / len(draws)
    variance = mean * (1 - mean) / (concentration + 1)
    assert abs(sample_mean - mean) < 4 * math.sqrt(variance / len(draws))
    assert sample_variance == pytest.approx(variance, rel=0.12)


def test_a_beta_mean_of_0_or_1_is_certain() -> None:
    assert (beta(0.0, 5.0, "x"), beta(1.0, 5.0, "x")) == (0.0, 1.0)


def test_lognormal_has_the_median_and_no_spread_without_sigma() -> None:
    assert lognormal(0.3, 0.0, "anything") == 0.3
    draws = sorted(lognormal(0.3, 0.5, "latency", number) for number in range(2001))
    assert draws[1000] == pytest.approx(0.3, rel=0.08)


def test_draws_follow_the_weights_and_never_a_weight_of_0() -> None:
    drawn = [index_by_weight([0.2, 0.0, 0.8], "weights", number) for number in range(3000)]
    assert 1 not in drawn
    assert drawn.count(0) / 3000 == pytest.approx(0.2, abs=0.03)
    assert {choice("abc", "letters", number) for number in range(100)} == set("abc")
