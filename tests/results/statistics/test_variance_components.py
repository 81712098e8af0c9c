"""Variance components: identification of simulated sources, and prediction of the next requests' effect."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit

from results.statistics import DesignSize, NotEstimable, VarianceComponents, VarianceTable, variance_table
from results.statistics.variance_components import estimate_components, variance_contributions

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 12), st.just(2), st.integers(1, 3))


def make_table(verdicts: Floats, requests: int = 1000) -> VarianceTable:
    table = variance_table(verdicts, requests=requests)
    assert isinstance(table, VarianceTable)
    return table


def drawn(shape: tuple[int, ...], seed: int = 0) -> Floats:
    return np.asarray(np.random.default_rng(seed).integers(0, 2, shape), dtype=np.float64)


@given(SHAPES, st.integers(0, 9))
def test_order_of_any_axis_does_not_matter(shape: tuple[int, ...], seed: int) -> None:
    verdicts = drawn(shape, seed)
    assume(isinstance(variance_table(verdicts), VarianceTable))
    generator = np.random.default_rng(seed)
    first = make_table(verdicts)
    mirrored = make_table(1.0 - verdicts)
    assert mirrored.rate == pytest.approx(1 - first.rate)
    moved = verdicts
    for axis in range(5):
        moved = np.take(moved, generator.permutation(shape[axis]), axis=axis)
    for other in (mirrored, make_table(moved)):
        assert other.error == pytest.approx(first.error, abs=1e-12)
        for selected, reference in zip(astuple(first.components), astuple(other.components), strict=True):
            assert (selected is None) == (reference is None)
            assert selected is None or selected == pytest.approx(reference, abs=1e-12)
    assert sum(first.parts.values()) == pytest.approx(first.error**2)
    assert all(value is None or value >= 0 for value in astuple(first.components))


@given(SHAPES)
def test_sources_without_repetition_are_unknown(shape: tuple[int, ...]) -> None:
    seeds, generations, _, _, repetitions = shape
    components = estimate_components(drawn(shape))
    assert (components.seed is None) == (components.seed_dialogue is None) == (seeds == 1)
    assert (components.generation is None) == (generations == 1)
    assert (components.repetition is None) == (repetitions == 1)


@pytest.mark.parametrize(
    ("name", "axis"), [("seed", 0), ("generation", 1), ("dialogue", 2), ("order", 3), ("repetition", 4)]
)
def test_a_single_source_is_identified(name: str, axis: int) -> None:
    """An effect of one factor alone; for a nested factor, one effect per cell."""
    shape = (3, 4, 60, 2, 3)
    generator = np.random.default_rng(1)
    nested = {"generation": 3, "order": 4, "repetition": 5}  # axes that an effect is drawn for
    size = shape[: nested[name]] if name in nested else (shape[axis],)
    effect = 0.2 * generator.standard_normal(size).clip(-2, 2)
    if name == "order":  # the two orders are all there are: what they share is the response's
        effect -= effect.mean(axis=3, keepdims=True)
    places = (
        size + (1,) * (5 - len(size))
        if name in nested
        else [-1 if index == axis else 1 for index in range(5)]
    )
    effect = 0.5 + effect.reshape(places)
    result = estimate_components(np.broadcast_to(effect, shape).copy())
    own = getattr(result, name)
    variance = effect.var(axis=3, ddof=1).mean() if name == "order" else np.var(effect, ddof=1)
    assert own == pytest.approx(float(variance), rel=0.15)
    others = [
        value
        for other, value in zip(VarianceComponents.__slots__, astuple(result), strict=True)
        if other != name
    ]
    assert max(value or 0.0 for value in others) < own / 8


def test_error_of_a_single_sample_equals_that_of_the_scores() -> None:
    verdicts = drawn((1, 1, 80, 2, 1))
    scores = verdicts[0, 0].mean(axis=(1, 2))
    assert make_table(verdicts).error == pytest.approx(scores.std(ddof=1) / np.sqrt(80))


@given(SHAPES, st.integers(1, 5000))
def test_more_requests_never_increase_the_error(shape: tuple[int, ...], requests: int) -> None:
    assume(isinstance(variance_table(drawn(shape)), VarianceTable))
    table = make_table(drawn(shape), requests)
    assert all(error <= table.error + 1e-12 for error in table.afterwards.values())
    assert table.best == min(table.afterwards, key=table.afterwards.__getitem__, default="")


def test_not_estimable_and_invalid_tables() -> None:
    assert isinstance(variance_table(np.full((1, 1, 9, 2, 1), np.nan)), NotEstimable)
    assert isinstance(variance_table(np.ones((2, 2, 9, 2, 2))), NotEstimable)
    holed = drawn((2, 2, 9, 2, 2))
    holed[1, 1, 4, 0, 1] = np.nan
    assert (make_table(holed).sizes.dialogues, make_table(holed).left_out) == (8, 1)
    for wrong in (np.zeros((1, 1, 9, 3, 1)), np.zeros((9, 2)), np.full((1, 1, 9, 2, 1), 2.0)):
        with pytest.raises(ValueError, match="verdict"):
            variance_table(wrong)


# -- calibration ---------------------------------------------------------------------------------------------


def simulated(
    generator: np.random.Generator, sizes: tuple[int, int, int, int], seed_sd: float = 0.4
) -> Floats:
    """Return verdicts of a crossed design with effects on the log-odds scale.

    `sizes`: seeds, generations, dialogues, repetitions.
    """
    seeds, generations, dialogues, repetitions = sizes
    odds = (
        0.6
        + seed_sd * generator.standard_normal((seeds, 1, 1, 1, 1))
        + 0.8 * generator.standard_normal((1, 1, dialogues, 1, 1))
        + 0.4 * generator.standard_normal((seeds, 1, dialogues, 1, 1))
        + 0.8 * generator.standard_normal((seeds, generations, dialogues, 1, 1))
        + np.array([0.4, -0.4]).reshape(1, 1, 1, 2, 1)
    )
    return (generator.random((seeds, generations, dialogues, 2, repetitions)) < expit(odds)).astype(float)


def predicted(*, runs: int, extra: int = 1200) -> dict[str, tuple[float, float]]:
    """Return, by what the requests are spent on ("" for nothing), mean predicted and realised error."""
    generator = np.random.default_rng(81)
    sizes = (1, 2, 60, 2)
    errors: dict[str, list[float]] = {}
    for _ in range(runs):
        table = make_table(simulated(generator, sizes), extra)
        for name, error in {"": table.error, **table.afterwards}.items():
            errors.setdefault(name, []).append(error)
    seeds, generations, dialogues, repetitions = sizes
    enlarged = {
        "": sizes,
        "dialogues": (seeds, generations, dialogues + extra // 10, repetitions),
        "generations": (seeds, generations + extra // 300, dialogues, repetitions),
        "repetitions": (seeds, generations, dialogues, repetitions + extra // 240),
    }
    had = {}
    for name, size in enlarged.items():
        # the one checkpoint is fixed: its seed's effect is drawn as 0
        means = [float(simulated(generator, size, 0.0).mean()) for _ in range(10 * runs)]
        had[name] = float(np.std(means))
    return {name: (float(np.mean(values)), had[name]) for name, values in errors.items()}


def unbiased(*, runs: int) -> dict[str, tuple[float, float]]:
    """Return, by component, the mean estimate and that of one large design."""
    generator = np.random.default_rng(82)
    large = estimate_components(simulated(generator, (60, 8, 400, 8)))
    result = [estimate_components(simulated(generator, (4, 2, 120, 2))) for _ in range(runs)]
    return {
        name: (float(np.mean([getattr(item, name) for item in result])), getattr(large, name))
        for name in ("seed", "dialogue", "seed_dialogue", "generation", "order", "repetition")
    }


def test_components_are_approximately_unbiased() -> None:
    for name, (estimated, true) in unbiased(runs=40).items():
        assert estimated == pytest.approx(true, abs=0.006), name


@pytest.mark.slow
def test_components_are_unbiased() -> None:
    for name, (estimated, true) in unbiased(runs=600).items():
        assert estimated == pytest.approx(true, abs=0.0025), name


@pytest.mark.slow
def test_error_after_more_requests_is_predicted() -> None:
    for name, (expected, had) in predicted(runs=200).items():
        assert expected == pytest.approx(had, rel=0.08), name


def test_contributions_of_a_known_design() -> None:
    components = VarianceComponents(0.01, 0.04, 0.02, 0.08, 0.1, 0.16)
    parts = variance_contributions(components, DesignSize(2, 100, 4, 2))
    expected = [0.01 / 2, 0.04 / 100, 0.02 / 200, 0.08 / 800, 0.16 / (2 * 2 * 800)]
    assert list(parts.values()) == pytest.approx(expected)
