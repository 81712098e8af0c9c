"""`empathy judge A B`: one author against another, every pair in both orders, by each judge named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge
from harness.cli.cheap_gold import (
    DEFAULT_SHARE,
    UnlessCheapAndGold,
    cheap_gold_options,
    check,
    judge_cheap_and_gold,
)
from harness.cli.options import (
    CallOptions,
    calls_options,
    data_option,
    db_option,
    json_option,
    library,
    prompts_option,
    run,
)
from harness.cli.report import write_page
from harness.splits import Split

if TYPE_CHECKING:
    from harness.beside import Beside
    from harness.judging import Plan, Summary
    from harness.running import Settings
    from harness.stopping import Until
    from results.store import Store

INTERRUPTED = 130
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
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subset and of the resampling.")
@click.option(
    "--fidelity",
    type=click.Choice(["paper", "released", "ours"]),
    default="ours",
    show_default=True,
    help="'paper' leaves the judges' temperature unset.",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again where an answer could not be read.")
@click.option(
    "--until",
    metavar="decided|WIDTH",
    help="Stop a judge when its question is answered: 'decided', or a half-width such as 0.10.",
)
@click.option(
    "--estimand",
    type=click.Choice(["these-dialogues", "population"]),
    default="these-dialogues",
    show_default=True,
    help="What --until's interval is about.",
)
@cheap_gold_options
@click.option("--by", type=click.Choice(PROPERTIES), help="The win rate by a property of the dialogues.")
@click.option("--length-control", is_flag=True, help="The win rate at equal length, where it can be had.")
@click.option("--dry-run", is_flag=True, help="Print calls, tokens, time and money; ask nothing.")
@click.option("--report", "report_to", metavar="FILE", type=click.Path(path_type=Path), help="Write a page.")
@data_option
@db_option
@prompts_option
@json_option
@calls_options
def judge(
    a: str,
    b: str,
    judges: tuple[str, ...],
    judge_prompt: str,
    split: str,
    limit: int | None,
    samples: int,
    seed: int,
    fidelity: str,
    retry_unscored: bool,
    until: str | None,
    estimand: str,
    cheap: str | None,
    gold: str | None,
    gold_share: float | None,
    by: str | None,
    length_control: bool,
    dry_run: bool,
    report_to: Path | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Judge author A against author B on the dialogues that both answered.

    Authors: dataset:human, dataset:gpt-4, file:PATH, openai/gpt-4o, student:NAME, …
    Judges: openai/gpt-4o, google/gemini-2.0-flash, control/ratings, …

    \b
    empathy judge dataset:gpt-4 dataset:human --judge control/ratings
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-4o --emulate
    empathy judge dataset:gpt-4 dataset:human --judge openai/gpt-4o --until decided

    Every answer is stored as it arrives: run the same command again and only what is missing is asked.
    """
    calls = CallOptions.take(rest)
    settings = calls.settings()
    wanted = _until(until, estimand, alone=(by, length_control, report_to))
    prompt = _prompt(prompts_folder, judge_prompt)
    temperature = None if fidelity == "paper" or samples > 1 else 0.0
    if check(judges, cheap, gold, gold_share, alone=(until, by, length_control, report_to, dry_run)):
        judge_cheap_and_gold(
            a,
            b,
            str(cheap),
            str(gold),
            DEFAULT_SHARE if gold_share is None else gold_share,
            calls=calls,
            settings=settings,
            prompt=prompt,
            temperature=temperature,
            data=data,
            db=db,
            split=Split(split),
            limit=limit,
            samples=samples,
            seed=seed,
            retry_unscored=retry_unscored,
            as_json=as_json,
        )
        return

    async def main() -> tuple[Summary, str, Beside] | None:
        from harness.authors import author_of
        from harness.beside import beside
        from harness.dataset import load
        from harness.judging import judge_contest, plan_judging
        from results.store import Store

        dataset = load(data)
        with calls.models(tuple(dict.fromkeys(judges))) as (registry, models):
            asked = [Judge(model, prompt, temperature) for model in models]
            async with await Store.open(db) as store:
                plan = plan_judging(
                    dataset,
                    await author_of(a, dataset, store),
                    await author_of(b, dataset, store),
                    asked,
                    split=Split(split),
                    limit=limit,
                    samples=samples,
                    seed=seed,
                    until=wanted,
                )
                _tell_reach(plan)
                if dry_run:
                    from harness.estimating import estimate, show_estimate

                    show_estimate(
                        await estimate(store, plan, settings, retry_unscored=retry_unscored), as_json
                    )
                    if plan.until is not None:
                        click.echo("With --until this is the most it can take.", err=True)
                    return None
                if not calls.yes and not calls.emulate:
                    await _agree(store, plan, settings, retry_unscored)
                summary = await judge_contest(store, registry, plan, settings, retry_unscored=retry_unscored)
                page = await _page(store, summary) if report_to is not None else ""
                more = await beside(store, summary, seed=seed, by=by, length=length_control)
                return summary, page, more

    done = run(main())
    if done is None:
        return
    summary, page, more = done
    show(summary, as_json, more)
    if report_to is not None:
        write_page(report_to, page)
        click.echo(f"Report: {report_to}", err=True)
    leave(summary)


def _until(until: str | None, estimand: str, *, alone: tuple[Any, ...]) -> Until | None:
    """What is judged until; nothing that needs every dialogue may be asked for with it."""
    if until is None:
        return None
    from harness.stopping import until_of

    if any(alone):
        raise UserError(
            "a contest that stops when it is known reports its sequence alone",
            where="--until",
            found="--by, --length-control or --report beside it",
            remedy="Leave --until away to judge every dialogue.",
        )
    return until_of(until, estimand)


def _tell_reach(plan: Plan) -> None:
    """What --until can reach with these dialogues, before anything is asked."""
    if plan.until is None:
        return
    from harness.stopping import check_reach

    reach = check_reach(len(plan.dialogues), plan.until, len(plan.judges))
    if plan.until.half_width is not None:
        click.echo(f"Until {plan.until} ({plan.until.estimand}): {reach.note}.", err=True)


async def _page(store: Store, summary: Summary) -> str:
    from results.report import render

    return await render(store, summary.run_id)


async def _agree(store: Store, plan: Plan, settings: Settings, retry_unscored: bool = False) -> None:
    """Before money is spent, on a terminal: what it would take, and a yes."""
    if not sys.stdin.isatty() or all(judge.is_control for judge in plan.judges):
        return
    from harness.estimating import estimate
    from harness.presenting import money

    estimates = [
        each
        for each in await estimate(store, plan, settings, retry_unscored=retry_unscored)
        if each.calls and each.maximum_usd != 0
    ]
    for each in estimates:
        click.echo(
            f"{each.judge}: {each.calls:,} calls, expected {money(each.expected_usd)}, "
            f"at most {money(each.maximum_usd)}",
            err=True,
        )
    if estimates and not click.confirm("Ask them?", default=True, err=True):
        raise click.Abort


def _prompt(folder: Path | None, name: str) -> Any:
    from prompts import PromptError

    try:
        return library(folder)[name]
    except PromptError as error:
        raise UserError(str(error), where="--judge-prompt") from error


def show(summary: Summary, as_json: bool, more: Beside | None = None) -> None:
    """The result, and what stands beside it: to stdout."""
    from harness import presenting, presenting_stopped
    from harness.beside import Beside, told, with_beside

    more = more or Beside()
    shown = presenting_stopped if any(judge.stopped for judge in summary.judges) else presenting
    if as_json:
        data = with_beside(shown.as_data(summary), more)
        sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.buffer.flush()
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(shown.as_table(summary))
    for line in told(summary, more):
        console.print(line, highlight=False, markup=False)
    for note in shown.notes(summary):
        console.print(note, style="dim", highlight=False, markup=False)


def leave(summary: Summary) -> None:
    """Exit as the run ended: interrupted, a lane stopped, or well."""
    stopped = [judge for judge in summary.judges if judge.lane and judge.lane.stopped]
    if summary.interrupted:
        click.echo("Interrupted; everything answered is stored. Go on with the same command.", err=True)
        sys.exit(INTERRUPTED)
    for judge_summary in stopped:
        lane = judge_summary.lane
        click.echo(f"{judge_summary.contest.judge} stopped: {lane.stopped if lane else ''}", err=True)
    unanswered = [
        judge for judge in summary.judges if judge.lane and judge.lane.failed and judge not in stopped
    ]
    for judge_summary in unanswered:
        lane = judge_summary.lane
        click.echo(
            f"{judge_summary.contest.judge}: {lane.failed if lane else 0} calls got no answer; "
            "the same command asks them again.",
            err=True,
        )
    if stopped or unanswered:
        sys.exit(1)
