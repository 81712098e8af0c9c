"""Bradley–Terry strengths against evalica's sample, and comparison with published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from results.paper.cells import published
from results.statistics.bradley_terry import fit, strengths, win_counts
from results.statistics.replication import (
    as_family,
    compare_with_published,
    effective_n,
    expected_outside,
    newcombe,
    wilson,
)

# evalica's sample of 30 tastings (food.csv) and its golden Bradley–Terry scores (food-golden.csv); sum 1
TASTED = (
    "ZS> BP< TZ> ST< BZ> PS< TB> ZP= SB< PT> BS< TZ> SP= BT> ZB< "
    "PT< BS< TP> ZT< SB> PZ< BS< TP> ZS> SB< PT< TZ> BP< ST> ZB<"
)
GOLDEN = (
    0.14797665121689418,
    0.1281534106031957,
    0.09897982556928168,
    0.19060028489839073,
    0.43428982771223773,
)


def evalica_sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    codes = {"B": 0, "P": 1, "Z": 2, "S": 3, "T": 4}
    rows = TASTED.split()
    scores = {">": 1.0, "<": 0.0, "=": 0.5}
    return (
        np.array([codes[row[0]] for row in rows]),
        np.array([codes[row[1]] for row in rows]),
        np.array([scores[row[2]] for row in rows]),
    )


def test_strengths_match_evalica_values() -> None:
    strength = np.exp(fit(win_counts(*evalica_sample(), 5)))
    assert strength / strength.sum() == pytest.approx(GOLDEN, abs=1e-9)


def test_strengths_match_evalica() -> None:
    evalica = pytest.importorskip("evalica")
    generator = np.random.default_rng(0)
    first = generator.integers(0, 6, 300)
    second = (first + generator.integers(1, 6, 300)) % 6
    score = generator.choice([0.0, 0.5, 1.0], 300)
    winners = [
        {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}[item] for item in score
    ]
    reference = evalica.bradley_terry(
        first.tolist(), second.tolist(), winners, tolerance=1e-12, limit=100_000
    )
    computed = np.exp(fit(win_counts(first, second, score, 6)))
    assert [reference.scores[code] for code in range(6)] == pytest.approx(computed.tolist(), rel=1e-6)


def test_expected_wins_equal_observed_wins() -> None:
    """The condition of the optimum."""
    wins = win_counts(*evalica_sample(), 5)
    log = fit(wins)
    met = wins + wins.T
    expected = (met / (1 + np.exp(log[None, :] - log[:, None]))).sum(axis=1)
    assert expected == pytest.approx(wins.sum(axis=1))


def test_order_of_meetings_and_sides_does_not_matter() -> None:
    first, second, score = evalica_sample()
    dialogue = np.arange(30) % 15
    original = strengths(first, second, score, dialogue, 5, seed=0, resamples=50)
    order = np.random.default_rng(0).permutation(30)
    other = strengths(second[order], first[order], 1 - score[order], dialogue[order], 5, seed=0, resamples=50)
    for name in (
        "log",
        "low",
        "high",
        "expected",
        "expected_low",
        "expected_high",
        "rank_low",
        "rank_high",
        "n",
    ):
        assert getattr(original, name) == pytest.approx(getattr(other, name)), name


def test_swapping_authors_mirrors() -> None:
    first, second, score = evalica_sample()
    original = strengths(first, second, score, np.arange(30), 5, seed=0, resamples=50)
    other = strengths(first, second, 1 - score, np.arange(30), 5, seed=0, resamples=50)
    assert original.log == pytest.approx(-other.log)
    assert original.low == pytest.approx(-other.high)
    assert original.expected == pytest.approx(1 - other.expected)


def test_undefeated_authors_are_finite_and_unconnected_ones_separate() -> None:
    first, second = np.array([0] * 20 + [2] * 20), np.array([1] * 20 + [3] * 20)
    result = strengths(first, second, np.ones(40), np.arange(40), 5, seed=0, resamples=50)
    assert np.isfinite(result.log).all()
    assert result.log[0] > 1.5
    assert result.component[0] == result.component[1] != result.component[2] == result.component[3]
    assert (result.log[4], result.n[4], result.rank_low[4]) == (0.0, 0, 1)
    assert result.rank_low.tolist()[:4] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("first", "second", "score", "why"),
    [
        ([0], [0], [1.0], "met itself"),
        ([0], [5], [1.0], "0 … 2"),
        ([0], [1], [1.5], "outside"),
        ([0, 1], [1], [1.0], "different lengths"),
        ([], [], [], "no meetings"),
    ],
)
def test_mistakes(first: list[int], second: list[int], score: list[float], why: str) -> None:
    columns = np.array(first, dtype=int), np.array(second, dtype=int), np.array(score, dtype=float)
    with pytest.raises(ValueError, match=why):
        strengths(*columns, np.zeros(len(first), dtype=int), 3, seed=0)


# -- beside published values ---------------------------------------------------------------------------


def test_newcombe_interval_matches_the_published_example() -> None:
    """Newcombe (1998), table II, method 10: 56/70 − 48/80 gives 0.0524 to 0.3339."""
    assert newcombe(56 / 70, 70, 48 / 80, 80, norm.ppf(0.975)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_wilson_at_the_ends() -> None:
    assert wilson(0.0, 10, 1.96)[0] == 0.0
    assert wilson(1.0, 10, 1.96)[1] == 1.0
    assert 0 < wilson(0.0, 10, 1.96)[1] < 0.35


def replications(values: np.ndarray, concentration: float, *, shared: bool, runs: int) -> dict[str, float]:
    """Simulate perfect replications in both orders against single-order published values.

    Preferences vary by dialogue (Beta); with `shared` the published run had the same ones. Returns the mean
    number of published values outside our intervals, both estimates of `expected_outside`, and the
    consistency.
    """
    generator = np.random.default_rng(2)
    shape = (runs, values.size, 250)
    centre = values[None, :, None]
    taste = generator.beta(centre * concentration, (1 - centre) * concentration, shape)
    computed = (generator.random((2, *shape)) < taste).astype(float)
    reference = (
        taste if shared else generator.beta(centre * concentration, (1 - centre) * concentration, shape)
    )
    published_values = (generator.random(shape) < reference).mean(axis=2)
    scores = computed.mean(axis=0)
    rates, variances = scores.mean(axis=2), scores.var(axis=2) / 250
    half = 1.96 * np.sqrt(variances)
    covariance = (computed[0] * computed[1]).mean(axis=2) - computed[0].mean(axis=2) * computed[1].mean(
        axis=2
    )
    observed = [
        expected_outside(published_values[run], half[run], variances[run], covariance[run])
        for run in range(runs)
    ]
    return {
        "outside": float((np.abs(rates - published_values) > half).sum(axis=1).mean()),
        "few": float(np.mean([few for few, _ in observed])),
        "many": float(np.mean([many for _, many in observed])),
        "consistency": float((computed[0] == computed[1]).mean()),
    }


@pytest.mark.parametrize("concentration", [1.0, 3.0, 20.0])
def test_expected_values_outside_a_perfect_replication(concentration: float) -> None:
    """Between about 10 and 28 of the 112, depending on consistency and on what the two runs share."""
    values = np.clip(np.array(list(published().values())), 0.02, 0.98)
    difference = replications(values, concentration, shared=False, runs=40)
    same = replications(values, concentration, shared=True, runs=40)
    assert difference["many"] == pytest.approx(difference["outside"], abs=3.0)
    assert same["few"] == pytest.approx(same["outside"], abs=3.0)
    assert same["few"] < same["many"]
    assert 18 <= difference["many"] <= 30


def test_expected_values_outside_with_single_orders() -> None:
    values = np.array(list(published().values()))
    assert len(values) == 112
    variances = values * (1 - values) / 250
    few, many = expected_outside(values, 1.96 * np.sqrt(variances), variances, np.zeros(112))
    assert few == many
    assert many == pytest.approx(112 * 2 * norm.sf(1.96 / np.sqrt(2)), abs=1.5)


def test_p_is_the_level_at_which_the_interval_touches_zero() -> None:
    result = compare_with_published(0.70, 250, 0.60)
    assert result.difference == pytest.approx(0.10)
    assert result.p < 0.05
    assert result.low > 0
    ends = newcombe(0.70, 250, 0.60, 250, norm.isf(result.p / 2))
    assert min(abs(end) for end in ends) == pytest.approx(0, abs=1e-9)
    assert compare_with_published(0.6, 250, 0.6).p == 1.0
    mirrored = compare_with_published(0.30, 250, 0.40)
    assert (mirrored.low, mirrored.high, mirrored.p) == pytest.approx((-result.high, -result.low, result.p))


def test_holm_counts_only_the_cells_that_were_run() -> None:
    family = as_family([compare_with_published(rate, 250, 0.6) for rate in (0.61, 0.75, 0.62)])
    assert [cell.family_size for cell in family] == [3, 3, 3]
    assert family[1].p_adjusted == pytest.approx(3 * family[1].p)


def test_effective_n() -> None:
    assert effective_n(0.6, 0.24, 250) == 250
    assert effective_n(0.6, 0.12, 250) == 500
    assert effective_n(1.0, 0.0, 250) == 250
    with pytest.raises(ValueError, match=r"1\.2 of 250"):
        compare_with_published(1.2, 250, 0.5)
