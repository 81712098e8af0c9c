"""Length control: antisymmetry, an independent GLM fit, and inputs that are not estimable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from results.statistics import JudgmentTable, LengthControl, NotEstimable, dialogue_scores, length_controlled

MakeContest = Callable[..., JudgmentTable]
Floats = NDArray[np.float64]


def long_wins(n: int, seed: int, *, theta: float, phi: float) -> tuple[JudgmentTable, Floats, Floats]:
    """Return a contest in which A is preferred with log-odds theta at equal length, plus phi if longer."""
    generator = np.random.default_rng(seed)
    length_a, length_b = (
        generator.integers(10, 60, n).astype(float),
        generator.integers(5, 50, n).astype(float),
    )
    difference = length_a - length_b
    chance = 1 / (1 + np.exp(-theta - phi * np.tanh(difference / difference.std())))
    outcome = (generator.random((n, 2)) < chance[:, None]).astype(float)
    columns = JudgmentTable.from_columns(
        np.repeat(np.arange(n), 2), np.tile([True, False], n), outcome.ravel()
    )
    return columns, length_a, length_b


def scored(scores: Floats) -> JudgmentTable:
    """Return a contest whose dialogues have these scores, in {0, ½, 1}."""
    verdicts = np.stack([np.ceil(scores), np.floor(scores)], axis=1)
    n = scores.size
    return JudgmentTable.from_columns(np.repeat(np.arange(n), 2), np.tile([True, False], n), verdicts.ravel())


def fitted(*arguments: object, **options: float) -> LengthControl:
    result = length_controlled(*arguments, **options)  # type: ignore[arg-type]
    assert isinstance(result, LengthControl)
    return result


@pytest.mark.parametrize("seed", range(4))
def test_swapping_authors_gives_one_minus_the_rate(seed: int) -> None:
    columns, length_a, length_b = long_wins(200, seed, theta=0.4, phi=1)
    first, other = fitted(columns, length_a, length_b), fitted(columns.swap_authors(), length_b, length_a)
    assert first.rate + other.rate == pytest.approx(1, abs=1e-9)
    assert first.low + other.high == pytest.approx(1, abs=1e-9)
    assert first.effect == pytest.approx(other.effect)
    assert (first.longer, first.shorter) == (other.shorter, other.longer)


def test_an_author_against_itself_has_rate_one_half() -> None:
    columns, length_a, length_b = long_wins(150, 1, theta=0.0, phi=1)
    other = columns.swap_authors()
    both = JudgmentTable.from_columns(
        np.r_[columns.dialogue, other.dialogue + 150],
        np.r_[columns.a_first, other.a_first],
        np.r_[columns.outcome, other.outcome],
    )
    result = fitted(both, np.r_[length_a, length_b], np.r_[length_b, length_a])
    assert result.rate == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_fit_matches_an_independent_glm(seed: int) -> None:
    columns, length_a, length_b = long_wins(180, seed, theta=0.5, phi=-0.8)
    result = fitted(columns, length_a, length_b)
    difference = length_a - length_b
    design = sm.add_constant(np.tanh(difference / np.std(difference)))
    glm = sm.GLM(dialogue_scores(columns).score, design, family=sm.families.Binomial()).fit(
        cov_type="HC0", tol=1e-12
    )
    assert result.rate == pytest.approx(1 / (1 + np.exp(-glm.params[0])), abs=1e-7)
    assert result.effect == pytest.approx(glm.params[1], abs=1e-6)
    low, high = 1 / (1 + np.exp(-glm.conf_int()[0]))  # HC0: without the correction for leverage
    assert result.low < low and high < result.high
    assert (result.low, result.high) == pytest.approx((low, high), abs=2e-3)


def test_interval_matches_the_jackknife() -> None:
    columns, length_a, length_b = long_wins(120, 7, theta=0.5, phi=0.8)
    result = fitted(columns, length_a, length_b)
    keep = ~np.eye(120, dtype=bool)
    fits = [
        fitted(columns.select_dialogues(others), length_a[others], length_b[others]).rate for others in keep
    ]
    log_odds = np.log(np.array(fits) / (1 - np.array(fits)))
    error = np.sqrt(119 / 120 * ((log_odds - log_odds.mean()) ** 2).sum())
    ends = np.log(np.array([result.low, result.high]) / (1 - np.array([result.low, result.high])))
    assert np.ptp(ends) == pytest.approx(2 * 1.959964 * error, rel=0.03)


def test_length_preference_lowers_the_controlled_rate() -> None:
    columns, length_a, length_b = long_wins(2000, 3, theta=0.0, phi=1.5)
    result = fitted(columns, length_a, length_b)
    assert result.plain > 0.53
    assert result.rate == pytest.approx(0.5, abs=0.03)
    assert result.wording == "association given length"


def length_coverage(theta: float, *, runs: int, n: int = 250) -> float:
    """Return the coverage of the rate over simulated contests that are estimable."""
    truth = 1 / (1 + np.exp(-theta))
    fits = [length_controlled(*long_wins(n, seed, theta=theta, phi=0.8)) for seed in range(runs)]
    text = [fit for fit in fits if isinstance(fit, LengthControl)]
    return float(np.mean([fit.low <= truth <= fit.high for fit in text]))


@pytest.mark.parametrize("theta", [0.6, 2.9])
def test_interval_covers(theta: float) -> None:
    assert 0.92 <= length_coverage(theta, runs=300) <= 0.985


def test_one_sided_lengths_are_not_estimable(contest: MakeContest) -> None:
    result = length_controlled(contest(100), np.full(100, 400.0), np.r_[np.full(95, 30.0), np.full(5, 900.0)])
    assert isinstance(result, NotEstimable)
    assert "longer in 95 % of the dialogues and shorter in 5 %" in result.reason


def test_equal_lengths_are_not_estimable(contest: MakeContest) -> None:
    assert isinstance(length_controlled(contest(60), np.ones(60), np.ones(60)), NotEstimable)


def test_perfect_separation_is_not_estimable() -> None:
    difference = np.tile([3.0, -3.0, 5.0, -1.0], 15)
    columns = scored((difference > 0).astype(float))
    result = length_controlled(columns, 20 + difference, np.full(60, 20.0))
    assert isinstance(result, NotEstimable) and "separates" in result.reason


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("others", [0, 9])
def test_nearly_constant_scores_are_not_estimable(score: float, others: int) -> None:
    """A fit to 60 ties would give "50.0 to 50.0"."""
    scores = np.full(60, score)
    scores[:others] = 0.5 if score != 0.5 else 1.0
    difference = np.tile([3.0, -3.0, 5.0, -1.0], 15)
    result = length_controlled(scored(scores), 20 + difference, np.full(60, 20.0))
    assert isinstance(result, NotEstimable)
    assert f"{60 - others} of 60 dialogues have the same score" in result.reason


def test_few_dialogues_are_not_estimable(contest: MakeContest) -> None:
    result = length_controlled(contest(10), np.arange(10.0), np.full(10, 5.0))
    assert isinstance(result, NotEstimable) and "at least 20" in result.reason


def test_every_dialogue_requires_lengths(contest: MakeContest) -> None:
    with pytest.raises(ValueError, match="each of 30 dialogues"):
        length_controlled(contest(30), np.ones(29), np.ones(29))
    with pytest.raises(ValueError, match="finite"):
        length_controlled(contest(30), np.full(30, np.nan), np.ones(30))
