"""Around a judging run: a yes to what it would cost, its result shown, the exit code it ends with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from harness.terminal.output import print_json, print_message, print_notes, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agents.judge import Judge
    from agents.types import ResponseSet
    from harness.engine.run import RequestSettings
    from harness.workflows.judge_cost import ComparisonPlan
    from results.analysis.breakdowns import Breakdowns
    from results.analysis.contest_results import JudgingResult
    from results.analysis.endpoint_report import EndpointReport
    from results.db.store import Store

INTERRUPTED = 130


async def select_judges(
    store: Store, judges: Sequence[Judge], sets: Sequence[ResponseSet], wanted: bool
) -> Sequence[Judge]:
    """The judges that are asked: all, or where it is wanted those that are no contestant's kin.

    Raises:
        UserError: nobody is left.
    """
    if not wanted:
        return judges
    from results.analysis.judge_panel import split_by_family

    kept, same_family = await split_by_family(store, judges, sets)
    if same_family:
        print_message(f"Left out, of a contestant's family: {', '.join(same_family)}")
    return kept


async def confirm_cost(
    store: Store, plan: ComparisonPlan, settings: RequestSettings, retry_unscored: bool = False
) -> None:
    """Before money is spent, on a terminal: what it would take, and a yes."""
    if not sys.stdin.isatty() or all(judge.is_control for judge in plan.judges):
        return
    from harness.workflows.judge_cost import estimate_judging_cost
    from results.render.format import format_usd

    estimates = [
        each
        for each in await estimate_judging_cost(store, plan, settings, retry_unscored=retry_unscored)
        if each.calls and each.maximum_usd != 0
    ]
    for each in estimates:
        print_message(
            f"{each.judge}: {each.calls:,} calls, expected {format_usd(each.expected_usd)}, "
            f"at most {format_usd(each.maximum_usd)}"
        )
    if estimates and not click.confirm("Ask them?", default=True, err=True):
        raise click.Abort


def print_result(summary: JudgingResult, as_json: bool, more: Breakdowns | None = None) -> None:
    """The result, and what stands beside it: to stdout."""
    from results.analysis.breakdowns import Breakdowns
    from results.render import contest as presenting
    from results.render import early_stopping as presenting_stopped
    from results.render.breakdowns import add_breakdowns, breakdown_lines

    more = more or Breakdowns()
    shown = presenting_stopped if any(judge.stopped for judge in summary.judges) else presenting
    if as_json:
        data = add_breakdowns(shown.to_dict(summary), more)
        print_json(data)
        return
    print_table(shown.to_table(summary))
    print_notes(breakdown_lines(summary, more), dim=False)
    print_notes(shown.caveats(summary))


def exit_with_status(summary: JudgingResult, require_one_model: bool = False) -> None:
    """Exit as the run ended: interrupted, with requests that got no answer, without a verdict, or well.

    Args:
        require_one_model: whether a judge under whose name several models answered is an error.
    """
    several = [judge.contest for judge in summary.judges if len(judge.contest.answering_models) > 1]
    if require_one_model and several and not summary.interrupted:
        for contest in several:
            print_message(f"--require-one-model: {contest.answering_model_note}")
        sys.exit(1)
    exit_if_problems({judge.contest.judge: judge.problem for judge in summary.judges}, summary.interrupted)


def end(endpoints: Iterable[tuple[str, EndpointReport]], interrupted: bool) -> None:
    """Exit with 130 where a run was interrupted, with 1 where requests got no answer; say so by endpoint."""
    exit_if_problems({name: endpoint.problem for name, endpoint in endpoints}, interrupted)


def exit_if_problems(problem: Mapping[str, str], interrupted: bool) -> None:
    """Exit with 130 where a run was interrupted, with 1 where something went wrong; say what, by name."""
    if interrupted:
        print_message("Interrupted; everything answered is stored. Go on with the same command.")
        sys.exit(INTERRUPTED)
    for name, words in problem.items():
        if words:
            print_message(f"{name}: {words}")
    if any(problem.values()):
        sys.exit(1)
