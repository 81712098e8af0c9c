"""Options of `empathy judge`: the contest, and its judgment with a cheap and a gold judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT
from agents.types import Fidelity, Split
from harness.cli.options.aliases import renamed_option
from harness.cli.options.common import exclude_same_family_option, snapshot_option
from harness.cli.options.groups import option_group

if TYPE_CHECKING:
    from harness.workflows.contest import CheapGoldOptions

DEFAULT_SHARE = 0.2
NEEDS_ALL_VERDICTS = ("stop_when", "exclude_same_family", "group_by", "length_control")


class UnlessCheapAndGold(click.Option):
    """Option that is required unless `--cheap` and `--gold` are given."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Make the option optional if `--cheap` or `--gold` is given."""
        if not {"cheap", "gold", "gold_share", "stratified"} & set(opts):
            return super().handle_parse_result(ctx, opts, args)
        required, self.required = self.required, False
        try:
            return super().handle_parse_result(ctx, opts, args)
        finally:
            self.required = required  # the command object outlives this call


contest_options = option_group(
    click.option(
        "--judge",
        "judges",
        cls=UnlessCheapAndGold,
        multiple=True,
        required=True,
        metavar="MODEL",
        help="Judge; repeat for more.",
    ),
    click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="Prompt of the judges."),
    click.option(
        "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset."),
    click.option(
        "--samples",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Number of verdicts per comparison.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0),
        help="Temperature of the judges; 0 with --samples measures repeatability. [default: 0; unset with "
        "--samples and with fidelity 'paper']",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
    ),
    click.option(
        "--fidelity",
        type=click.Choice([fidelity.value for fidelity in Fidelity]),
        default="ours",
        show_default=True,
        help="'paper' and 'released' leave the judges' temperature unset; 'released' uses the prompts of the "
        "paper's scripts (empathy prompts fetch).",
    ),
    click.option("--retry-unscored", is_flag=True, help="Ask again for unscored comparisons."),
    renamed_option(
        "--stop-when",
        "--until",
        metavar="decided|WIDTH",
        help="Early stopping: stop when the contest is 'decided', or at an interval half-width such as 0.10.",
    ),
    click.option(
        "--estimand",
        type=click.Choice(["population", "these-dialogues"]),
        default="population",
        show_default=True,
        help="What the interval of --stop-when estimates. For these dialogues, a result is known, not "
        "decided.",
    ),
    exclude_same_family_option,
    renamed_option(
        "--group-by",
        "--by",
        type=click.Choice(["sentiment", "emotion"]),
        help="Also show the win rate by this dialogue property.",
    ),
    click.option("--length-control", is_flag=True, help="Also show the win rate at equal length."),
    snapshot_option,
)
"""Fields of `harness.workflows.contest.ContestOptions`."""


cheap_gold_options = option_group(
    click.option("--cheap", metavar="MODEL", help="With --gold: the cheap judge, used on every dialogue."),
    click.option("--gold", metavar="MODEL", help="The expensive judge, used on a random share of dialogues."),
    click.option(
        "--gold-share",
        type=float,
        metavar="S",
        help=f"Share of dialogues for the gold judge. [default: {DEFAULT_SHARE}]",
    ),
    click.option(
        "--stratified",
        is_flag=True,
        help="Use the gold judge more often on dialogues where the cheap one is inconsistent.",
    ),
)


def take_cheap_gold(arguments: dict[str, Any], *, excluded: tuple[Any, ...]) -> CheapGoldOptions | None:
    """Remove the values of `cheap_gold_options` from a command's arguments; None if they are not given.

    Args:
        excluded: values of further options that they exclude.

    Raises:
        UserError: only one judge is given, both are the same, or another option excludes them.
    """
    cheap, gold, share = (arguments.pop(name) for name in ("cheap", "gold", "gold_share"))
    stratified = arguments.pop("stratified")
    if cheap is None and gold is None and share is None and not stratified:
        return None
    if cheap is None or gold is None or cheap == gold:
        raise UserError(
            "--cheap and --gold need two different judges",
            code="cheap-gold.judges",
            where="--cheap, --gold",
            found=f"--cheap {cheap}, --gold {gold}",
            remedy="Name two different judges.",
        )
    if arguments["judges"] or any(excluded) or any(arguments[name] for name in NEEDS_ALL_VERDICTS):
        raise UserError(
            "--cheap and --gold do not combine with this option",
            code="option.conflict",
            where="--cheap, --gold",
            found="--judge, --stop-when, --exclude-same-family, --group-by, --length-control, --report or "
            "--assume",
            remedy="Remove it; both runs are stored, and each has its own report.",
        )
    from harness.workflows.contest import CheapGoldOptions

    return CheapGoldOptions(
        cheap=cheap, gold=gold, share=DEFAULT_SHARE if share is None else share, stratified=stratified
    )
