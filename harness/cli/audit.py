"""Command `empathy audit JUDGE…`: compare judges with the dataset's human ratings and with baselines."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.judge import DEFAULT_PROMPT, Judge
from agents.prompt_lookup import get_prompt
from agents.types import Split
from harness.cli.options.aliases import renamed_option
from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    json_option,
    library,
    prompts_option,
    run,
)
from harness.cli.output import exit_if_failed
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from harness.engine.run import RequestSettings
    from harness.workflows.audit import AuditPlan
    from prompts import Prompt
    from results.analysis.judge_audit import AuditSummary
    from results.db.store import Store

BOTH = "both"


@click.command()
@click.argument("judges", metavar="[JUDGE…]", nargs=-1)
@click.option(
    "--on",
    "split",
    type=click.Choice(["test", "train", BOTH]),
    default="test",
    show_default=True,
    help="Split to audit on; 'both' gives two separate audits.",
)
@click.option(
    "--judge-prompt",
    "judge_prompts",
    multiple=True,
    metavar="NAME",
    help=f"Judge prompt; repeat to audit each judge with each. [default: {DEFAULT_PROMPT}]",
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
    "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
)
@renamed_option(
    "--exclude-same-family",
    "--without-kin",
    is_flag=True,
    help="Exclude, for each judge, pairs with a response of the same model family.",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again for unscored comparisons.")
@click.option("--dry-run", is_flag=True, help="Print requests, tokens, time and cost; send nothing.")
@click.option(
    "--page",
    "page_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the audit as an HTML page.",
)
@data_option
@db_option
@prompts_option
@json_option
@call_options
def audit(
    judges: tuple[str, ...],
    split: str,
    judge_prompts: tuple[str, ...],
    limit: int | None,
    samples: int,
    seed: int,
    exclude_same_family: bool,
    retry_unscored: bool,
    dry_run: bool,
    page_to: Path | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Measure the agreement of judges with human ratings, on all pairs of responses with different ratings.

    Each pair is judged in both orders and stored. The control judges are shown as baselines; without a JUDGE,
    only they are audited.

    \b
    empathy audit
    empathy audit openai/gpt-6-luna google/gemini-3.5-flash-lite --on test
    empathy audit openai/gpt-6-luna --on both --limit 100 --page judges.html
    """
    calls = CallOptions.take(rest)
    settings = calls.settings()
    asked_with = _prompts(prompts_folder, judge_prompts or (DEFAULT_PROMPT,))
    splits = [Split.TRAIN, Split.TEST] if split == BOTH else [Split(split)]

    async def main() -> list[AuditSummary]:
        from harness.cli.output import confirm_cost
        from harness.data.dataset import load
        from harness.workflows.audit import plan_audit, run_audit
        from results.db.store import Store

        dataset = load(data)
        with calls.models(tuple(dict.fromkeys(judges))) as (registry, models):
            temperature = None if samples > 1 else 0.0
            asked = [Judge(model, prompt, temperature) for model in models for prompt in asked_with]
            plans = [
                plan_audit(
                    dataset, asked, asked_with[0], split=each_split, limit=limit, samples=samples, seed=seed
                )
                for each_split in splits
            ]
            _print_out_of_fold_judges(plans, judges)
            async with await Store.open(db) as store:
                if dry_run:
                    await _print_cost(store, plans, settings, as_json, retry_unscored)
                    return []
                if not calls.yes and not calls.emulate:
                    for plan in plans:
                        await confirm_cost(store, plan, settings, retry_unscored)
                done = []
                for plan in plans:
                    done.append(
                        await run_audit(
                            store,
                            registry,
                            plan,
                            settings,
                            retry_unscored=retry_unscored,
                            exclude_same_family=exclude_same_family,
                        )
                    )
                    if done[-1].interrupted:
                        break
                return done

    summaries = run(main())
    if not summaries:
        return
    from results.render.judge_audit import render_judge_audit

    print_rendering(render_judge_audit(summaries), as_json=as_json)
    if page_to is not None:
        from harness.cli.report import write_page
        from results.report.audit_page import page

        write_page(page_to, page(summaries))
        print_message(f"Page: {page_to}")
    _exit(summaries)


def _prompts(folder: Path | None, names: tuple[str, ...]) -> list[Prompt]:
    prompts = library(folder)
    return [get_prompt(prompts, name, "--judge-prompt") for name in dict.fromkeys(names)]


def _print_out_of_fold_judges(plans: list[AuditPlan], judges: tuple[str, ...]) -> None:
    """Print which fitted control judges are used out of fold on training dialogues."""
    from harness.workflows.audit import FITTED_CONTROL_JUDGES

    named = [name for name in judges if name in FITTED_CONTROL_JUDGES]
    if named and any(plan.split == Split.TRAIN for plan in plans):
        print_message(
            f"{', '.join(named)}: fitted on the training ratings; on the train split, only "
            "out-of-fold predictions are used."
        )


async def _print_cost(
    store: Store, plans: list[AuditPlan], settings: RequestSettings, as_json: bool, retry_unscored: bool
) -> None:
    """Print the estimated requests and cost of the judges; send nothing."""
    from harness.workflows.cost_tables import render_judging_cost
    from harness.workflows.judge_cost import estimate_judging_cost

    estimates = [
        (plan, each)
        for plan in plans
        for each in await estimate_judging_cost(
            store, plan.without_control_judges, settings, retry_unscored=retry_unscored
        )
    ]
    labels = [f"{each.judge}, {plan.split} split, {len(plan.pairs):,} pairs" for plan, each in estimates]
    rendering = render_judging_cost([each for _, each in estimates], labels)
    rows = [{"split": plan.split, "pairs": len(plan.pairs), **asdict(each)} for plan, each in estimates]
    print_rendering(replace(rendering, document={"dry_run": True, "judges": rows}), as_json=as_json)


def _exit(summaries: list[AuditSummary]) -> None:
    """Exit with the status of the runs: interrupted, unanswered requests, or success."""
    endpoints = (
        (judge_result.name, judge_result.endpoint)
        for summary in summaries
        for judge_result in summary.judges
        if judge_result.endpoint
    )
    exit_if_failed(endpoints, any(summary.interrupted for summary in summaries))
