"""Columns, cells and caveats that all tables of differences share."""

from __future__ import annotations

from collections.abc import Sequence

from agents.author_names import is_from_dataset
from agents.models.family import self_preference_warning
from agents.types import Split
from results.analysis.contest_selection import ContestSelection
from results.queries.contest_index import name_of
from results.render.columns import columns
from results.render.comparison_data import has_students, is_any_emulated, scope_of, test_set_uses_by_author
from results.render.format import EMULATED_NOTE, format_points_range
from results.render.table import Column, Table, Value
from results.statistics import PairedDifference

SEEDS_CAVEAT = "A claim about a strategy requires several training seeds; list their checkpoints as A1,A2,A3."
CONDITIONED_CAVEAT = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)
SOFT_CAVEAT = (
    "Soft: from the judges' probabilities instead of their verdicts; not comparable with hard rates."
)


def test_table(
    what: str, selection: ContestSelection, size: int, first: Sequence[Column], *, soft: bool
) -> Table:
    """Return an empty table of tests; its title gives the size of the family."""
    family = "one test" if size < 2 else f"a family of {size} tests (Holm)"
    title = f"{what}{', soft' if soft else ''}: {family}, {selection.split} split"
    return Table(title, columns=columns(*first, "p", "p_adjusted", "n", "mde"))


def difference_columns(size: int) -> tuple[Column, ...]:
    """Return the columns of both rates, the difference and its interval, for a family of `size` tests."""
    return (
        Column("first", unit="percent"),
        Column("second", unit="percent"),
        Column("difference", unit="points"),
        Column("interval", interval_heading(size), "points_range"),
    )


def interval_heading(size: int) -> str:
    """Return the heading of the interval column for a family of `size` tests."""
    return "95 %" if size < 2 else "95 %, simultaneous"


def difference_cells(test: PairedDifference) -> tuple[Value, ...]:
    """Return the cells of `difference_columns`."""
    return test.rate_first, test.rate_second, test.difference, (test.low, test.high)


def test_cells(test: PairedDifference) -> tuple[Value, ...]:
    """Return the last cells of a row: p, adjusted p, n, MDE."""
    return test.p, test.p_adjusted, test.n, test.mde


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
        if any(is_from_dataset(author.author) for author in (*selection.authors, selection.opponent)):
            caveats.append(CONDITIONED_CAVEAT)
    return caveats


def scope_caveat(selection: ContestSelection) -> str:
    """Return what the intervals of a table cover."""
    strategies = f" {SEEDS_CAVEAT}" if has_students(selection) else ""
    return f"Scope of every interval: {scope_of(selection)}.{strategies}"
