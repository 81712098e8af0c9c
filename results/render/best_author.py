"""Best author, corrected for selection."""

from __future__ import annotations

from collections.abc import Mapping

from results.analysis.best_author import BestAuthor
from results.render.comparison_data import BestAuthorDocument
from results.render.estimable import estimable
from results.render.format import format_level, format_percent, format_range
from results.render.rendering import Rendering
from results.statistics import NotEstimable

SELECTION_CAVEAT = (
    "Corrected for selection on these dialogues (median-unbiased). Select on --split development "
    "instead, and "
    "the test split needs no correction."
)


def render_best_author(winners: Mapping[str, BestAuthor]) -> Rendering:
    """Render the best author by judge, observed and corrected: `best` in the document, a line per judge."""
    lines = [f"{judge}: {_line(winner)}" for judge, winner in winners.items()]
    return Rendering({"best": _data(winners)}, conclusions=(*lines, SELECTION_CAVEAT) if lines else ())


def _data(winners: Mapping[str, BestAuthor]) -> dict[str, BestAuthorDocument]:
    """Return the best author by judge as JSON data."""
    return {
        judge: {"author": winner.author or None, **estimable(winner.best)}
        for judge, winner in winners.items()
    }


def _line(winner: BestAuthor) -> str:
    """Return one judge's best author."""
    best = winner.best
    if isinstance(best, NotEstimable):
        return f"{best}."
    estimate = "" if best.estimate is None else f"{format_percent(best.estimate)}, "
    left_out = f", {best.left_out} left out" if best.left_out else ""
    return (
        f"best of {best.candidates} is {winner.author} with {format_percent(best.observed)}; corrected "
        f"for selection: {estimate}{format_range(best.low, best.high)} ({format_level(best.level)}), n "
        f"{best.n}{left_out}."
    )
