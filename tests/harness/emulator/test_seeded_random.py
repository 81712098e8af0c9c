"""Laws of the hash draws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.emulator.seeded_random import beta, choice, digest, index_by_weight, lognormal, normal, uniform

PARTS = st.lists(st.one_of(st.binary(), st.text(), st.integers()), min_size=1, max_size=4)


@settings(deadline=None, derandomize=True)
@given(PARTS, PARTS)
def test_different_parts_have_different_digests(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@settings(deadline=None, derandomize=True)
@given(PARTS)
def test_a_uniform_draw_is_in_its_range_and_repeats(parts: list[bytes]) -> None:
    assert 0.0 <= uniform(*parts) < 1.0
    assert uniform(*parts) == uniform(*parts)
    assert math.isfinite(normal(*parts))


def test_uniform_draws_are_uniform() -> None:
    draws = sorted(uniform("uniformity", number) for number in range(4000))
    furthest = max(abs(draw - (rank + 0.5) / 4000) for rank, draw in enumerate(draws))
    assert furthest < 1.63 / math.sqrt(4000)  # Kolmogorov and Smirnov's bound at 1 %


@pytest.mark.parametrize(("mean", "concentration"), [(0.5, 4.0), (0.78, 6.0), (0.96, 3.0)])
def test_beta_draws_have_the_mean_and_the_variance_they_should(mean: float, concentration: float) -> None:
    draws = [beta(mean, concentration, "beta", number) for number in range(5000)]
    found = sum(draws) / len(draws)
    variance = sum((draw - found) ** 2 for draw in draws) / len(draws)
    wanted = mean * (1 - mean) / (concentration + 1)
    assert abs(found - mean) < 4 * math.sqrt(wanted / len(draws))
    assert variance == pytest.approx(wanted, rel=0.12)


def test_a_beta_of_certainty_is_certain() -> None:
    assert (beta(0.0, 5.0, "x"), beta(1.0, 5.0, "x")) == (0.0, 1.0)


def test_lognormal_has_the_median_and_no_spread_without_sigma() -> None:
    assert lognormal(0.3, 0.0, "anything") == 0.3
    draws = sorted(lognormal(0.3, 0.5, "latency", number) for number in range(2001))
    assert draws[1000] == pytest.approx(0.3, rel=0.08)


def test_weights_decide_and_a_weight_of_nothing_is_never_drawn() -> None:
    drawn = [index_by_weight([0.2, 0.0, 0.8], "weights", number) for number in range(3000)]
    assert 1 not in drawn
    assert drawn.count(0) / 3000 == pytest.approx(0.2, abs=0.03)
    assert {choice("abc", "letters", number) for number in range(100)} == set("abc")
