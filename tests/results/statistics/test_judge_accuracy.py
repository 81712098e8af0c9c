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


def verdicts(of: RatedPairs, right: float = 0.7, seed: int = 1, samples: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    agree = generator.random((len(of), 2, samples)) < right
    return np.where(agree, (of.better[:, None, None] + 1) / 2, (1 - of.better[:, None, None]) / 2)


def always_first(of: RatedPairs) -> np.ndarray:
    found = np.zeros((len(of), 2, 1))
    found[:, 0] = 1.0
    return found


def numbers(found: Audit) -> list[float | None]:
    estimates = [found.agreement, found.centred, found.rating_gap_2, *found.groups.values()]
    return [one for each in estimates for one in (each.value, each.low, each.high)]


def test_always_first_has_agreement_one_half_and_no_consistency() -> None:
    found = audit(pairs(), always_first(pairs()), seed=0)
    assert found.agreement.value == 0.5
    assert (found.consistency, found.first_position_rate) == (0.0, 1.0)
    assert found.agreement.low is not None
    assert found.agreement.high is not None
    assert found.agreement.low < 0.5 < found.agreement.high
    assert found.agreement.method == BOUNDED
    assert found.kappa == pytest.approx(0.0, abs=1e-12)


def test_a_perfect_judge_has_agreement_one() -> None:
    of = pairs()
    found = audit(of, verdicts(of, right=1.0), seed=0)
    assert found.agreement.value == found.consistency == found.kappa == 1.0
    assert found.first_position_rate == 0.5
    assert found.agreement.low is not None
    assert 0.85 < found.agreement.low < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_swapping_authors_mirrors_every_number(seed: int) -> None:
    of = pairs(seed=seed)
    said = verdicts(of, seed=seed)
    said[np.random.default_rng(seed).random(said.shape) < 0.05] = np.nan
    mirrored = 1.0 - said[:, ::-1]
    one = audit(of, said, seed=0, family=frozenset({"gpt-4"}))
    other = audit(of.swap_authors(), mirrored, seed=0, family=frozenset({"gpt-4"}))
    assert numbers(one) == pytest.approx(numbers(other))
    for name in ("low_bound", "high_bound", "consistency", "first_position_rate", "ties", "n", "kappa"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name
    assert one.length.judge.value == pytest.approx(other.length.judge.value)
    assert isinstance(one.own_family, JudgeBias)
    assert isinstance(other.own_family, JudgeBias)
    assert one.own_family.difference.value == pytest.approx(other.own_family.difference.value)


def test_row_order_does_not_matter() -> None:
    of = pairs()
    said = verdicts(of)
    order = np.random.default_rng(3).permutation(len(of))
    shuffled = RatedPairs(
        *(getattr(of, name)[order] for name in ("part", "first", "second")),
        of.names,
        *(getattr(of, name)[order] for name in ("better", "gap", "centred", "longer")),
    )
    assert numbers(audit(of, said, seed=0)) == pytest.approx(numbers(audit(shuffled, said[order], seed=0)))


def test_groups_partition_the_pairs() -> None:
    of = pairs()
    found = audit(of, verdicts(of), seed=0)
    people, models = found.groups[HUMAN_LLM], found.groups[LLM_LLM]
    assert people.n + models.n == found.agreement.n == len(of)
    mean = (people.n * (people.value or 0) + models.n * (models.value or 0)) / len(of)
    assert mean == pytest.approx(found.agreement.value)
    assert sum(pair.agreement.n for pair in found.pairs) == len(of)


def test_missing_verdicts_are_counted_and_bounded() -> None:
    of = pairs()
    said = verdicts(of)
    said[:50, 1] = np.nan
    found = audit(of, said, seed=0)
    assert (found.n, found.incomplete) == (350, 50)
    kept = first_preference_rates(said)[50:]
    assert found.agreement.value == pytest.approx(agreement_shares(kept, of.better[50:]).mean())
    assert found.low_bound is not None
    assert found.high_bound is not None
    assert found.high_bound - found.low_bound == pytest.approx(25 / len(of))
    assert audit(of, np.full((len(of), 2, 1), np.nan), seed=0).agreement.value is None


def test_kappa_uses_fixed_roles() -> None:
    """A judge that always prefers the model often agrees with people, but its κ is 0."""
    of = pairs()
    prefers_second = np.zeros((len(of), 2, 1))
    found = audit(of, prefers_second, seed=0)
    assert found.agreement.value is not None
    assert found.agreement.value > 0.55
    assert isinstance(found.kappa, NotEstimable)
    assert all(isinstance(pair.kappa, NotEstimable) for pair in found.pairs)


def test_bias_is_the_difference_from_human_ratings() -> None:
    of = pairs()
    found = audit(of, np.repeat(((of.longer + 1) / 2)[:, None, None], 2, axis=1), seed=0)
    assert found.length.judge.value == 1.0
    assert found.length.humans is not None
    assert found.length.difference.value == pytest.approx(1 - found.length.humans)
    assert isinstance(found.own_family, NotEstimable)


def test_stability_over_repetitions() -> None:
    of = pairs()
    assert audit(of, verdicts(of), seed=0).stability is None
    steady = np.repeat(verdicts(of), 3, axis=2)
    assert audit(of, steady, seed=0).stability == 1.0
    steady[:10, 0, 1] = 1 - steady[:10, 0, 1]
    assert audit(of, steady, seed=0).stability == pytest.approx(1 - 10 / (2 * len(of)))


def test_difference_from_a_baseline_is_paired() -> None:
    of = pairs()
    one, other = first_preference_rates(verdicts(of, 0.8)), first_preference_rates(verdicts(of, 0.6, seed=5))
    found, mirrored = (
        agreement_difference(of, one, other, seed=0),
        agreement_difference(of, other, one, seed=0),
    )
    assert found.value == pytest.approx(
        (agreement_shares(one, of.better) - agreement_shares(other, of.better)).mean()
    )
    assert (found.low, found.high) == pytest.approx((-(mirrored.high or 0), -(mirrored.low or 0)))
    assert agreement_difference(of, one, one, seed=0).value == 0.0


def test_leniency_baseline_uses_only_rater_means() -> None:
    of = pairs(n=3, parts=2)
    score = leniency_scores(of, np.array([2.5, 2.0, 1.0]), np.array([2.0, 2.0, 3.0]))
    assert score.tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="means"):
        leniency_scores(of, np.zeros(2), np.zeros(3))


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
        found = clustered_mean(values, np.repeat(np.arange(80), sizes), seed=0)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.6 <= found.high
    assert hits >= 180


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="shape"):
        audit(pairs(), np.zeros((3, 2, 1)), seed=0)
