"""The best of everyone, corrected, as data and as lines for people. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from results.analysis.best_author import BestAuthor
from results.render.format import format_percent, format_range
from results.statistics import NotEstimable

MEANING = (
    "Corrected for having come out best on these very dialogues: as often too high as too low. Choose on "
    "--split development, and no correction is needed on test."
)


def best_author_data(winners: Mapping[str, BestAuthor]) -> dict[str, Any]:
    """By judge: the best author, observed and corrected; rates in [0, 1]."""
    return {
        judge: {"author": None, "refused": winner.best.reason}
        if isinstance(winner.best, NotEstimable)
        else {"author": winner.author, **asdict(winner.best), "refused": None}
        for judge, winner in winners.items()
    }


def best_author_lines(winners: Mapping[str, BestAuthor]) -> list[str]:
    """One line a judge, then what it means."""
    lines = [f"{judge}: {_line(winner)}" for judge, winner in winners.items()]
    return [*lines, MEANING] if lines else []


def _line(winner: BestAuthor) -> str:
    best = winner.best
    if isinstance(best, NotEstimable):
        return f"{best}."
    estimate = "" if best.estimate is None else f"{format_percent(best.estimate)}, "
    left_out = f", {best.left_out} left out" if best.left_out else ""
    return (
        f"best of {best.contestants} is {winner.author} with {format_percent(best.observed)}; corrected for the "
        f"choice: {estimate}{format_range(best.low, best.high)} ({100 * best.level:g} %), n {best.n}{left_out}."
    )
