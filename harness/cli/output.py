"""Output and exit of judging commands: confirmation of the cost, result, exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harness.terminal.output import print_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agents.judge import Judge
    from agents.types import ResponseSet
    from harness.engine.run import RequestSettings
    from harness.workflows.judge_cost import ComparisonPlan
    from results.analysis.contest_results import JudgingResult
    from results.analysis.endpoint_report import EndpointReport
    from results.db.store import Store

INTERRUPTED = 130


async def select_judges(
    store: Store, judges: Sequence[Judge], sets: Sequence[ResponseSet], exclude: bool
) -> Sequence[Judge]:
    """Return the judges; with `exclude`, without those of the same model family as an author.

    Raises:
        UserError: if no judge remains.
    """
    if not exclude:
        return judges
    from results.analysis.judge_panel import split_by_family

    kept, same_family = await split_by_family(store, judges, sets)
    if same_family:
        print_message(f"Excluded, same model family as an author: {', '.join(same_family)}")
    return kept


async def confirm_cost(
    store: Store, plan: ComparisonPlan, settings: RequestSettings, retry_unscored: bool = False
) -> None:
    """Show the expected cost on a terminal and ask for confirmation."""
    if not sys.stdin.isatty() or all(judge.is_control for judge in plan.judges):
        return
    from harness.workflows.judge_cost import estimate_judging_cost
    from results.render.format import format_usd

    estimates = [
        cost
        for cost in await estimate_judging_cost(store, plan, settings, retry_unscored=retry_unscored)
        if cost.calls and cost.maximum_usd != 0
    ]
    for cost in estimates:
        print_message(
            f"{cost.judge}: {cost.calls:,} requests, expected {format_usd(cost.expected_usd)}, "
            f"at most {format_usd(cost.maximum_usd)}"
        )
    if estimates and not click.confirm("Send these requests?", default=True, err=True):
        raise click.Abort


def exit_with_status(summary: JudgingResult, require_one_model: bool = False) -> None:
    """Exit with the status of the run: interrupted, unanswered requests, no verdict, or success.

    Args:
        require_one_model: whether several answering models under one name are an error.
    """
    several = [result.contest for result in summary.contests if len(result.contest.answering_models) > 1]
    if require_one_model and several and not summary.interrupted:
        for contest in several:
            print_message(f"--require-one-model: {contest.answering_model_note}")
        sys.exit(1)
    problems = {result.contest.judge: summary.problem(result) for result in summary.contests}
    exit_if_problems(problems, summary.interrupted)


def exit_if_failed(endpoints: Iterable[tuple[str, EndpointReport]], interrupted: bool) -> None:
    """Exit with 130 if the run was interrupted, with 1 if requests are unanswered; print the reason by
    endpoint.
    """
    exit_if_problems({name: endpoint.problem for name, endpoint in endpoints}, interrupted)


def exit_if_problems(problem: Mapping[str, str], interrupted: bool) -> None:
    """Exit with 130 if the run was interrupted, with 1 if there are problems; print them by name."""
    if interrupted:
        print_message("Interrupted; all answers are stored. Run the same command to continue.")
        sys.exit(INTERRUPTED)
    for name, words in problem.items():
        if words:
            print_message(f"{name}: {words}")
    if any(problem.values()):
        sys.exit(1)
