"""Command `empathy run STUDY`: run a study; an interrupted one continues with the same command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
)
from harness.cli.options.study import StudySession, judge_option, out_option
from harness.cli.study_progress import StudyProgress
from harness.terminal.output import print_json, print_line, print_message, print_rendering

if TYPE_CHECKING:
    from harness.study.config import Study
    from harness.study.graph import StudyGraph
    from harness.study.scheduler import StageStatus, StudyResult

INTERRUPTED = 130
WIDTH = 132  # default width without a terminal


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
    session = StudySession(study, judges, data, db, prompts_folder, folder, CallOptions.take(rest))
    result = run_session(session, only=only, since=since, confirm_cost=not session.calls.yes)
    finish(session, result, as_json)


def run_session(
    session: StudySession, *, only: str = "", since: str = "", confirm_cost: bool = False
) -> StudyResult:
    """Run a study with progress on stderr and return its result.

    Args:
        confirm_cost: whether to show the cost on a terminal and ask for confirmation.
    """
    from harness.study.interrupt import run_with_shared_signals

    study = session.study()
    progress = StudyProgress(session.calls.quiet)

    async def before(graph: StudyGraph, picked: set[str]) -> None:
        if confirm_cost and not study.emulate and sys.stdin.isatty():
            await _confirm_cost(graph)
        progress.expect(picked)

    return run_with_shared_signals(
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
    from harness.study.scheduler import StageState

    study = session.study()
    if as_json:
        rows = [to_dict(status) for status in result.stage_statuses]
        print_json({"study": study.name, "stages": rows})
    else:
        print_results(
            study, result.stage_statuses, report or report_path(result.stage_statuses, session.folder)
        )
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


def to_dict(status: StageStatus) -> dict[str, Any]:
    """Return a stage for `--json`."""
    record = asdict(status.record) if status.record else None
    return {
        "name": status.stage.name,
        "kind": status.stage.kind,
        "state": str(status.state),
        "why": status.why,
        "record": record,
    }


def print_results(study: Study, stage_statuses: Sequence[StageStatus], report: Path | None) -> None:
    """Print the win rates, their caveats and the path of the report."""
    from harness.study.status_tables import render_status

    print_rendering(render_status(study, stage_statuses))
    if report is not None:
        print_line(f"Report: {report.resolve()}")


def report_path(stage_statuses: Sequence[StageStatus], folder: Path) -> Path | None:
    """Return the path of the report; None if it was not written."""
    for status in stage_statuses:
        if status.stage.kind == "report" and status.record is not None:
            return folder / str(status.record.result["file"])
    return None
