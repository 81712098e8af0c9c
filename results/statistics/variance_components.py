"""Where the noise is: one table of variance components, and what the next requests are best spent on.

A crossed design: every training seed's checkpoint responds to every dialogue in G generations, and each
response is judged in both orders, R times. A verdict is

    mean + seed + dialogue + seed × dialogue + generation + order + repetition

with independent parts; the components are estimated by equating mean squares with their expectations
(analysis of variance; Searle, Casella and McCulloch 1992, chapter 4), negative ones shown as 0. What a
design does not repeat cannot be told apart: its component is None, and it is part of the next one up. With
S seeds and n dialogues the mean varies by

    seed/S + dialogue/n + seed × dialogue/(S n) + generation/(S n G) + repetition/(2 R S n G)

(Miller 2024, arXiv 2411.00640, section 3, for dialogues and generations). Order adds nothing where both
orders of every pair are judged: they are all there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from results.statistics.not_estimable import NotEstimable

Floats = NDArray[np.float64]

WHAT = "variance table"
SEEDS, DIALOGUES, GENERATIONS, REPETITIONS = "training seeds", "dialogues", "generations", "repetitions"


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """Variances of one verdict's parts, ≥ 0, in squared units of rates; None where the design cannot tell.

    Attributes:
        seed: between training seeds' checkpoints; None with one seed.
        dialogue: between dialogues; with one seed, seed × dialogue is part of it.
        seed_dialogue: the dialogues on which one checkpoint does better than another; None with one seed.
            With one generation, generation is part of it (with one seed, of `dialogue`).
        generation: between generations of one checkpoint for one dialogue; None with one generation.
        order: between the two orders of one response; position bias included.
        repetition: between repetitions of one request; None with one. It is then part of `generation` (or of
            the next one up) and of `order`.
    """

    seed: float | None
    dialogue: float
    seed_dialogue: float | None
    generation: float | None
    order: float
    repetition: float | None


@dataclass(frozen=True, slots=True)
class DesignSize:
    """A crossed design: training seeds, dialogues, generations, repetitions; all ≥ 1.

    Attributes:
        seeds, dialogues, generations, repetitions: how many; of a design to come perhaps a fraction (half
            of the dialogues with one generation more is half a generation).
    """

    seeds: float
    dialogues: float
    generations: float
    repetitions: float

    @property
    def requests(self) -> float:
        """One for each generation and two, the orders, for each repetition of its judgment."""
        return self.seeds * self.dialogues * self.generations * (1.0 + 2.0 * self.repetitions)


@dataclass(frozen=True, slots=True)
class VarianceTable:
    """Where the noise of a rate comes from.

    Attributes:
        rate: mean of all verdicts, in [0, 1].
        components: of one verdict.
        parts: by source, what it adds to the variance of the mean; their sum is error².
        error: standard error of the rate over what the design repeats.
        sizes: of the design, complete dialogues only.
        left_out: the other dialogues.
        requests: how many more are to be spent.
        afterwards: by what they are spent on, the standard error then; what would not make one whole dialogue
            or seed is left out, as is a component that is not known.
        best: the one with the smallest standard error; "" where there is none. Of seeds only where several
            were trained.
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
    """The table of a crossed design.

    Args:
        verdicts: shape (seeds, generations, dialogues, 2, repetitions), in [0, 1]; nan where unscored.
        requests: to be spent next, ≥ 1.

    Refused with fewer than two dialogues complete in every cell, or where no component is above 0.

    Raises:
        ValueError: another shape, a value outside [0, 1], or fewer than one request.
    """
    if verdicts.ndim != 5 or verdicts.shape[3] != 2 or 0 in verdicts.shape[:2] or requests < 1:
        raise ValueError(f"verdicts of shape {verdicts.shape}, {requests} requests")
    if (verdicts < 0.0).any() or (verdicts > 1.0).any():
        raise ValueError("a verdict lies outside [0, 1]")
    complete = ~np.isnan(verdicts).any(axis=(0, 1, 3, 4))
    whole = verdicts[:, :, complete]
    if whole.shape[2] < 2:
        return NotEstimable(WHAT, f"{whole.shape[2]} dialogues are complete in every cell of the design")
    seeds, generations, dialogues, _, repetitions = whole.shape
    sizes = DesignSize(seeds, dialogues, generations, repetitions)
    components = estimate_components(whole)
    parts = variance_contributions(components, sizes)
    if not sum(parts.values()) > 0.0:
        return NotEstimable(
            WHAT, "no noise is found in these verdicts, which does not mean that there is none"
        )
    after = {
        name: float(np.sqrt(sum(variance_contributions(components, more).values())))
        for name, more in _enlarged(components, sizes, requests).items()
    }
    return VarianceTable(
        rate=float(whole.mean()),
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
    """Components by the method of moments; `verdicts` as in `variance_table`, complete."""
    seeds, generations, dialogues, _, repetitions = verdicts.shape
    repetition = float(verdicts.var(axis=4, ddof=1).mean()) if repetitions > 1 else None
    by_order = verdicts.mean(axis=4)
    order = float(by_order.var(axis=3, ddof=1).mean()) - (repetition or 0.0) / repetitions
    scores = by_order.mean(axis=3)
    judged = (repetition or 0.0) / (2.0 * repetitions)
    generation = float(scores.var(axis=1, ddof=1).mean()) - judged if generations > 1 else None
    noise = ((generation or 0.0) + judged) / generations  # of a checkpoint's mean on one dialogue
    cells = scores.mean(axis=1)
    if seeds == 1:
        dialogue = float(cells[0].var(ddof=1)) - noise
        return _not_negative(VarianceComponents(None, dialogue, None, generation, order, repetition))
    rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    interaction = float((rest**2).sum()) / ((seeds - 1) * (dialogues - 1))
    seed = float(cells.mean(axis=1).var(ddof=1)) - interaction / dialogues
    dialogue = float(cells.mean(axis=0).var(ddof=1)) - interaction / seeds
    return _not_negative(
        VarianceComponents(seed, dialogue, interaction - noise, generation, order, repetition)
    )


def _not_negative(components: VarianceComponents) -> VarianceComponents:
    def least(value: float | None) -> float | None:
        return None if value is None else max(0.0, value)

    return VarianceComponents(
        seed=least(components.seed),
        dialogue=max(0.0, components.dialogue),
        seed_dialogue=least(components.seed_dialogue),
        generation=least(components.generation),
        order=max(0.0, components.order),
        repetition=least(components.repetition),
    )


def variance_contributions(components: VarianceComponents, sizes: DesignSize) -> dict[str, float]:
    """What each source adds to the variance of a mean of such a design; unknown ones add nothing."""
    cells = sizes.seeds * sizes.dialogues
    return {
        "seed": (components.seed or 0.0) / sizes.seeds,
        "dialogue": components.dialogue / sizes.dialogues,
        "seed_dialogue": (components.seed_dialogue or 0.0) / cells,
        "generation": (components.generation or 0.0) / (cells * sizes.generations),
        "repetition": (components.repetition or 0.0) / (2.0 * sizes.repetitions * cells * sizes.generations),
    }


def _enlarged(components: VarianceComponents, sizes: DesignSize, requests: int) -> dict[str, DesignSize]:
    """The design with so many requests more, by what they are spent on."""
    judged = 1.0 + 2.0 * sizes.repetitions
    responses = sizes.seeds * sizes.dialogues * sizes.generations
    dialogues = requests // (sizes.seeds * sizes.generations * judged)
    found = {}
    if dialogues >= 1.0:
        found[DIALOGUES] = replace(sizes, dialogues=sizes.dialogues + dialogues)
    if components.generation is not None:
        more = requests / (sizes.seeds * sizes.dialogues * judged)
        found[GENERATIONS] = replace(sizes, generations=sizes.generations + more)
    if components.repetition is not None:
        found[REPETITIONS] = replace(sizes, repetitions=sizes.repetitions + requests / (2.0 * responses))
    seeds = requests // (sizes.dialogues * sizes.generations * judged)
    if components.seed is not None and seeds >= 1.0:
        found[SEEDS] = replace(sizes, seeds=sizes.seeds + seeds)
    return found
