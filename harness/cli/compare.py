"""Command `empathy compare A B --opponent C`: compare authors by their win rates against an opponent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

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
    help="Smallest relevant difference of win rates; the required sample size is shown for it. "
    "[default: 0.05]",
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
    help="Show the difference of two authors by this dialogue property. [default: sentiment]",
)
@click.option("--single-orders", is_flag=True, help="Also show exact McNemar tests of each order.")
@exclude_same_family_option
@snapshot_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@db_option
@json_option
def compare(authors: tuple[str, ...], split: str, db: str, as_json: bool, **rest: Any) -> None:
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
    from harness.workflows.comparison import ComparisonOptions
    from harness.workflows.comparison import compare as compare_authors
    from harness.workflows.workspace import Workspace

    options = ComparisonOptions(sides=authors, split=Split(split), **rest)
    options.check_sides()

    async def main() -> Rendering:
        async with Workspace(db) as workspace:
            return await compare_authors(workspace, options)

    print_rendering(run(main()), as_json=as_json)
