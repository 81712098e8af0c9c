"""How a difference reads: points, intervals, p-values; and what every table of differences says with it."""

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

SEVERAL_SEEDS = "A claim about a strategy needs several training seeds: name them with commas, A1,A2,A3."
CONDITIONED = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)
SOFT = "Soft: of the judges' probabilities, not of their verdicts; another measurement."


def format_points(difference: float | None) -> str:
    """`+7.2`, in points of a hundred."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def format_points_range(low: float | None, high: float | None) -> str:
    """`+3.1 to +11.0`, in points."""
    return "-" if low is None or high is None else f"{format_points(low)} to {format_points(high)}"


def format_p(p: float | None) -> str:
    """`0.012`, `< 0.001`."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def make_test_table(
    what: str, selection: ContestSelection, size: int, columns: Sequence[str], *, soft: bool
) -> Table:
    """An empty table of tests; its title says how many make up the family."""
    family = "one test" if size < 2 else f"a family of {size} tests (Holm)"
    title = f"{what}{', soft' if soft else ''}: {family}, {selection.split} split"
    table = Table(title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < 2 else "right")
    return table


def interval_head(size: int) -> str:
    """What stands over the intervals of a family of so many tests."""
    return "95 %" if size < 2 else "95 %, simultaneous"


def test_cells(test: PairedDifference) -> tuple[str, ...]:
    """Both rates, difference, interval, p, p after Holm, n, smallest detectable difference."""
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


def incomplete_caveats(who: str, test: PairedDifference) -> list[str]:
    """What the dialogues that are not complete could do; nothing where all are."""
    if not test.left_out:
        return []
    return [
        f"{who}: {test.left_out} dialogues are not complete; with their missing judgments all one way or "
        f"all the other the difference is {format_points_range(test.bound_low, test.bound_high)} points."
    ]


def saturation_caveat(selection: ContestSelection, judge: str, names: Sequence[str], remedy: str) -> str:
    """That an opponent loses to these so often that it cannot tell them apart, and what to do."""
    return (
        f"{judge}: {name_of(selection.opponent)} saturates against {', '.join(names)} (over 90 %) and can "
        f"hide a difference between them: {remedy}."
    )


def common_caveats(selection: ContestSelection, *, soft: bool) -> list[str]:
    """What must be known of every comparison: who answered, who is kin, and the test-set uses."""
    told = [EMULATED_NOTE] if is_any_emulated(selection) else []
    told += [note for judge_contests in selection.judges if (note := judge_contests.answering_model_note)]
    told += [
        f"{self_preference_warning(judge_contests.judge, judge_contests.same_family)}."
        for judge_contests in selection.judges
        if judge_contests.same_family
    ]
    if selection.left_out:
        told.append(f"Left out, of the family of one of these: {', '.join(selection.left_out)}.")
    if soft:
        told.append(SOFT)
    if selection.split in (Split.TEST, Split.ALL):
        uses = ", ".join(f"{name} {count}" for name, count in test_set_uses_by_author(selection).items())
        told.append(
            f"Test-set uses so far: {uses} (distinct opponents and judges; judging or summarising again is "
            "none). Choose on --split development; a choice made here flatters what it chooses."
        )
        if any(of.author.startswith("dataset:") for of in (*selection.authors, selection.opponent)):
            told.append(CONDITIONED)
    return told


def scope_caveat(selection: ContestSelection) -> str:
    """What the intervals of a table cover."""
    strategies = f" {SEVERAL_SEEDS}" if has_students(selection) else ""
    return f"Scope of every interval: {scope_of(selection)}.{strategies}"
