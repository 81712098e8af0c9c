"""Judge audits against ratings: properties on simulated pairs."""

from __future__ import annotations

import numpy as np
import pytest

from results.statistics.cluster_bootstrap import BOUNDED, clustered_mean
from results.statistics.judge_accuracy import (
    HUMAN_LLM,
    LLM_LLM,
    Audit,
    JudgeBias,
    RatedPairs,
    agreement_difference,
    agreement_shares,
    audit,
    first_preference_rates,
    leniency_scores,
)
from results.statistics.not_estimable import NotEstimable

NAMES = ("human", "gpt-4", "mixtral-8x7b")


def pairs(n: int = 400, seed: int = 0, parts: int = 40) -> RatedPairs:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 2, n)
    second = first + generator.integers(1, 3 - first)
    better = generator.choice([-1.0, 1.0], n, p=[0.6, 0.4])
    return RatedPairs(
        part=generator.integers(0, parts, n),
        first=first,
        second=second,
        names=NAMES,
        better=better,
        gap=generator.integers(1, 3, n),
        centred=np.where(generator.random(n) < 0.1, 0.0, better),
        longer=generator.choice([-1.0, 0.0, 1.0], n),
    )


def verdicts(name: RatedPairs, right: float = 0.7, seed: int = 1, samples: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    agree = generator.random((len(name), 2, samples)) < right
    return np.where(agree, (name.better[:, None, None] + 1) / 2, (1 - name.better[:, None, None]) / 2)


def always_first(name: RatedPairs) -> np.ndarray:
    result = np.zeros((len(name), 2, 1))
    result[:, 0] = 1.0
    return result


def numbers(result: Audit) -> list[float | None]:
    estimates = [result.agreement, result.centred, result.rating_gap_2, *result.groups.values()]
    return [item for each in estimates for item in (each.value, each.low, each.high)]


def test_always_first_has_agreement_one_half_and_no_consistency() -> None:
    result = audit(pairs(), always_first(pairs()), seed=0)
    assert result.agreement.value == 0.5
    assert (result.consistency, result.first_position_rate) == (0.0, 1.0)
    assert result.agreement.low is not None
    assert result.agreement.high is not None
    assert result.agreement.low < 0.5 < result.agreement.high
    assert result.agreement.method == BOUNDED
    assert result.kappa == pytest.approx(0.0, abs=1e-12)


def test_a_perfect_judge_has_agreement_one() -> None:
    name = pairs()
    result = audit(name, verdicts(name, right=1.0), seed=0)
    assert result.agreement.value == result.consistency == result.kappa == 1.0
    assert result.first_position_rate == 0.5
    assert result.agreement.low is not None
    assert 0.85 < result.agreement.low < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_swapping_authors_mirrors_every_number(seed: int) -> None:
    kind = pairs(seed=seed)
    observed = verdicts(kind, seed=seed)
    observed[np.random.default_rng(seed).random(observed.shape) < 0.05] = np.nan
    mirrored = 1.0 - observed[:, ::-1]
    first = audit(kind, observed, seed=0, family=frozenset({"gpt-4"}))
    other = audit(kind.swap_authors(), mirrored, seed=0, family=frozenset({"gpt-4"}))
    assert numbers(first) == pytest.approx(numbers(other))
    for name in ("low_bound", "high_bound", "consistency", "first_position_rate", "ties", "n", "kappa"):
        assert getattr(first, name) == pytest.approx(getattr(other, name)), name
    assert first.length.judge.value == pytest.approx(other.length.judge.value)
    assert isinstance(first.own_family, JudgeBias)
    assert isinstance(other.own_family, JudgeBias)
    assert first.own_family.difference.value == pytest.approx(other.own_family.difference.value)


def test_row_order_does_not_matter() -> None:
    kind = pairs()
    observed = verdicts(kind)
    order = np.random.default_rng(3).permutation(len(kind))
    shuffled = RatedPairs(
        *(getattr(kind, name)[order] for name in ("part", "first", "second")),
        kind.names,
        *(getattr(kind, name)[order] for name in ("better", "gap", "centred", "longer")),
    )
    assert numbers(audit(kind, observed, seed=0)) == pytest.approx(
        numbers(audit(shuffled, observed[order], seed=0))
    )


def test_groups_partition_the_pairs() -> None:
    name = pairs()
    result = audit(name, verdicts(name), seed=0)
    people, models = result.groups[HUMAN_LLM], result.groups[LLM_LLM]
    assert people.n + models.n == result.agreement.n == len(name)
    mean = (people.n * (people.value or 0) + models.n * (models.value or 0)) / len(name)
    assert mean == pytest.approx(result.agreement.value)
    assert sum(pair.agreement.n for pair in result.pairs) == len(name)


def test_missing_verdicts_are_counted_and_bounded() -> None:
    name = pairs()
    observed = verdicts(name)
    observed[:50, 1] = np.nan
    result = audit(name, observed, seed=0)
    assert (result.n, result.incomplete) == (350, 50)
    kept = first_preference_rates(observed)[50:]
    assert result.agreement.value == pytest.approx(agreement_shares(kept, name.better[50:]).mean())
    assert result.low_bound is not None
    assert result.high_bound is not None
    assert result.high_bound - result.low_bound == pytest.approx(25 / len(name))
    assert audit(name, np.full((len(name), 2, 1), np.nan), seed=0).agreement.value is None


def test_kappa_uses_fixed_roles() -> None:
    """A judge that always prefers the model often agrees with people, but its κ is 0."""
    name = pairs()
    prefers_second = np.zeros((len(name), 2, 1))
    result = audit(name, prefers_second, seed=0)
    assert result.agreement.value is not None
    assert result.agreement.value > 0.55
    assert isinstance(result.kappa, NotEstimable)
    assert all(isinstance(pair.kappa, NotEstimable) for pair in result.pairs)


def test_bias_is_the_difference_from_human_ratings() -> None:
    name = pairs()
    result = audit(name, np.repeat(((name.longer + 1) / 2)[:, None, None], 2, axis=1), seed=0)
    assert result.length.judge.value == 1.0
    assert result.length.humans is not None
    assert result.length.difference.value == pytest.approx(1 - result.length.humans)
    assert isinstance(result.own_family, NotEstimable)


def test_stability_over_repetitions() -> None:
    name = pairs()
    assert audit(name, verdicts(name), seed=0).stability is None
    steady = np.repeat(verdicts(name), 3, axis=2)
    assert audit(name, steady, seed=0).stability == 1.0
    steady[:10, 0, 1] = 1 - steady[:10, 0, 1]
    assert audit(name, steady, seed=0).stability == pytest.approx(1 - 10 / (2 * len(name)))


def test_difference_from_a_baseline_is_paired() -> None:
    name = pairs()
    first, other = (
        first_preference_rates(verdicts(name, 0.8)),
        first_preference_rates(verdicts(name, 0.6, seed=5)),
    )
    result, mirrored = (
        agreement_difference(name, first, other, seed=0),
        agreement_difference(name, other, first, seed=0),
    )
    assert result.value == pytest.approx(
        (agreement_shares(first, name.better) - agreement_shares(other, name.better)).mean()
    )
    assert (result.low, result.high) == pytest.approx((-(mirrored.high or 0), -(mirrored.low or 0)))
    assert agreement_difference(name, first, first, seed=0).value == 0.0


def test_leniency_baseline_uses_only_rater_means() -> None:
    name = pairs(n=3, parts=2)
    score = leniency_scores(name, np.array([2.5, 2.0, 1.0]), np.array([2.0, 2.0, 3.0]))
    assert score.tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="means"):
        leniency_scores(name, np.zeros(2), np.zeros(3))


def test_clustered_interval_is_wider_than_an_independent_one() -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(100), 10)
    values = (generator.random(1000) < np.repeat(generator.beta(1, 1, 100), 10)).astype(float)
    by_cluster = clustered_mean(values, clusters, seed=0)
    alone = clustered_mean(values, np.arange(1000), seed=0)
    assert by_cluster.low is not None
    assert by_cluster.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert by_cluster.high - by_cluster.low > 1.5 * (alone.high - alone.low)


def test_clustered_interval_covers() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        sizes = generator.integers(1, 15, 80)
        rate = generator.beta(3, 2, 80)
        values = np.concatenate(
            [(generator.random(size) < p).astype(float) for size, p in zip(sizes, rate, strict=True)]
        )
        result = clustered_mean(values, np.repeat(np.arange(80), sizes), seed=0)
        assert result.low is not None
        assert result.high is not None
        hits += result.low <= 0.6 <= result.high
    assert hits >= 180


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="shape"):
        audit(pairs(), np.zeros((3, 2, 1)), seed=0)
