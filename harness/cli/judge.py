"""Command `empathy judge A B`: judge two authors, each pair in both orders, with every given judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge, judge_temperature, select_judge_prompt
from agents.models.spec import Model
from agents.types import Fidelity, Split
from harness.cli.judge_cheap_gold import (
    DEFAULT_SHARE,
    UnlessCheapAndGold,
    cheap_gold_options,
    check,
    judge_cheap_and_gold,
)
from harness.cli.options.aliases import renamed_option
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    exclude_same_family_option,
    json_option,
    library,
    prompts_option,
    run,
    snapshot_option,
)
from harness.cli.options.design import design_options, foresee_design, parse_assumptions
from harness.cli.output import confirm_cost, exit_with_status, select_judges
from harness.cli.report import write_page
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from harness.workflows.judge import JudgingPlan
    from results.analysis.breakdowns import Breakdowns
    from results.analysis.contest_results import JudgingResult
    from results.analysis.early_stopping import StoppingRule
    from results.db.store import Store

PROPERTIES = ("sentiment", "emotion")


@click.command()
@click.argument("a", metavar="A", type=AUTHOR)
@click.argument("b", metavar="B", type=AUTHOR)
@click.option(
    "--judge",
    "judges",
    cls=UnlessCheapAndGold,
    multiple=True,
    required=True,
    metavar="MODEL",
    help="Judge; repeat for more.",
)
@click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="Prompt of the judges.")
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of verdicts per comparison.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    help="Temperature of the judges; 0 with --samples measures repeatability. [default: 0; unset with "
    "--samples and with fidelity 'paper']",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
)
@click.option(
    "--fidelity",
    type=click.Choice(["paper", "released", "ours"]),
    default="ours",
    show_default=True,
    help="'paper' and 'released' leave the judges' temperature unset; 'released' uses the prompts of the "
    "paper's scripts (empathy prompts fetch).",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again for unscored comparisons.")
@renamed_option(
    "--stop-when",
    "--until",
    metavar="decided|WIDTH",
    help="Early stopping: stop when the contest is 'decided', or at an interval half-width such as 0.10.",
)
@click.option(
    "--estimand",
    type=click.Choice(["population", "these-dialogues"]),
    default="population",
    show_default=True,
    help="What the interval of --stop-when estimates. For these dialogues, a result is known, not decided.",
)
@cheap_gold_options
@exclude_same_family_option
@renamed_option(
    "--group-by",
    "--by",
    type=click.Choice(PROPERTIES),
    help="Also show the win rate by this dialogue property.",
)
@click.option("--length-control", is_flag=True, help="Also show the win rate at equal length.")
@snapshot_option
@click.option(
    "--dry-run", is_flag=True, help="Print requests, tokens, time, cost and detectable effects; send nothing."
)
@design_options
@click.option(
    "--report",
    "report_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report to this file.",
)
@data_option
@db_option
@prompts_option
@json_option
@call_options
def judge(
    a: str,
    b: str,
    judges: tuple[str, ...],
    judge_prompt: str,
    split: str,
    limit: int | None,
    samples: int,
    temperature: float | None,
    seed: int,
    fidelity: str,
    retry_unscored: bool,
    stop_when: str | None,
    estimand: str,
    cheap: str | None,
    gold: str | None,
    gold_share: float | None,
    stratified: bool,
    exclude_same_family: bool,
    group_by: str | None,
    length_control: bool,
    snapshots: tuple[str, ...],
    dry_run: bool,
    assumptions: tuple[str, ...],
    min_effect: float,
    report_to: Path | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Judge author A against author B on the dialogues that have a response of both.

    Authors: dataset:human, dataset:gpt-4, file:PATH, openai/gpt-6-luna, student:NAME, …
    Judges: openai/gpt-6-luna, google/gemini-3.5-flash-lite, control/ratings, paper-judges, …

    \b
    empathy judge dataset:gpt-4 dataset:human --judge control/ratings
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-6-luna --emulate
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-6-luna --stop-when decided

    Verdicts are stored as they arrive; run the same command again to request only what is missing.
    """
    calls = CallOptions.take(rest)
    settings = calls.settings()
    _check_assumptions(assumptions, dry_run=dry_run)
    stopping_rule = _parse_stopping_rule(stop_when, estimand, excluded=(group_by, length_control, report_to))
    judge_of = _judge_factory(prompts_folder, judge_prompt, Fidelity(fidelity), samples, temperature)
    excluded = (stop_when, exclude_same_family, group_by, length_control, report_to, assumptions)
    if check(judges, cheap, gold, gold_share, excluded, stratified=stratified):
        judge_cheap_and_gold(
            a,
            b,
            str(cheap),
            str(gold),
            DEFAULT_SHARE if gold_share is None else gold_share,
            stratified=stratified,
            calls=calls,
            settings=settings,
            judge_of=judge_of,
            data=data,
            db=db,
            split=Split(split),
            limit=limit,
            samples=samples,
            seed=seed,
            retry_unscored=retry_unscored,
            dry_run=dry_run,
            as_json=as_json,
        )
        return

    async def main() -> tuple[JudgingResult, str, Breakdowns] | None:
        from harness.data.author_resolver import resolve_author
        from harness.data.dataset import load
        from harness.workflows.judge import judge_contest, plan_judging
        from results.analysis.breakdowns import compute_breakdowns
        from results.db.store import Store

        dataset = load(data)
        with calls.models(tuple(dict.fromkeys(judges))) as (registry, models):
            all_judges = [judge_of(model) for model in models]
            async with await Store.open(db) as store:
                first, second = (
                    await resolve_author(a, dataset, store),
                    await resolve_author(b, dataset, store),
                )
                plan = plan_judging(
                    dataset,
                    first,
                    second,
                    await select_judges(store, all_judges, (first.set, second.set), exclude_same_family),
                    split=Split(split),
                    limit=limit,
                    samples=samples,
                    seed=seed,
                    until=stopping_rule,
                )
                _print_feasibility(plan)
                if dry_run:
                    from harness.workflows.cost_tables import render_judging_cost
                    from harness.workflows.judge_cost import estimate_judging_cost

                    design = foresee_design(
                        assumptions, min_effect, len(plan.dialogues), samples=plan.samples
                    )
                    estimates = await estimate_judging_cost(
                        store, plan, settings, retry_unscored=retry_unscored
                    )
                    print_rendering(render_judging_cost(estimates) + design, as_json=as_json)
                    if plan.until is not None:
                        print_message("With --stop-when, these numbers are upper bounds.")
                    return None
                if not calls.yes and not calls.emulate:
                    await confirm_cost(store, plan, settings, retry_unscored)
                summary = await judge_contest(
                    store, registry, plan, settings, retry_unscored=retry_unscored, snapshots=snapshots
                )
                page = await _render_report(store, summary, snapshots) if report_to is not None else ""
                breakdowns = await compute_breakdowns(
                    store, summary, seed=seed, by=group_by, length=length_control
                )
                return summary, page, breakdowns

    result = run(main())
    if result is None:
        return
    summary, page, breakdowns = result
    from results.render.judging import render_judging

    print_rendering(render_judging(summary, breakdowns), as_json=as_json)
    if report_to is not None:
        write_page(report_to, page)
        print_message(f"Report: {report_to}")
    exit_with_status(summary, calls.require_one_model)


def _check_assumptions(assumptions: tuple[str, ...], *, dry_run: bool) -> None:
    """Check `--assume` before anything is loaded.

    Raises:
        UserError: if an assumption is invalid, or `--dry-run` is missing.
    """
    if assumptions and not dry_run:
        raise UserError(
            "--assume needs --dry-run",
            code="option.missing",
            where="--assume",
            found=", ".join(assumptions),
            remedy="Add --dry-run.",
        )
    parse_assumptions(assumptions)


def _parse_stopping_rule(
    stop_when: str | None, estimand: str, *, excluded: tuple[Any, ...]
) -> StoppingRule | None:
    """Return the stopping rule.

    Args:
        excluded: values of the options that need every dialogue.

    Raises:
        UserError: if the rule is invalid, or an excluded option is given.
    """
    if stop_when is None:
        return None
    from results.analysis.early_stopping import parse_stopping_rule

    if any(excluded):
        raise UserError(
            "early stopping does not combine with this option",
            code="option.conflict",
            where="--stop-when",
            found="--group-by, --length-control or --report",
            remedy="Remove --stop-when to judge every dialogue.",
        )
    return parse_stopping_rule(stop_when, estimand)


def _print_feasibility(plan: JudgingPlan) -> None:
    """Print the interval width that early stopping can reach with these dialogues."""
    if plan.until is None:
        return
    from results.analysis.early_stopping import check_feasible

    feasibility = check_feasible(len(plan.dialogues), plan.until, len(plan.judges))
    if plan.until.half_width is not None:
        print_message(f"Stopping when {plan.until} ({plan.until.estimand}): {feasibility.note}.")


async def _render_report(store: Store, summary: JudgingResult, snapshots: tuple[str, ...]) -> str:
    from results.report import render

    return await render(store, summary.run_id, snapshots=snapshots)


def _judge_factory(
    folder: Path | None, name: str, fidelity: Fidelity, samples: int, temperature: float | None
) -> Callable[[Model], Judge]:
    """Return a function that makes a judge of a model.

    Args:
        temperature: the `--temperature` option; None for the default of the fidelity.
    """
    prompts = library(folder)
    if temperature is None:
        temperature = judge_temperature(fidelity, samples)

    def make_judge(model: Model) -> Judge:
        return Judge(
            model, select_judge_prompt(model, name, fidelity, prompts, "--judge-prompt"), temperature
        )

    return make_judge
