"""Command `empathy run STUDY`: run a study; an interrupted one continues with the same command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.options.study import judge_option, out_option
from harness.cli.study_progress import StudyProgress
from harness.terminal.output import print_line, print_message, print_rendering

if TYPE_CHECKING:
    from harness.study.graph import StudyGraph
    from harness.study.scheduler import StudyResult
    from harness.study.session import StudySession

INTERRUPTED = 130


@click.command("run")
@click.argument("study", metavar="STUDY")
@click.option(
    "--only", metavar="STAGE", default="", help="Run only stages of this kind or name (wildcards: * and ?)."
)
@click.option(
    "--from",
    "since",
    metavar="STAGE",
    default="",
    help="Run only this kind or stage, and those that depend on it.",
)
@judge_option
@out_option
@data_option
@db_option
@prompts_option
@json_option
@call_options
def run_study(
    study: str,
    only: str,
    since: str,
    judges: tuple[str, ...],
    folder: Path,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Run a study: improve, build, train, serve, generate, judge, report.

    STUDY is a file or an included study: figure-1, figure-6, figure-10, paper-llama, paper-mistral, tiny.

    \b
    empathy run tiny
    empathy run paper-llama --budget 200
    empathy run paper-llama --only improve --emulate

    Finished stages never run again; a changed setting runs only the stages that depend on it; a failed stage
    does not stop the others. Kinds of stages: improve, build, base, train, respond, generate, judge, choose,
    report.
    """
    from harness.study.session import StudySession

    session = StudySession(study, judges, data, db, prompts_folder, folder, take_request_options(rest))
    result = run_session(session, only=only, since=since, confirm_cost=session.options.confirm is not None)
    finish(session, result, as_json)


def run_session(
    session: StudySession, *, only: str = "", since: str = "", confirm_cost: bool = False
) -> StudyResult:
    """Run a study with progress on stderr and return its result.

    Args:
        confirm_cost: whether to show the cost on a terminal and ask for confirmation.
    """
    study = session.study()
    progress = StudyProgress(session.options.quiet)

    async def before(graph: StudyGraph, picked: set[str]) -> None:
        if confirm_cost and not study.emulate:
            await _confirm_cost(graph)
        progress.expect(picked)

    return run(
        session.run(study, only=only, since=since, watch=progress.watch, tell=progress.tell, before=before)
    )


async def _confirm_cost(graph: StudyGraph) -> None:
    from harness.study.estimate import plan_study, total
    from results.render.format import format_rounded_usd

    estimate = total(await plan_study(graph))
    expected, maximum = map(format_rounded_usd, (estimate.expected_usd, estimate.maximum_usd))
    if estimate.calls and estimate.maximum_usd != 0:
        print_message(
            f"{estimate.calls:,} requests, {expected} expected, {maximum} at most; "
            f"about {estimate.card_hours:.1f} GPU hours. (`empathy plan` shows more.)"
        )
        if not click.confirm("Begin?", default=True, err=True):
            raise click.Abort


def finish(session: StudySession, result: StudyResult, as_json: bool, report: Path | None = None) -> None:
    """Print the result; exit with 1 if a stage failed, with 130 if the run was interrupted.

    Args:
        report: path of the report, if it is not where the study wrote it.
    """
    from harness.study.stage_cache import StageState
    from harness.study.status_tables import render_status, report_path

    study = session.study()
    print_rendering(render_status(study, result.stage_statuses), as_json=as_json)
    report = report or report_path(result.stage_statuses, session.folder)
    if report is not None and not as_json:
        print_line(f"Report: {report.resolve()}")
    failed, blocked = result.count(StageState.FAILED), result.count(StageState.BLOCKED)
    if result.interrupted:
        print_message("Interrupted; finished stages are stored. Run the same command to continue.")
        sys.exit(INTERRUPTED)
    for status in result.stage_statuses:
        if status.state is StageState.FAILED:
            print_message(f"failed: {status.stage.name}: {status.why}")
    if failed or blocked:
        data = f"{failed} stages failed, {blocked} are blocked; see: empathy status {study.name}"
        print_message(data)
        sys.exit(1)
