"""Precision of a planned contest."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from results.render.format import format_count, format_level, format_percent, format_unsigned_points
from results.render.rendering import Rendering
from results.statistics import Design, SampleSize


class DesignFields(TypedDict):
    """Precision of a planned contest, in a document about its cost.

    Attributes:
        design: precision that the design implies; absent without a design.
        required_sample_size: dialogues that show the required difference; absent without a design.
    """

    design: NotRequired[Design]
    required_sample_size: NotRequired[SampleSize]


def render_contest_design(design: Design, needed: SampleSize) -> Rendering:
    """Render the design and the sample size for the required difference; rates in [0, 1]."""
    document: DesignFields = {"design": design, "required_sample_size": needed}
    return Rendering(document, conclusions=tuple(_lines(design, needed)))


def _lines(design: Design, needed: SampleSize) -> list[str]:
    """Return the assumptions, then the precision they imply."""
    assumed = design.assumed
    orders = "both orders" if design.orders == 2 else "one order"
    size = f"{design.dialogues} dialogues, {orders}, {format_count(design.samples, 'sample')}"
    assumptions = (
        f"a win rate of {format_percent(assumed.rate)}, consistency {format_percent(assumed.consistency)}"
    )
    if design.samples > 1:
        assumptions += f", repeats that agree in {format_percent(assumed.repeat_agreement)}"
    if design.seeds > 1:
        size += f", {design.seeds} training seeds"
        assumptions += f", a spread between seeds of {assumed.seed_spread:g} log-odds"
    mde, mde_difference, difference = map(
        format_unsigned_points, (design.mde, design.mde_difference, needed.difference)
    )
    lines = [
        f"Precision of {size}, assuming {assumptions} (--assume):",
        f"    interval of a win rate: ± {format_unsigned_points(design.half_width)} points; {design.scope}",
        f"    minimum detectable effect at {format_level(design.power)} power: {mde} points from a fixed "
        f"rate, {mde_difference} points between two authors with one opponent",
        f"    to find a difference of {difference} points: {needed.dialogues:,} dialogues"
        + (f", {needed.more_dialogues:,} more" if needed.more_dialogues else ", which there are"),
    ]
    if design.note:
        lines.append(f"    {design.note}")
    return lines
