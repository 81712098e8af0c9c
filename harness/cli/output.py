"""Output and exit of judging commands: confirmation of the cost, result, exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harness.terminal.output import print_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.workflows.request_options import NamedCost
    from results.analysis.contest_results import JudgingResult
    from results.analysis.endpoint_report import EndpointReport

INTERRUPTED = 130


def confirm_cost(estimates: Sequence[NamedCost]) -> None:
    """Show the expected cost and ask for confirmation.

    Raises:
        click.Abort: it is not given.
    """
    from results.render.format import format_usd

    for cost in estimates:
        print_message(
            f"{cost.name}: {cost.calls:,} requests, expected {format_usd(cost.expected_usd)}, "
            f"at most {format_usd(cost.maximum_usd)}"
        )
    if not click.confirm("Send these requests?", default=True, err=True):
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
