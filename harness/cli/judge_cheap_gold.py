"""Options and output of `empathy judge A B --cheap M --gold M --gold-share S`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import Judge
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agents.judge import Judge
    from agents.models.spec import Model
    from agents.types import Split
    from harness.cli.options.common import CallOptions
    from harness.engine.run import RequestSettings
    from harness.workflows.judge import JudgingPlan
    from results.analysis.cheap_gold import CheapGoldResult
    from results.db.store import Store

DEFAULT_SHARE = 0.2


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


def cheap_gold_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--cheap`, `--gold`, `--gold-share` and `--stratified`."""
    options = [
        click.option(
            "--cheap", metavar="MODEL", help="With --gold: the cheap judge, used on every dialogue."
        ),
        click.option(
            "--gold", metavar="MODEL", help="The expensive judge, used on a random share of dialogues."
        ),
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
    ]
    for option in reversed(options):
        command = option(command)
    return command


def check(
    judges: tuple[str, ...],
    cheap: str | None,
    gold: str | None,
    share: float | None,
    excluded: tuple[Any, ...],
    *,
    stratified: bool,
) -> bool:
    """Return whether the contest is judged with a cheap and a gold judge.

    Raises:
        UserError: if only one of the two is given, both are the same, or another option excludes them.
    """
    if cheap is None and gold is None and share is None and not stratified:
        return False
    if cheap is None or gold is None or cheap == gold:
        raise UserError(
            "--cheap and --gold need two different judges",
            code="cheap-gold.judges",
            where="--cheap, --gold",
            found=f"--cheap {cheap}, --gold {gold}",
            remedy="Name two different judges.",
        )
    if judges or any(excluded):
        raise UserError(
            "--cheap and --gold do not combine with this option",
            code="option.conflict",
            where="--cheap, --gold",
            found=(
                "--judge, --stop-when, --exclude-same-family, --group-by, --length-control, "
                "--report or --assume"
            ),
            remedy="Remove it; both runs are stored, and each has its own report.",
        )
    return True


def judge_cheap_and_gold(
    a: str,
    b: str,
    cheap: str,
    gold: str,
    share: float,
    *,
    stratified: bool,
    calls: CallOptions,
    settings: RequestSettings,
    judge_of: Callable[[Model], Judge],
    data: str | None,
    db: str,
    split: Split,
    limit: int | None,
    samples: int,
    seed: int,
    retry_unscored: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run both judges, combine their verdicts, print the estimate, and exit."""
    from harness.cli.options.common import run
    from harness.cli.output import confirm_cost, exit_with_status

    async def main() -> CheapGoldResult | None:
        from harness.data.author_resolver import resolve_author
        from harness.data.dataset import load
        from harness.workflows.judge import plan_judging
        from harness.workflows.judge_cheap_gold import gold_subset, judge_cheap_gold
        from results.db.store import Store

        dataset = load(data)
        with calls.models((cheap, gold)) as (registry, models):
            if len(models) != 2:
                matching = ", ".join(model.id for model in models)
                raise UserError(
                    "--cheap and --gold need one judge each",
                    code="cheap-gold.judges",
                    where="--cheap, --gold",
                    found=matching,
                    remedy="Name one model with each of them.",
                )
            first, second = map(judge_of, models)
            async with await Store.open(db) as store:
                plan = plan_judging(
                    dataset,
                    await resolve_author(a, dataset, store),
                    await resolve_author(b, dataset, store),
                    [first],
                    split=split,
                    limit=limit,
                    samples=samples,
                    seed=seed,
                )
                of_gold = gold_subset(plan, second, share)
                if dry_run:
                    await _print_cost(store, (plan, of_gold), settings, as_json, retry_unscored)
                    return None
                if not calls.yes and not calls.emulate:
                    await confirm_cost(store, plan, settings)
                    await confirm_cost(store, of_gold, settings)
                return await judge_cheap_gold(
                    store,
                    registry,
                    plan,
                    of_gold,
                    settings,
                    retry_unscored=retry_unscored,
                    stratified=stratified,
                )

    done = run(main())
    if done is None:
        return
    from results.render.cheap_gold import render_cheap_gold

    print_rendering(render_cheap_gold(done), as_json=as_json)
    exit_with_status(done.cheap, calls.require_one_model)
    exit_with_status(done.gold, calls.require_one_model)


async def _print_cost(
    store: Store, plans: Sequence[JudgingPlan], settings: RequestSettings, as_json: bool, retry_unscored: bool
) -> None:
    """Print the estimated requests and cost of both judges; send nothing."""
    from harness.workflows.cost_tables import render_judging_cost
    from harness.workflows.judge_cost import estimate_judging_cost

    estimates = [
        each
        for plan in plans
        for each in await estimate_judging_cost(store, plan, settings, retry_unscored=retry_unscored)
    ]
    print_rendering(render_judging_cost(estimates), as_json=as_json)
