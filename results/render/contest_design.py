"""What a planned contest could tell, as data and as lines for people. Computes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.render.format import format_percent
from results.statistics import Design, SampleSize


def design_data(design: Design, needed: SampleSize) -> dict[str, Any]:
    """The design and what `needed.difference` would take; rates in [0, 1]."""
    return {**asdict(design), "required_sample_size": asdict(needed)}


def design_lines(design: Design, needed: SampleSize) -> list[str]:
    """The assumptions, then what can be told under them."""
    assumed = design.assumed
    orders = "both orders" if design.orders == 2 else "one order"
    size = f"{design.dialogues} dialogues, {orders}, {_counted(design.samples, 'sample')}"
    given = f"a win rate of {format_percent(assumed.rate)}, consistency {format_percent(assumed.consistency)}"
    if design.samples > 1:
        given += f", repeats that agree in {format_percent(assumed.repeat_agreement)}"
    if design.seeds > 1:
        size += f", {design.seeds} training seeds"
        given += f", a spread between seeds of {assumed.seed_spread:g} log-odds"
    lines = [
        f"What {size} could tell, assuming {given} (--assume):",
        f"    the interval of a rate: ± {_points(design.half_width)} points; {design.scope}",
        f"    found four times in five: a rate {_points(design.mde)} points from another value, a "
        f"difference of {_points(design.mde_difference)} points between two authors against one "
        "opponent",
        f"    to find a difference of {_points(needed.difference)} points: {needed.dialogues:,} dialogues"
        + (f", {needed.more_dialogues:,} more" if needed.more_dialogues else ", which there are"),
    ]
    if design.note:
        lines.append(f"    {design.note}")
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _points(rate: float) -> str:
    return f"{100 * rate:.1f}"
