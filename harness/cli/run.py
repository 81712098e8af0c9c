"""`empathy run STUDY`: a whole study, stage by stage; kill it anywhere, and the same command goes on."""

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
from harness.terminal.output import print_json, print_line, print_message, print_notes, print_table

if TYPE_CHECKING:
    from harness.study.config import Study
    from harness.study.graph import StudyGraph
    from harness.study.scheduler import StageStatus, StudyResult

INTERRUPTED = 130
WIDTH = 132  # where no terminal says how wide it is


@click.command("run")
@click.argument("study", metavar="STUDY")
@click.option(
    "--only", metavar="STAGE", default="", help="Only stages of this kind, or of this name (* and ?)."
)
@click.option(
    "--from", "since", metavar="STAGE", default="", help="Only this kind or stage, and what needs it."
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

    STUDY is a file, or a shipped study: figure-1, figure-6, figure-10, paper-llama, paper-mistral, tiny.

    \b
    empathy run tiny
    empathy run paper-llama --budget 200
    empathy run paper-llama --only improve --emulate

    What is finished is never run again; a changed setting runs again exactly what depends on it; a stage that
    fails leaves the others running. Kinds of stages: improve, build, base, train, respond, generate, judge,
    choose, report.
    """
    given = StudySession(study, judges, data, db, prompts_folder, folder, CallOptions.take(rest))
    ended = run_session(given, only=only, since=since, confirm_cost=not given.calls.yes)
    finish(given, ended, as_json)


def run_session(
    given: StudySession, *, only: str = "", since: str = "", confirm_cost: bool = False
) -> StudyResult:
    """Run a study in this process, with progress on stderr; how it ended.

    Args:
        agree: on a terminal, before money may be spent, show what it would take and ask.
    """
    from harness.study.interrupt import run_with_shared_signals

    study = given.study()
    narrator = StudyProgress(given.calls.quiet)

    async def before(graph: StudyGraph, picked: set[str]) -> None:
        if confirm_cost and not study.emulate and sys.stdin.isatty():
            await _agree(graph)
        narrator.expect(picked)

    return run_with_shared_signals(
        given.run(study, only=only, since=since, watch=narrator.watch, tell=narrator.tell, before=before)
    )


async def _agree(graph: StudyGraph) -> None:
    from harness.study.estimate import plan_study, total
    from harness.study.estimate_tables import format_dollars

    every = total(await plan_study(graph))
    expected, most = format_dollars(every.expected_usd), format_dollars(every.maximum_usd)
    if every.calls and every.maximum_usd != 0:
        print_message(
            f"{every.calls:,} calls, {expected} expected, {most} at most; "
            f"about {every.card_hours:.1f} hours of the card. (empathy plan shows more.)"
        )
        if not click.confirm("Begin?", default=True, err=True):
            raise click.Abort


def finish(given: StudySession, ended: StudyResult, as_json: bool, report: Path | None = None) -> None:
    """What came of it, on stdout; exits 1 where something failed, 130 where it was interrupted.

    Args:
        report: where the page is, if not where the study wrote it.
    """
    from harness.study.scheduler import StageState

    study = given.study()
    if as_json:
        rows = [to_dict(one) for one in ended.stage_statuses]
        print_json({"study": study.name, "stages": rows})
    else:
        show_results(study, ended.stage_statuses, report or report_path(ended.stage_statuses, given.folder))
    failed, blocked = ended.count(StageState.FAILED), ended.count(StageState.BLOCKED)
    if ended.interrupted:
        print_message("Interrupted; what is finished is kept. Go on with the same command.")
        sys.exit(INTERRUPTED)
    for one in ended.stage_statuses:
        if one.state is StageState.FAILED:
            print_message(f"failed: {one.stage.name}: {one.why}")
    if failed or blocked:
        told = f"{failed} stages failed, {blocked} could not begin; see: empathy status {study.name}"
        print_message(told)
        sys.exit(1)


def to_dict(one: StageStatus) -> dict[str, Any]:
    """One stage for `--json`."""
    record = asdict(one.record) if one.record else None
    return {
        "name": one.stage.name,
        "kind": one.stage.kind,
        "state": str(one.state),
        "why": one.why,
        "record": record,
    }


def show_results(study: Study, stage_statuses: Sequence[StageStatus], report: Path | None) -> None:
    """The win rates that are there, what a reader of them must know, and where the report is."""
    from harness.study.status_tables import caveats, to_table

    table = to_table(study, stage_statuses)
    if table is not None:
        print_table(table)
    print_notes(caveats(study, stage_statuses), dim=False)
    if report is not None:
        print_line(f"Report: {report.resolve()}")


def report_path(stage_statuses: Sequence[StageStatus], folder: Path) -> Path | None:
    """Where the report is, if it is written."""
    for one in stage_statuses:
        if one.stage.kind == "report" and one.record is not None:
            return folder / str(one.record.result["file"])
    return None
