"""Win rates corrected by references (bias adjustment) and by a gold share (PPI)."""

from __future__ import annotations

import numpy as np
import pytest

from results.statistics.bias_correction import BiasAdjusted, ReferenceVerdicts, bias_adjusted
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import TUNED, CheapAndGold, cheap_and_gold, cost_saving, tuned_weight

Generator = np.random.Generator


def judged(generator: Generator, truth: np.ndarray, sensitivity: float, specificity: float) -> np.ndarray:
    """Return a judge's verdicts on dialogues whose better author is known."""
    right = generator.random(truth.size) < np.where(truth == 1, sensitivity, specificity)
    return np.where(right, truth, 1 - truth)


def contest(
    seed: int, rate: float = 0.75, noise: float = 0.0, n: int = 250, m: int = 300
) -> tuple[np.ndarray, ReferenceVerdicts]:
    """Return scores of a biased judge, and references whose labels are wrong with probability `noise`."""
    generator = np.random.default_rng(seed)
    truth = (generator.random(n) < rate).astype(float)
    known = (generator.random(m) < 0.5).astype(float)
    observed = judged(generator, known, 0.85, 0.7)
    labels = np.where(generator.random(m) < noise, 1 - known, known)
    return judged(generator, truth, 0.85, 0.7), ReferenceVerdicts(
        observed[labels == 1], observed[labels == 0]
    )


def test_bias_adjustment_recovers_a_known_rate() -> None:
    rates, raw, covered = [], [], 0
    for seed in range(200):
        scores, reference = contest(seed)
        result = bias_adjusted(scores, reference)
        assert isinstance(result, BiasAdjusted)
        rates.append(result.rate)
        raw.append(result.raw)
        covered += result.low <= 0.75 <= result.high
    assert np.mean(rates) == pytest.approx(0.75, abs=0.02)
    assert abs(np.mean(raw) - 0.75) > 0.03
    assert covered >= 182


def test_noisy_references_are_not_estimable() -> None:
    """Labels that are wrong in four of ten would turn 0.75 into more than 1."""
    refused, broken = 0, []
    for seed in range(100):
        scores, reference = contest(seed, noise=0.4, m=3000)
        youden = reference.where_a.mean() - reference.where_b.mean()
        broken.append((scores.mean() - reference.where_b.mean()) / youden)
        result = bias_adjusted(scores, reference)
        refused += isinstance(result, NotEstimable)
        if isinstance(result, BiasAdjusted):
            assert 0.0 <= result.rate <= 1.0
    assert np.median(broken) > 1.0
    assert refused >= 90


def test_bias_adjustment_mirrors() -> None:
    scores, reference = contest(0)
    first = bias_adjusted(scores, reference)
    other = bias_adjusted(1 - scores, ReferenceVerdicts(1 - reference.where_b, 1 - reference.where_a))
    assert isinstance(first, BiasAdjusted)
    assert isinstance(other, BiasAdjusted)
    assert first.rate == pytest.approx(1 - other.rate)
    assert (first.low, first.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_a_perfect_judge_is_not_corrected() -> None:
    scores = np.array([1.0] * 60 + [0.0] * 40)
    result = bias_adjusted(scores, ReferenceVerdicts(np.ones(50), np.zeros(50)))
    assert isinstance(result, BiasAdjusted)
    assert (result.rate, result.raw) == pytest.approx((0.6, 0.6))
    assert result.low < 0.6 < result.high


@pytest.mark.parametrize(
    ("scores", "reference", "why"),
    [
        (np.ones(1), ReferenceVerdicts(np.ones(50), np.zeros(50)), "fewer than two"),
        (np.ones(50), ReferenceVerdicts(np.ones(9), np.zeros(50)), "in 9 and B in 50"),
        (
            np.tile([1.0, 0.0], 50),
            ReferenceVerdicts(np.tile([1.0, 0.0], 50), np.tile([1.0, 0.0], 50)),
            "clearly more",
        ),
        (np.ones(100), ReferenceVerdicts.role_free(np.tile([1.0, 1.0, 0.0], 300)), "lies outside"),
    ],
)
def test_not_estimable_bias_adjustments(scores: np.ndarray, reference: ReferenceVerdicts, why: str) -> None:
    result = bias_adjusted(scores, reference)
    assert isinstance(result, NotEstimable)
    assert why in result.reason


def test_audit_references_give_a_sensitivity_analysis() -> None:
    result = bias_adjusted(
        np.tile([1.0, 0.0, 1.0], 80),
        ReferenceVerdicts.role_free(np.tile([1.0, 1.0, 1.0, 0.0], 300)),
        headline=False,
    )
    assert isinstance(result, BiasAdjusted)
    assert not result.headline
    assert "sensitivity analysis" in result.assumptions[-1]


# -- cheap and gold ------------------------------------------------------------------------------------

# made with numpy's default_rng(7); the estimate is ppi_py 0.2.3's ppi_mean_pointestimate of the same numbers
CHEAP = np.concatenate(
    [
        [1.0, 0.5, 1.0, 1.0, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5, 1.0, 0.0, 1.0, 0.0, 0.5],
        [1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0],
        [0.5, 0.0, 1.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 1.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5],
    ]
)
GOLD = np.array(
    [1.0, 0.5, 1.0, 1.0, 0.5, 1.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 0.0]
)


def simulated(generator: Generator, mean: float, bias: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 250 dialogues with varying preference, a biased cheap judge, and a random gold share."""
    taste = generator.beta(mean * 0.8, (1 - mean) * 0.8, 250)
    gold = ((generator.random(250) < taste) + (generator.random(250) < taste).astype(float)) / 2
    leaning = np.clip(taste - bias, 0, 1) * 0.85 + 0.07
    cheap = ((generator.random(250) < leaning) + (generator.random(250) < leaning).astype(float)) / 2
    gold[generator.permutation(250)[round(share * 250) :]] = np.nan
    return cheap, gold


def covered(mean: float, bias: float, share: float, runs: int) -> float:
    generator = np.random.default_rng(5)
    hits = 0
    for _ in range(runs):
        result = cheap_and_gold(*simulated(generator, mean, bias, share))
        assert isinstance(result, CheapAndGold)
        hits += result.low <= mean <= result.high
    return hits / runs


def test_estimate_matches_ppi_py_values() -> None:
    weight = tuned_weight(GOLD, CHEAP[:20], CHEAP[20:])
    rate = GOLD.mean() - weight * (CHEAP[:20].mean() - CHEAP[20:].mean())
    assert rate == pytest.approx(0.53394915, abs=2e-3)  # theirs takes another denominator of the covariance


def test_estimate_and_interval_match_ppi_py() -> None:
    ppi_py = pytest.importorskip("ppi_py")
    generator = np.random.default_rng(11)
    for _ in range(20):
        cheap, gold = simulated(generator, 0.6, 0.1, 0.4)
        result = cheap_and_gold(cheap, gold)
        assert isinstance(result, CheapAndGold)
        sampled = ~np.isnan(gold)
        columns = (gold[sampled], cheap[sampled], cheap[~sampled])
        reference = ppi_py.ppi_mean_pointestimate(*columns, lam=result.weight)
        assert result.rate == pytest.approx(float(np.ravel(reference)[0]), abs=1e-12)
        low, high = (
            float(np.ravel(end)[0]) for end in ppi_py.ppi_mean_ci(*columns, alpha=0.05, lam=result.weight)
        )
        # theirs is normal and divides by n; ours has Student's t and n − 1, a little wider
        assert 1.0 <= (result.high - result.low) / (high - low) < 1.03
        tuned = float(np.ravel(ppi_py.ppi_mean_pointestimate(*columns))[0])
        assert result.rate == pytest.approx(tuned, abs=3e-3)


@pytest.mark.parametrize("mean", [0.5, 0.8])
def test_cheap_and_gold_covers_with_a_biased_cheap_judge(mean: float) -> None:
    assert covered(mean, 0.3, 0.5, 300) >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.95, 0.98])
def test_coverage_at_the_required_means(mean: float, bias: float, share: float) -> None:
    assert covered(mean, bias, share, 2000) >= 0.93


def test_effective_n_depends_on_the_cheap_judge() -> None:
    generator = np.random.default_rng(0)
    truth = (generator.random(1000) < 0.6).astype(float)
    gold = np.where(np.arange(1000) < 200, truth, np.nan)
    knowing = cheap_and_gold(np.where(generator.random(1000) < 0.95, truth, 1 - truth), gold)
    blind = cheap_and_gold((generator.random(1000) < 0.5).astype(float), gold)
    assert isinstance(knowing, CheapAndGold)
    assert isinstance(blind, CheapAndGold)
    assert knowing.method == blind.method == TUNED
    assert knowing.effective_n > 400
    assert blind.weight < 0.1
    assert 180 < blind.effective_n < 220
    money = cost_saving(knowing, 1.0, 20.0)
    assert (money.paid, money.gold_everywhere) == (21.0, 100.0)
    assert money.gold_equivalent is not None
    assert money.gold_equivalent > 40
    assert cost_saving(knowing, None, None).paid is None


def test_cheap_and_gold_mirrors() -> None:
    cheap, gold = simulated(np.random.default_rng(2), 0.6, 0.2, 0.5)
    first, other = cheap_and_gold(cheap, gold), cheap_and_gold(1 - cheap, 1 - gold)
    assert isinstance(first, CheapAndGold)
    assert isinstance(other, CheapAndGold)
    assert first.rate == pytest.approx(1 - other.rate)
    assert (first.low, first.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_few_gold_outcomes_give_the_exact_gold_only_interval() -> None:
    gold = np.concatenate([np.ones(45), np.zeros(5), np.full(200, np.nan)])
    result = cheap_and_gold(np.tile([1.0, 0.0], 125), gold)
    assert isinstance(result, CheapAndGold)
    assert result.method.startswith("exact binomial")
    assert result.rate == 0.9
    assert "fewer than 10" in result.note
    everything = cheap_and_gold(np.tile([1.0, 0.0], 50), np.tile([1.0, 0.0, 0.0, 1.0], 25))
    assert isinstance(everything, CheapAndGold)
    assert "every dialogue" in everything.note
    assert isinstance(cheap_and_gold(np.ones(5), np.full(5, np.nan)), NotEstimable)
    with pytest.raises(ValueError, match="gold scores"):
        cheap_and_gold(np.ones(5), np.ones(4))
