"""Formatting of differences: points, intervals, p-values, and the caveats of every table of differences."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.family import self_preference_warning
from agents.types import Split
from results.analysis.contest_selection import ContestSelection
from results.queries.contest_index import name_of
from results.render.comparison_data import has_students, is_any_emulated, scope_of, test_set_uses_by_author
from results.render.format import EMULATED_NOTE, format_percent
from results.render.table import Table
from results.statistics import PairedDifference

SEEDS_CAVEAT = "A claim about a strategy requires several training seeds; list their checkpoints as A1,A2,A3."
CONDITIONED_CAVEAT = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)
SOFT_CAVEAT = (
    "Soft: from the judges' probabilities instead of their verdicts; not comparable with hard rates."
)


def format_points(difference: float | None) -> str:
    """Return a difference in points (hundredths), such as `+7.2`."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def format_points_range(low: float | None, high: float | None) -> str:
    """Return an interval in points, such as `+3.1 to +11.0`."""
    return "-" if low is None or high is None else f"{format_points(low)} to {format_points(high)}"


def format_p(p: float | None) -> str:
    """Return a p-value, such as `0.012` or `< 0.001`."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def make_test_table(
    what: str, selection: ContestSelection, size: int, columns: Sequence[str], *, soft: bool
) -> Table:
    """Return an empty table of tests whose title gives the size of the family."""
    family = "one test" if size < 2 else f"a family of {size} tests (Holm)"
    title = f"{what}{', soft' if soft else ''}: {family}, {selection.split} split"
    table = Table(title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right")
    return table


def interval_head(size: int) -> str:
    """Return the heading of the interval column for a family of `size` tests."""
    return "95 %" if size < 2 else "95 %, simultaneous"


def test_cells(test: PairedDifference) -> tuple[str, ...]:
    """Return the cells: both rates, difference, interval, p, adjusted p, n, MDE."""
    return (
        format_percent(test.rate_first),
        format_percent(test.rate_second),
        format_points(test.difference),
        format_points_range(test.low, test.high),
        format_p(test.p),
        format_p(test.p_adjusted),
        str(test.n),
        "-" if test.mde is None else f"{100 * test.mde:.1f}",
    )


def incomplete_caveats(subject: str, test: PairedDifference) -> list[str]:
    """Return what incomplete dialogues could change; empty if all are complete."""
    if not test.left_out:
        return []
    return [
        f"{subject}: {test.left_out} dialogues are incomplete; with all missing judgments for one author or "
        f"for the other the difference is {format_points_range(test.bound_low, test.bound_high)} points."
    ]


def saturation_caveat(selection: ContestSelection, judge: str, names: Sequence[str], remedy: str) -> str:
    """Return the warning that an opponent loses too often to distinguish authors, with the remedy."""
    return (
        f"{judge}: {name_of(selection.opponent)} saturates against {', '.join(names)} (above 90 %) and can "
        f"hide a difference between them; {remedy}."
    )


def common_caveats(selection: ContestSelection, *, soft: bool) -> list[str]:
    """Return the caveats of every comparison: answering models, same-family judges, test-set uses."""
    caveats = [EMULATED_NOTE] if is_any_emulated(selection) else []
    caveats += [note for judge_contests in selection.judges if (note := judge_contests.answering_model_note)]
    caveats += [
        f"{self_preference_warning(judge_contests.judge, judge_contests.same_family)}."
        for judge_contests in selection.judges
        if judge_contests.same_family
    ]
    if selection.left_out:
        caveats.append(f"Excluded judges of the same family as an author: {', '.join(selection.left_out)}.")
    if soft:
        caveats.append(SOFT_CAVEAT)
    if selection.split in (Split.TEST, Split.ALL):
        uses = ", ".join(f"{name} {count}" for name, count in test_set_uses_by_author(selection).items())
        caveats.append(
            f"Test-set uses so far: {uses} (distinct opponents and judges; repeated judging does not "
            "count). Select on --split development: a selection on the test split overestimates its result."
        )
        if any(author.author.startswith("dataset:") for author in (*selection.authors, selection.opponent)):
            caveats.append(CONDITIONED_CAVEAT)
    return caveats


def scope_caveat(selection: ContestSelection) -> str:
    """Return what the intervals of a table cover."""
    strategies = f" {SEEDS_CAVEAT}" if has_students(selection) else ""
    return f"Scope of every interval: {scope_of(selection)}.{strategies}"
