"""Comparison of authors by their win rates against one opponent, from stored verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.errors import UserError
from agents.types import Split
from harness.workflows.workspace import Workspace
from results.analysis.best_author import best_authors
from results.analysis.comparison import compare_pair
from results.analysis.contest_selection import ContestSelection, select_contests
from results.analysis.multi_comparison import compare_authors
from results.analysis.noninferiority import noninferiority_margins, seed_noninferiority_margins
from results.analysis.training_seeds import compare_training_seeds
from results.analysis.variance import analyze_variance
from results.queries.contest_index import load_contest_index
from results.render.best_author import render_best_author
from results.render.comparison import render_comparison
from results.render.multi_comparison import render_multi_comparison
from results.render.noninferiority import render_noninferiority
from results.render.rendering import Rendering
from results.render.training_seeds import render_training_seeds
from results.render.variance import render_variance

DEFAULT_MIN_EFFECT = 0.05
DEFAULT_GROUP_BY = "sentiment"


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """Authors to compare and their opponent.

    Attributes:
        sides: one or two sides; a side is an author, or the training seeds of one strategy joined by commas.
        opponent: the author that all were judged against.
        judges: names of judges; empty for every judge of all contests.
        everyone: whether to compare every author that was judged against the opponent.
        pairwise: with `everyone`, whether to compare every pair.
        split: split of the contests.
        soft: whether to use the judges' probabilities.
        min_effect: smallest relevant difference of win rates, in (0, 1]; two authors only. None for 0.05.
        margin: non-inferiority margin of the win rate, in (0, 1); None for no test.
        generations: number of generations of each training seed, for variance components; None for none.
        group_by: "sentiment", "emotion" or "none"; two authors only. None for "sentiment".
        single_orders: whether to add tests of each order; two authors only.
        exclude_same_family: whether to exclude judges of an author's model family.
        snapshots: answering models to restrict to.
        seed: of the bootstrap.
    """

    sides: tuple[str, ...] = ()
    opponent: str
    judges: tuple[str, ...] = ()
    everyone: bool = False
    pairwise: bool = False
    split: Split = Split.TEST
    soft: bool = False
    min_effect: float | None = None
    margin: float | None = None
    generations: int | None = None
    group_by: str | None = None
    single_orders: bool = False
    exclude_same_family: bool = False
    snapshots: tuple[str, ...] = ()
    seed: int = 0

    def check_sides(self) -> None:
        """Check the number of sides.

        Raises:
            UserError: it is wrong.
        """
        has_generations = self.generations is not None
        if self.pairwise and not self.everyone:
            raise UserError(
                "--pairwise needs --all",
                code="option.missing",
                where="--pairwise",
                remedy="Write --all --pairwise.",
            )
        if self.everyone and (self.sides or has_generations):
            raise UserError(
                "--all already compares every author that was judged against the opponent",
                code="option.conflict",
                where="--all",
                found=" ".join([*self.sides, *(["--variance"] if has_generations else [])]),
                remedy=f"Remove --all, or remove {'the names' if self.sides else '--variance'}.",
            )
        if has_generations and len(self.sides) != 1:
            raise UserError(
                "--variance needs exactly one side",
                code="comparison.sides",
                where="--variance",
                found=" ".join(self.sides) or "none",
                remedy="Join the authors with commas: empathy compare A1,A2 --opponent C --variance 1",
            )
        if not self.everyone and (
            len(self.sides) not in (1, 2) or not all(side.strip(" ,") for side in self.sides)
        ):
            raise _sides_error(self.sides)

    def check_pair_options(self) -> None:
        """Check that no option is given that needs exactly two authors (`margin`: two sides).

        Raises:
            UserError: one is given.
        """
        needs_sides = self.everyone or self.generations is not None
        given = {
            "--group-by": self.group_by is not None,
            "--min-effect": self.min_effect is not None,
            "--single-orders": self.single_orders,
            "--margin": needs_sides and self.margin is not None,
        }
        if any(given.values()):
            raise UserError(
                "this option needs exactly two authors",
                code="comparison.needs-two-authors",
                where=", ".join(option for option, is_given in given.items() if is_given),
                found="more than two",
                remedy="Name two authors, or remove the option.",
            )


async def compare(workspace: Workspace, options: ComparisonOptions) -> Rendering:
    """Compare authors and return the result, rendered.

    Raises:
        UserError: an author, a judge or an option is invalid, or a needed contest is missing.
    """
    options.check_sides()
    store = await workspace.store()
    index = await load_contest_index(store)
    groups = [index.names_in(side) for side in options.sides]
    if len(groups) == 1 and len(groups[0]) == 1 and options.generations is None:
        raise _sides_error(options.sides)
    names = [name for group in groups for name in group]
    if len(names) != 2 or len(groups) == 1:
        options.check_pair_options()
    selection = await select_contests(
        store,
        names,
        options.opponent,
        options.judges,
        split=options.split,
        exclude_same_family=options.exclude_same_family,
        snapshots=options.snapshots,
    )
    if options.generations is not None:
        return render_variance(analyze_variance(selection, options.generations, soft=options.soft))
    if options.everyone:
        comparison = compare_authors(
            selection, seed=options.seed, pairwise=options.pairwise, soft=options.soft
        )
        return render_multi_comparison(comparison) + render_best_author(best_authors(comparison))
    if len(groups) == 1 or len(names) > 2:
        return _compare_strategies(selection, len(groups[0]), options)
    return _compare_pair(selection, options)


def _compare_pair(selection: ContestSelection, options: ComparisonOptions) -> Rendering:
    """Compare two authors."""
    group_by = options.group_by or DEFAULT_GROUP_BY
    comparison = compare_pair(
        selection,
        seed=options.seed,
        soft=options.soft,
        min_effect=DEFAULT_MIN_EFFECT if options.min_effect is None else options.min_effect,
        single_orders=options.single_orders,
        by="" if group_by == "none" else group_by,
    )
    rendering = render_comparison(comparison)
    if options.margin is not None:
        rendering += render_noninferiority(noninferiority_margins(comparison, options.margin))
    return rendering


def _compare_strategies(selection: ContestSelection, first: int, options: ComparisonOptions) -> Rendering:
    """Compare two strategies by their training seeds, or one with the opponent."""
    comparison = compare_training_seeds(selection, first, seed=options.seed, soft=options.soft)
    rendering = render_training_seeds(comparison)
    if options.margin is not None:
        rendering += render_noninferiority(seed_noninferiority_margins(comparison, options.margin))
    return rendering


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
