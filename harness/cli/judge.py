"""Command `empathy judge A B`: judge two authors, each pair in both orders, with every given judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.types import Fidelity, Split
from harness.atomic_write import write_file
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.options.contest import cheap_gold_options, contest_options, take_cheap_gold
from harness.cli.options.design import design_options
from harness.cli.output import exit_with_status
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from harness.workflows.contest import CheapGoldOptions, ContestOptions
    from harness.workflows.request_options import RequestOptions
    from harness.workflows.workspace import Workspace
    from results.render.rendering import Rendering


@click.command()
@click.argument("a", metavar="A", type=AUTHOR)
@click.argument("b", metavar="B", type=AUTHOR)
@contest_options
@cheap_gold_options
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
    from harness.workflows.contest import ContestOptions
    from harness.workflows.workspace import Workspace

    requests = take_request_options(rest)
    requests.settings()  # reports invalid options before anything is loaded
    _check_assumptions(assumptions, dry_run=dry_run)
    both = take_cheap_gold(rest, excluded=(report_to, assumptions))
    split, fidelity = Split(rest.pop("split")), Fidelity(rest.pop("fidelity"))
    options = ContestOptions(split=split, fidelity=fidelity, **rest)
    _check_stopping(options)

    async def main() -> None:
        async with Workspace(db, data, prompts_folder) as workspace:
            if dry_run:
                rendering = await _estimate(workspace, options, both, requests, assumptions, min_effect)
                print_rendering(rendering, as_json=as_json)
            elif both is not None:
                await _judge_cheap_gold(workspace, options, both, requests, as_json=as_json)
            else:
                await _judge(workspace, options, requests, report_to, as_json=as_json)

    run(main())


async def _judge(
    workspace: Workspace,
    options: ContestOptions,
    requests: RequestOptions,
    report_to: Path | None,
    *,
    as_json: bool,
) -> None:
    """Judge the contest, print its result, write its report, and exit with its status."""
    from harness.workflows.contest import judge_authors
    from results.render.judging import render_judging
    from results.report import render

    outcome = await judge_authors(workspace, options, requests)
    print_rendering(render_judging(outcome.result, outcome.breakdowns), as_json=as_json)
    if report_to is not None:
        store = await workspace.store()
        write_file(report_to, await render(store, outcome.result.run_id, snapshots=options.snapshots))
        print_message(f"Report: {report_to}")
    exit_with_status(outcome.result, requests.require_one_model)


async def _judge_cheap_gold(
    workspace: Workspace,
    options: ContestOptions,
    both: CheapGoldOptions,
    requests: RequestOptions,
    *,
    as_json: bool,
) -> None:
    """Judge with both judges, print the combined estimate, and exit with the status of both runs."""
    from harness.workflows.contest import judge_authors_cheap_gold
    from results.render.cheap_gold import render_cheap_gold

    result = await judge_authors_cheap_gold(workspace, options, both, requests)
    print_rendering(render_cheap_gold(result), as_json=as_json)
    exit_with_status(result.cheap, requests.require_one_model)
    exit_with_status(result.gold, requests.require_one_model)


async def _estimate(
    workspace: Workspace,
    options: ContestOptions,
    both: CheapGoldOptions | None,
    requests: RequestOptions,
    assumptions: tuple[str, ...],
    min_effect: float,
) -> Rendering:
    """Return the cost of the judges, and the precision and power of a contest; send nothing."""
    from harness.workflows.contest import estimate_cheap_gold, estimate_contest
    from harness.workflows.contest_design import foresee_design
    from harness.workflows.cost_tables import render_judging_cost

    if both is not None:
        return render_judging_cost(await estimate_cheap_gold(workspace, options, both, requests))
    plan, estimates = await estimate_contest(workspace, options, requests)
    if plan.until is not None:
        print_message("With --stop-when, these numbers are upper bounds.")
    design = foresee_design(assumptions, min_effect, len(plan.dialogues), samples=plan.samples)
    return render_judging_cost(estimates) + design


def _check_assumptions(assumptions: tuple[str, ...], *, dry_run: bool) -> None:
    """Check `--assume` before anything is loaded.

    Raises:
        UserError: an assumption is invalid, or `--dry-run` is missing.
    """
    from harness.workflows.contest_design import parse_assumptions

    if assumptions and not dry_run:
        raise UserError(
            "--assume needs --dry-run",
            code="option.missing",
            where="--assume",
            found=", ".join(assumptions),
            remedy="Add --dry-run.",
        )
    parse_assumptions(assumptions)


def _check_stopping(options: ContestOptions) -> None:
    """Check that early stopping is not combined with what needs every dialogue.

    Raises:
        UserError: it is.
    """
    if options.stop_when is not None and (options.group_by or options.length_control):
        raise UserError(
            "early stopping does not combine with this option",
            code="option.conflict",
            where="--stop-when",
            found="--group-by or --length-control",
            remedy="Remove --stop-when to judge every dialogue.",
        )
