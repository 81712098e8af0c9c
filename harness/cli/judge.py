"""`empathy judge A B`: one author against another, every pair in both orders, by each judge named."""

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
from harness.cli.options.design import design_assumptions, design_options, foresee_design
from harness.cli.output import confirm_cost, exclude_same_family, exit_with_status, print_result
from harness.cli.report import write_page
from harness.terminal.output import print_message

if TYPE_CHECKING:
    from harness.workflows.judge import JudgingPlan
    from results.analysis.breakdowns import Breakdowns
    from results.analysis.contest_results import JudgingResult
    from results.analysis.early_stopping import StoppingRule
    from results.db.store import Store

PROPERTIES = ("sentiment", "emotion")


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--judge",
    "judges",
    cls=UnlessCheapAndGold,
    multiple=True,
    required=True,
    metavar="MODEL",
    help="A judge; repeat for more.",
)
@click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="How judges are asked.")
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many dialogues: a seeded random subset.")
@click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Repetitions.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    help="The judges'; 0 with --samples measures repeatability. [default: 0; unset with --samples, 'paper']",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subset and of the resampling.")
@click.option(
    "--fidelity",
    type=click.Choice(["paper", "released", "ours"]),
    default="ours",
    show_default=True,
    help="'paper' and 'released' leave the judges' temperature unset; 'released' asks with the published "
    "scripts' prompts (empathy prompts fetch).",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again where an answer could not be read.")
@click.option(
    "--until",
    metavar="decided|WIDTH",
    help="Stop a judge when its question is answered: 'decided', or a half-width such as 0.10.",
)
@click.option(
    "--estimand",
    type=click.Choice(["population", "these-dialogues"]),
    default="population",
    show_default=True,
    help="What --until's interval is about. Of these dialogues alone an answer is known, never decided.",
)
@cheap_gold_options
@exclude_same_family_option
@click.option("--by", type=click.Choice(PROPERTIES), help="The win rate by a property of the dialogues.")
@click.option("--length-control", is_flag=True, help="The win rate at equal length, where it can be had.")
@snapshot_option
@click.option("--dry-run", is_flag=True, help="Print calls, tokens, time, money and what can be detected.")
@design_options
@click.option("--report", "report_to", metavar="FILE", type=click.Path(path_type=Path), help="Write a page.")
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
    until: str | None,
    estimand: str,
    cheap: str | None,
    gold: str | None,
    gold_share: float | None,
    stratified: bool,
    without_kin: bool,
    by: str | None,
    length_control: bool,
    snapshots: tuple[str, ...],
    dry_run: bool,
    assumptions: tuple[str, ...],
    worth: float,
    report_to: Path | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Judge author A against author B on the dialogues that both answered.

    Authors: dataset:human, dataset:gpt-4, file:PATH, openai/gpt-6-luna, student:NAME, …
    Judges: openai/gpt-6-luna, google/gemini-3.5-flash-lite, control/ratings, paper-judges, …

    \b
    empathy judge dataset:gpt-4 dataset:human --judge control/ratings
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-6-luna --emulate
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-6-luna --until decided

    Every answer is stored as it arrives: run the same command again and only what is missing is asked.
    """
    calls = CallOptions.take(rest)
    settings = calls.settings()
    _check_assumptions(assumptions, dry_run=dry_run)
    wanted = _until(until, estimand, alone=(by, length_control, report_to))
    judge_of = _judge_of(prompts_folder, judge_prompt, Fidelity(fidelity), samples, temperature)
    alone = (until, without_kin, by, length_control, report_to, assumptions)
    if check(judges, cheap, gold, gold_share, alone, stratified=stratified):
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
            asked = [judge_of(model) for model in models]
            async with await Store.open(db) as store:
                first, second = (
                    await resolve_author(a, dataset, store),
                    await resolve_author(b, dataset, store),
                )
                plan = plan_judging(
                    dataset,
                    first,
                    second,
                    await exclude_same_family(store, asked, (first.set, second.set), without_kin),
                    split=Split(split),
                    limit=limit,
                    samples=samples,
                    seed=seed,
                    until=wanted,
                )
                _tell_reach(plan)
                if dry_run:
                    from harness.workflows.judge_cost import estimate, print_cost_estimate

                    could = foresee_design(assumptions, worth, len(plan.dialogues), samples=plan.samples)
                    print_cost_estimate(
                        await estimate(store, plan, settings, retry_unscored=retry_unscored),
                        as_json,
                        data=could.data,
                        lines=could.lines,
                    )
                    if plan.until is not None:
                        print_message("With --until this is the most it can take.")
                    return None
                if not calls.yes and not calls.emulate:
                    await confirm_cost(store, plan, settings, retry_unscored)
                summary = await judge_contest(
                    store, registry, plan, settings, retry_unscored=retry_unscored, snapshots=snapshots
                )
                page = await _page(store, summary, snapshots) if report_to is not None else ""
                more = await compute_breakdowns(store, summary, seed=seed, by=by, length=length_control)
                return summary, page, more

    done = run(main())
    if done is None:
        return
    summary, page, more = done
    print_result(summary, as_json, more)
    if report_to is not None:
        write_page(report_to, page)
        print_message(f"Report: {report_to}")
    exit_with_status(summary, calls.require_one_model)


def _check_assumptions(assumptions: tuple[str, ...], *, dry_run: bool) -> None:
    """Assumptions are read before anything is loaded, and only where they have a use.

    Raises:
        UserError: they cannot be read, or stand without --dry-run.
    """
    if assumptions and not dry_run:
        raise UserError(
            "says what could be detected before anything is asked",
            where="--assume",
            found=", ".join(assumptions),
            remedy="Write --dry-run beside it.",
        )
    design_assumptions(assumptions)


def _until(until: str | None, estimand: str, *, alone: tuple[Any, ...]) -> StoppingRule | None:
    """What is judged until; nothing that needs every dialogue may be asked for with it."""
    if until is None:
        return None
    from results.analysis.early_stopping import parse_stopping_rule

    if any(alone):
        raise UserError(
            "a contest that stops when it is known reports its sequence alone",
            where="--until",
            found="--by, --length-control or --report beside it",
            remedy="Leave --until away to judge every dialogue.",
        )
    return parse_stopping_rule(until, estimand)


def _tell_reach(plan: JudgingPlan) -> None:
    """What --until can reach with these dialogues, before anything is asked."""
    if plan.until is None:
        return
    from results.analysis.early_stopping import check_feasible

    reach = check_feasible(len(plan.dialogues), plan.until, len(plan.judges))
    if plan.until.half_width is not None:
        print_message(f"Until {plan.until} ({plan.until.estimand}): {reach.note}.")


async def _page(store: Store, summary: JudgingResult, snapshots: tuple[str, ...]) -> str:
    from results.report import render

    return await render(store, summary.run_id, snapshots=snapshots)


def _judge_of(
    folder: Path | None, name: str, fidelity: Fidelity, samples: int, given: float | None
) -> Callable[[Model], Judge]:
    """How a model becomes a judge; `given` is the temperature that the user names, or None."""
    prompts = library(folder)
    temperature = judge_temperature(fidelity, samples) if given is None else given

    def judge_of(model: Model) -> Judge:
        return Judge(
            model, select_judge_prompt(model, name, fidelity, prompts, "--judge-prompt"), temperature
        )

    return judge_of
