"""`empathy compare A B --opponent C`: is B better than A, by how much, and can we tell?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from agents.errors import UserError
from agents.types import Split
from harness.cli.options.common import (
    db_option,
    exclude_same_family_option,
    json_option,
    run,
    snapshot_option,
)
from harness.terminal.output import print_json, print_notes, print_table

if TYPE_CHECKING:
    from results.analysis.contest_selection import ContestSelection
    from results.analysis.noninferiority import NonInferiorityMargins
    from results.queries.contest_index import ContestIndex
    from results.render.table import Table

WIDTH = 132


@click.command()
@click.argument("authors", metavar="[A B]", nargs=-1)
@click.option("--opponent", required=True, metavar="C", help="The author that all were judged against.")
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="MODEL",
    help="Repeat for more. [default: every model that can say]",
)
@click.option("--all", "everyone", is_flag=True, help="Every author that was judged against the opponent.")
@click.option("--pairwise", is_flag=True, help="With --all: every pair of them.")
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@click.option("--soft", is_flag=True, help="Of the judges' probabilities instead of their verdicts.")
@click.option(
    "--worth",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.05,
    show_default=True,
    help="A difference of rates that would matter: what it would take to find it is told.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Is A as good as B within so much of a rate, 0.03 say? Choose it before anything is judged.",
)
@click.option(
    "--variance",
    "generations",
    metavar="K",
    type=click.IntRange(min=1),
    help="Where the noise is: the authors, with commas, are K generations of each training seed in turn.",
)
@click.option(
    "--by",
    type=click.Choice(["sentiment", "emotion", "none"]),
    default="sentiment",
    show_default=True,
    help="Two authors' difference by a property of the dialogues.",
)
@click.option("--single-orders", is_flag=True, help="Also exact McNemar tests of each order alone.")
@exclude_same_family_option
@snapshot_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resampling.")
@db_option
@json_option
def compare(
    authors: tuple[str, ...],
    opponent: str,
    judges: tuple[str, ...],
    everyone: bool,
    pairwise: bool,
    split: str,
    soft: bool,
    worth: float,
    margin: float | None,
    generations: int | None,
    by: str,
    single_orders: bool,
    without_kin: bool,
    snapshots: tuple[str, ...],
    seed: int,
    db: str,
    as_json: bool,
) -> None:
    """Compare authors that were judged against one opponent; nothing is asked.

    \b
    empathy compare student:A student:B --opponent base
    empathy compare --all --opponent base --judge openai/gpt-6-luna
    empathy compare student:A1,student:A2 student:B1,student:B2 --opponent base
    empathy compare student:A1,student:A2,student:A3 --opponent base
    empathy compare student:A openai/gpt-6-luna --opponent base --margin 0.03
    empathy compare student:A1,student:A2,student:A3 --opponent base --variance 1

    The contests come from the database, across runs: judge them first, with the same judge. Several
    training seeds of one strategy are written with commas between them; one such strategy alone is
    compared with the opponent.
    """
    one_side = generations is not None
    _check_sides(authors, everyone=everyone, pairwise=pairwise, one_side=one_side)

    async def main() -> tuple[ContestSelection, list[list[str]]]:
        from results.analysis.contest_selection import select_contests
        from results.db.store import Store
        from results.queries.contest_index import load_contest_index

        async with await Store.open(db, create=False) as store:
            groups = _groups(authors, await load_contest_index(store), one_side=one_side)
            names = [name for group in groups for name in group]
            if everyone or len(groups) == 1 or len(names) > 2:
                _refuse_for_two_only(everyone=everyone or one_side)
            asked = await select_contests(
                store,
                names,
                opponent,
                judges,
                split=Split(split),
                without_kin=without_kin,
                snapshots=snapshots,
            )
            return asked, groups

    selection, groups = run(main())
    names = [name for group in groups for name in group]
    if generations is not None:
        shown = _noise(selection, generations, soft=soft)
    elif everyone:
        shown = _everyone(selection, seed, pairwise=pairwise, soft=soft)
    elif len(groups) == 1 or len(names) > 2:
        shown = _strategies(selection, len(groups[0]), seed, soft=soft, margin=margin)
    else:
        by = "" if by == "none" else by
        shown = _two(
            selection, seed, soft=soft, worth=worth, single_orders=single_orders, by=by, margin=margin
        )
    _show(shown, as_json=as_json)


@dataclass(frozen=True)
class Shown:
    """What is printed: as data; or a table, then what it comes to, then what must be known."""

    data: dict[str, Any]
    table: Table | None
    lines: list[str]
    notes: list[str]


def _check_sides(authors: Sequence[str], *, everyone: bool, pairwise: bool, one_side: bool) -> None:
    """One or two sides are named, or everyone is meant.

    Args:
        one_side: a single side is wanted, of one author or more.

    Raises:
        UserError: another number of sides, or names beside --all.
    """
    if pairwise and not everyone:
        raise UserError("is for --all", where="--pairwise", remedy="Write --all --pairwise.")
    if everyone and (authors or one_side):
        raise UserError(
            "compares every author that was judged against the opponent",
            where="--all",
            found=" ".join([*authors, *(["--variance"] if one_side else [])]),
            remedy=f"Leave {'the names' if authors else '--variance'} away, or --all.",
        )
    if one_side and len(authors) != 1:
        raise UserError(
            "is about one side: the authors' names with commas between them",
            where="--variance",
            found=" ".join(authors) or "none",
            remedy="empathy compare A1,A2 --opponent C --variance 1",
        )
    if not everyone and (len(authors) not in (1, 2) or not all(side.strip(" ,") for side in authors)):
        raise _other_sides(authors)


def _other_sides(authors: Sequence[str]) -> UserError:
    return UserError(
        "two authors are compared, or two strategies, or one strategy's training seeds with the opponent",
        found=f"{len(authors)}: {' '.join(authors)}" if authors else "none",
        remedy="empathy compare A B --opponent C; A1,A2,A3 --opponent C; or --all for every author.",
    )


def _groups(authors: Sequence[str], contest_index: ContestIndex, *, one_side: bool) -> list[list[str]]:
    """The authors of each side: one, or a strategy's several training seeds.

    Raises:
        UserError: one author alone, where not one side is wanted.
    """
    groups = [contest_index.names_in(side) for side in authors]
    if len(groups) == 1 and len(groups[0]) == 1 and not one_side:
        raise _other_sides(authors)
    return groups


def _refuse_for_two_only(*, everyone: bool) -> None:
    """What is told of two authors (--margin: of two sides) alone is not asked for in vain.

    Raises:
        UserError: such an option was given.
    """
    given = click.get_current_context().get_parameter_source
    options = [("--by", "by"), ("--worth", "worth"), ("--single-orders", "single_orders")]
    asked = [
        option
        for option, name in (*options, *([("--margin", "margin")] if everyone else []))
        if given(name) is not ParameterSource.DEFAULT
    ]
    if asked:
        raise UserError(
            "is told of two authors only",
            where=", ".join(asked),
            found="more than two",
            remedy="Name two authors, or leave it away.",
        )


def _two(
    selection: ContestSelection,
    seed: int,
    *,
    soft: bool,
    worth: float,
    single_orders: bool,
    by: str,
    margin: float | None,
) -> Shown:
    from results.analysis.comparison import compare_pair
    from results.render import comparison as telling
    from results.render.comparison_data import compared_data

    found = compare_pair(
        selection, seed=seed, soft=soft, min_effect=worth, single_orders=single_orders, by=by
    )
    shown = Shown(
        compared_data(found),
        telling.comparison_table(found),
        telling.comparison_lines(found),
        telling.comparison_notes(found),
    )
    if margin is None:
        return shown
    from results.analysis.noninferiority import noninferiority_margins

    return _with_margin(shown, noninferiority_margins(found, margin))


def _with_margin(shown: Shown, margins: NonInferiorityMargins) -> Shown:
    from results.render.noninferiority import margins_data, margins_lines

    data = {**shown.data, "non_inferiority": margins_data(margins)}
    return replace(shown, data=data, lines=[*shown.lines, *margins_lines(margins)])


def _noise(selection: ContestSelection, generations: int, *, soft: bool) -> Shown:
    from results.analysis.variance import analyze_variance
    from results.render.variance import noise_data, noise_lines, noise_notes

    noise = analyze_variance(selection, generations, soft=soft)
    return Shown(noise_data(noise), None, noise_lines(noise), noise_notes(noise))


def _everyone(selection: ContestSelection, seed: int, *, pairwise: bool, soft: bool) -> Shown:
    from results.analysis.best_author import best_authors
    from results.analysis.multi_comparison import compare_authors
    from results.render import multi_comparison as telling
    from results.render.best_author import winners_data, winners_lines
    from results.render.comparison_data import multi_comparison_data

    found = compare_authors(selection, seed=seed, pairwise=pairwise, soft=soft)
    winners = best_authors(found)
    return Shown(
        {**multi_comparison_data(found), "best": winners_data(winners)},
        telling.multi_comparison_table(found),
        winners_lines(winners),
        telling.multi_comparison_notes(found),
    )


def _strategies(
    selection: ContestSelection, first: int, seed: int, *, soft: bool, margin: float | None
) -> Shown:
    from results.analysis.training_seeds import compare_training_seeds
    from results.render import training_seeds as telling
    from results.render.comparison_data import strategies_data

    found = compare_training_seeds(selection, first, seed=seed, soft=soft)
    shown = Shown(
        strategies_data(found), None, telling.strategies_lines(found), telling.strategies_notes(found)
    )
    if margin is None:
        return shown
    from results.analysis.noninferiority import seed_noninferiority_margins

    return _with_margin(shown, seed_noninferiority_margins(found, margin))


def _show(shown: Shown, *, as_json: bool) -> None:
    """The result: to stdout."""
    if as_json:
        print_json(shown.data)
        return
    if shown.table is not None:
        print_table(shown.table)
    print_notes(shown.lines, dim=False)
    print_notes(shown.notes)
