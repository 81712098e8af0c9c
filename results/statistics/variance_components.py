"""Variance components of a win rate, and the most useful next requests.

In a crossed design every training seed's checkpoint responds to every dialogue in G generations, and each
response is judged in both orders, R times. A verdict is

    mean + seed + dialogue + seed × dialogue + generation + order + repetition

with independent parts. The components are estimated by equating mean squares with their expectations
(analysis of variance; Searle, Casella and McCulloch 1992, chapter 4); negative estimates are set to 0. The
component of a source without repetition is None and is included in the next one up. With S seeds and n
dialogues the mean has the variance

    seed/S + dialogue/n + seed × dialogue/(S n) + generation/(S n G) + repetition/(2 R S n G)

(Miller 2024, arXiv 2411.00640, section 3, for dialogues and generations). Order adds nothing because both
orders of every pair are judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

STATISTIC = "variance table"
SEEDS, DIALOGUES, GENERATIONS, REPETITIONS = "training seeds", "dialogues", "generations", "repetitions"


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Variance components of one verdict, ≥ 0, in squared units of rates; None if not identifiable.

    Attributes:
        seed: between training seeds' checkpoints; None with one seed.
        dialogue: between dialogues; includes seed × dialogue with one seed.
        seed_dialogue: interaction of seed and dialogue; None with one seed. Includes generation with one
            generation (with one seed, `dialogue` includes it).
        generation: between generations of one checkpoint for one dialogue; None with one generation.
        order: between the two orders of one response, including position bias.
        repetition: between repetitions of one request; None with one repetition, and then included in
            `generation` (or the next one up) and in `order`.
    """

    seed: float | None
    dialogue: float
    seed_dialogue: float | None
    generation: float | None
    order: float
    repetition: float | None


@dataclass(frozen=True, slots=True)
class DesignSize:
    """Size of a crossed design.

    Attributes:
        seeds, dialogues, generations, repetitions: counts, ≥ 1; may be fractional for a planned design (one
            more generation for half of the dialogues is half a generation).
    """

    seeds: float
    dialogues: float
    generations: float
    repetitions: float

    @property
    def requests(self) -> float:
        """Requests of the design: one per generation plus two (the orders) per repetition of its judgment."""
        return self.seeds * self.dialogues * self.generations * (1.0 + 2.0 * self.repetitions)


@dataclass(frozen=True, slots=True)
class VarianceTable:
    """Sources of the noise of a rate.

    Attributes:
        rate: mean of all verdicts, in [0, 1].
        components: variance components of one verdict.
        parts: contribution of each source to the variance of the mean; their sum is error².
        error: standard error of the rate over the repeated sources.
        sizes: size of the design, complete dialogues only.
        left_out: the other dialogues.
        requests: additional requests to be spent.
        afterwards: standard error by what the requests are spent on. Options that would not complete a
            dialogue or seed, or whose component is unknown, are omitted.
        best: the option with the smallest standard error; may be "". Seeds only if several were trained.
        scope: what the standard error covers.
    """

    rate: float
    components: VarianceComponents
    parts: Mapping[str, float]
    error: float
    sizes: DesignSize
    left_out: int
    requests: int
    afterwards: Mapping[str, float]
    best: str
    scope: str


def variance_table(verdicts: Floats, *, requests: int = 1000) -> VarianceTable | NotEstimable:
    """Return the variance table of a crossed design.

    `NotEstimable` with fewer than two dialogues complete in every cell, or if every component is 0.

    Args:
        verdicts: shape (seeds, generations, dialogues, 2, repetitions), in [0, 1]; NaN where unscored.
        requests: additional requests to be spent, ≥ 1.

    Raises:
        ValueError: another shape, a value outside [0, 1], or fewer than one request.
    """
    if verdicts.ndim != 5 or verdicts.shape[3] != 2 or 0 in verdicts.shape[:2] or requests < 1:
        raise ValueError(f"invalid verdicts of shape {verdicts.shape} or number of requests {requests}")
    if (verdicts < 0.0).any() or (verdicts > 1.0).any():
        raise ValueError("a verdict lies outside [0, 1]")
    complete = ~np.isnan(verdicts).any(axis=(0, 1, 3, 4))
    complete_verdicts = verdicts[:, :, complete]
    if complete_verdicts.shape[2] < 2:
        return NotEstimable(
            STATISTIC, f"{complete_verdicts.shape[2]} dialogues are complete in every cell of the design"
        )
    seeds, generations, dialogues, _, repetitions = complete_verdicts.shape
    sizes = DesignSize(seeds, dialogues, generations, repetitions)
    components = estimate_components(complete_verdicts)
    parts = variance_contributions(components, sizes)
    if not sum(parts.values()) > 0.0:
        return NotEstimable(
            STATISTIC, "no noise was found in these verdicts, which does not prove that there is none"
        )
    after = {
        name: float(np.sqrt(sum(variance_contributions(components, larger_design).values())))
        for name, larger_design in _enlarged(components, sizes, requests).items()
    }
    return VarianceTable(
        rate=float(complete_verdicts.mean()),
        components=components,
        parts=parts,
        error=float(np.sqrt(sum(parts.values()))),
        sizes=sizes,
        left_out=int((~complete).sum()),
        requests=requests,
        afterwards=after,
        best=min(after, key=after.__getitem__, default=""),
        scope="over dialogues and training seeds; this judge"
        if seeds > 1
        else "over dialogues; this checkpoint, this judge",
    )


def estimate_components(verdicts: Floats) -> VarianceComponents:
    """Estimate the components by the method of moments; `verdicts` as in `variance_table`, complete."""
    seeds, generations, dialogues, _, repetitions = verdicts.shape
    repetition = float(verdicts.var(axis=4, ddof=1).mean()) if repetitions > 1 else None
    by_order = verdicts.mean(axis=4)
    order = float(by_order.var(axis=3, ddof=1).mean()) - (repetition or 0.0) / repetitions
    scores = by_order.mean(axis=3)
    judging_noise = (repetition or 0.0) / (2.0 * repetitions)
    generation = float(scores.var(axis=1, ddof=1).mean()) - judging_noise if generations > 1 else None
    noise = (
        (generation or 0.0) + judging_noise
    ) / generations  # variance of a checkpoint's mean per dialogue
    cells = scores.mean(axis=1)
    if seeds == 1:
        dialogue = float(cells[0].var(ddof=1)) - noise
        return _not_negative(VarianceComponents(None, dialogue, None, generation, order, repetition))
    interaction_effects = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    interaction = float((interaction_effects**2).sum()) / ((seeds - 1) * (dialogues - 1))
    seed = float(cells.mean(axis=1).var(ddof=1)) - interaction / dialogues
    dialogue = float(cells.mean(axis=0).var(ddof=1)) - interaction / seeds
    return _not_negative(
        VarianceComponents(seed, dialogue, interaction - noise, generation, order, repetition)
    )


def _not_negative(components: VarianceComponents) -> VarianceComponents:
    """Return the components with negative estimates set to 0."""

    def clip(value: float | None) -> float | None:
        return None if value is None else max(0.0, value)

    return VarianceComponents(
        seed=clip(components.seed),
        dialogue=max(0.0, components.dialogue),
        seed_dialogue=clip(components.seed_dialogue),
        generation=clip(components.generation),
        order=max(0.0, components.order),
        repetition=clip(components.repetition),
    )


def variance_contributions(components: VarianceComponents, sizes: DesignSize) -> dict[str, float]:
    """Return each source's contribution to the variance of the mean; unknown components contribute 0."""
    cells = sizes.seeds * sizes.dialogues
    return {
        "seed": (components.seed or 0.0) / sizes.seeds,
        "dialogue": components.dialogue / sizes.dialogues,
        "seed_dialogue": (components.seed_dialogue or 0.0) / cells,
        "generation": (components.generation or 0.0) / (cells * sizes.generations),
        "repetition": (components.repetition or 0.0) / (2.0 * sizes.repetitions * cells * sizes.generations),
    }


def _enlarged(components: VarianceComponents, sizes: DesignSize, requests: int) -> dict[str, DesignSize]:
    """Return the design enlarged by the requests, by what they are spent on."""
    requests_per_response = 1.0 + 2.0 * sizes.repetitions
    responses = sizes.seeds * sizes.dialogues * sizes.generations
    dialogues = requests // (sizes.seeds * sizes.generations * requests_per_response)
    designs = {}
    if dialogues >= 1.0:
        designs[DIALOGUES] = replace(sizes, dialogues=sizes.dialogues + dialogues)
    if components.generation is not None:
        more = requests / (sizes.seeds * sizes.dialogues * requests_per_response)
        designs[GENERATIONS] = replace(sizes, generations=sizes.generations + more)
    if components.repetition is not None:
        designs[REPETITIONS] = replace(sizes, repetitions=sizes.repetitions + requests / (2.0 * responses))
    seeds = requests // (sizes.dialogues * sizes.generations * requests_per_response)
    if components.seed is not None and seeds >= 1.0:
        designs[SEEDS] = replace(sizes, seeds=sizes.seeds + seeds)
    return designs
