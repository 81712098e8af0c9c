"""Command `empathy compare A B --opponent C`: compare authors by their win rates against an opponent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from agents.errors import UserError
from agents.types import Split
from harness.cli.options.aliases import renamed_option
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import (
    db_option,
    exclude_same_family_option,
    json_option,
    run,
    snapshot_option,
)
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from results.analysis.contest_selection import ContestSelection
    from results.queries.contest_index import ContestIndex
    from results.render.rendering import Rendering


@click.command()
@click.argument("authors", metavar="[A B]", nargs=-1, type=AUTHOR)
@click.option(
    "--opponent", required=True, type=AUTHOR, metavar="C", help="The author that A and B were judged against."
)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="MODEL",
    help="Judge; repeat for more. [default: every judge of both contests]",
)
@click.option(
    "--all", "everyone", is_flag=True, help="Compare every author that was judged against the opponent."
)
@click.option("--pairwise", is_flag=True, help="With --all: compare every pair of authors.")
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@click.option("--soft", is_flag=True, help="Use the judges' probabilities instead of their verdicts.")
@renamed_option(
    "--min-effect",
    "--worth",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.05,
    show_default=True,
    help="Smallest relevant difference of win rates; the required sample size is shown for it.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Non-inferiority margin of the win rate, such as 0.03. Choose it before judging.",
)
@click.option(
    "--variance",
    "generations",
    metavar="K",
    type=click.IntRange(min=1),
    help="Variance components: the authors, separated by commas, are K generations of each training seed.",
)
@renamed_option(
    "--group-by",
    "--by",
    type=click.Choice(["sentiment", "emotion", "none"]),
    default="sentiment",
    show_default=True,
    help="Show the difference of two authors by this dialogue property.",
)
@click.option("--single-orders", is_flag=True, help="Also show exact McNemar tests of each order.")
@exclude_same_family_option
@snapshot_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
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
    min_effect: float,
    margin: float | None,
    generations: int | None,
    group_by: str,
    single_orders: bool,
    exclude_same_family: bool,
    snapshots: tuple[str, ...],
    seed: int,
    db: str,
    as_json: bool,
) -> None:
    """Compare authors by their win rates against one opponent, from stored verdicts.

    \b
    empathy compare student:A student:B --opponent base
    empathy compare --all --opponent base --judge openai/gpt-6-luna
    empathy compare student:A1,student:A2 student:B1,student:B2 --opponent base
    empathy compare student:A1,student:A2,student:A3 --opponent base
    empathy compare student:A openai/gpt-6-luna --opponent base --margin 0.03
    empathy compare student:A1,student:A2,student:A3 --opponent base --variance 1

    The contests come from the database, across runs; judge them first, with the same judge. Separate the
    training seeds of one strategy by commas. A single strategy is compared with the opponent.
    """
    one_side = generations is not None
    _check_sides(authors, everyone=everyone, pairwise=pairwise, one_side=one_side)

    async def main() -> tuple[ContestSelection, list[list[str]]]:
        from results.analysis.contest_selection import select_contests
        from results.db.store import Store
        from results.queries.contest_index import load_contest_index

        async with await Store.open(db, create=False) as store:
            groups = _parse_groups(authors, await load_contest_index(store), one_side=one_side)
            names = [name for group in groups for name in group]
            if everyone or len(groups) == 1 or len(names) > 2:
                _check_pair_options(everyone=everyone or one_side)
            selection = await select_contests(
                store,
                names,
                opponent,
                judges,
                split=Split(split),
                exclude_same_family=exclude_same_family,
                snapshots=snapshots,
            )
            return selection, groups

    selection, groups = run(main())
    names = [name for group in groups for name in group]
    if generations is not None:
        output = _analyze_variance(selection, generations, soft=soft)
    elif everyone:
        output = _compare_everyone(selection, seed, pairwise=pairwise, soft=soft)
    elif len(groups) == 1 or len(names) > 2:
        output = _compare_strategies(selection, len(groups[0]), seed, soft=soft, margin=margin)
    else:
        output = _compare_pair(
            selection,
            seed,
            soft=soft,
            min_effect=min_effect,
            single_orders=single_orders,
            group_by="" if group_by == "none" else group_by,
            margin=margin,
        )
    print_rendering(output, as_json=as_json)


def _check_sides(authors: Sequence[str], *, everyone: bool, pairwise: bool, one_side: bool) -> None:
    """Check the number of sides.

    Args:
        everyone: whether `--all` is given; then no side may be named.
        one_side: whether exactly one side is needed.

    Raises:
        UserError: if the number of sides is wrong.
    """
    if pairwise and not everyone:
        raise UserError(
            "--pairwise needs --all",
            code="option.missing",
            where="--pairwise",
            remedy="Write --all --pairwise.",
        )
    if everyone and (authors or one_side):
        raise UserError(
            "--all already compares every author that was judged against the opponent",
            code="option.conflict",
            where="--all",
            found=" ".join([*authors, *(["--variance"] if one_side else [])]),
            remedy=f"Remove --all, or remove {'the names' if authors else '--variance'}.",
        )
    if one_side and len(authors) != 1:
        raise UserError(
            "--variance needs exactly one side",
            code="comparison.sides",
            where="--variance",
            found=" ".join(authors) or "none",
            remedy="Join the authors with commas: empathy compare A1,A2 --opponent C --variance 1",
        )
    if not everyone and (len(authors) not in (1, 2) or not all(side.strip(" ,") for side in authors)):
        raise _sides_error(authors)


def _sides_error(authors: Sequence[str]) -> UserError:
    return UserError(
        "wrong number of sides to compare",
        code="comparison.sides",
        where="AUTHORS",
        found=f"{len(authors)}: {' '.join(authors)}" if authors else "none",
        remedy=(
            "Write: empathy compare A B --opponent C; empathy compare A1,A2,A3 --opponent C "
            "(training seeds "
            "of one strategy); or --all for every author."
        ),
    )


def _parse_groups(authors: Sequence[str], index: ContestIndex, *, one_side: bool) -> list[list[str]]:
    """Return the authors of each side: one author, or the training seeds of one strategy.

    Raises:
        UserError: if only one author is named but two sides are needed.
    """
    groups = [index.names_in(side) for side in authors]
    if len(groups) == 1 and len(groups[0]) == 1 and not one_side:
        raise _sides_error(authors)
    return groups


def _check_pair_options(*, everyone: bool) -> None:
    """Reject options that need exactly two authors (`--margin`: two sides).

    Raises:
        UserError: if one of them is given.
    """
    source_of = click.get_current_context().get_parameter_source
    options = [
        ("--group-by", "group_by"),
        ("--min-effect", "min_effect"),
        ("--single-orders", "single_orders"),
    ]
    repeated = [
        option
        for option, name in (*options, *([("--margin", "margin")] if everyone else []))
        if source_of(name) is not ParameterSource.DEFAULT
    ]
    if repeated:
        raise UserError(
            "this option needs exactly two authors",
            code="comparison.needs-two-authors",
            where=", ".join(repeated),
            found="more than two",
            remedy="Name two authors, or remove the option.",
        )


def _compare_pair(
    selection: ContestSelection,
    seed: int,
    *,
    soft: bool,
    min_effect: float,
    single_orders: bool,
    group_by: str,
    margin: float | None,
) -> Rendering:
    from results.analysis.comparison import compare_pair
    from results.analysis.noninferiority import noninferiority_margins
    from results.render.comparison import render_comparison
    from results.render.noninferiority import render_noninferiority

    comparison = compare_pair(
        selection, seed=seed, soft=soft, min_effect=min_effect, single_orders=single_orders, by=group_by
    )
    rendering = render_comparison(comparison)
    if margin is not None:
        rendering += render_noninferiority(noninferiority_margins(comparison, margin))
    return rendering


def _analyze_variance(selection: ContestSelection, generations: int, *, soft: bool) -> Rendering:
    from results.analysis.variance import analyze_variance
    from results.render.variance import render_variance

    return render_variance(analyze_variance(selection, generations, soft=soft))


def _compare_everyone(selection: ContestSelection, seed: int, *, pairwise: bool, soft: bool) -> Rendering:
    from results.analysis.best_author import best_authors
    from results.analysis.multi_comparison import compare_authors
    from results.render.best_author import render_best_author
    from results.render.multi_comparison import render_multi_comparison

    comparison = compare_authors(selection, seed=seed, pairwise=pairwise, soft=soft)
    return render_multi_comparison(comparison) + render_best_author(best_authors(comparison))


def _compare_strategies(
    selection: ContestSelection, first: int, seed: int, *, soft: bool, margin: float | None
) -> Rendering:
    from results.analysis.noninferiority import seed_noninferiority_margins
    from results.analysis.training_seeds import compare_training_seeds
    from results.render.noninferiority import render_noninferiority
    from results.render.training_seeds import render_training_seeds

    comparison = compare_training_seeds(selection, first, seed=seed, soft=soft)
    rendering = render_training_seeds(comparison)
    if margin is not None:
        rendering += render_noninferiority(seed_noninferiority_margins(comparison, margin))
    return rendering
