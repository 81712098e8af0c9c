"""Command `empathy status [STUDY]`: show done, missing and failed stages of studies."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from harness.cli.options.common import json_option, run
from harness.cli.options.study import out_option
from harness.study import FOLDER
from harness.terminal.output import print_json, print_line, print_text
from results.db import DEFAULT_DB
from results.render.format import format_percent

if TYPE_CHECKING:
    from harness.study.scheduler import StageStatus
    from harness.study.session import StudySession
    from harness.study.status_tables import StudiesDocument, StudyDocument


@click.command()
@click.argument("study", metavar="[STUDY]", default="")
@click.option("--all", "everything", is_flag=True, help="Show every stage instead of a line for each kind.")
@out_option
@json_option
def status(study: str, everything: bool, folder: Path, as_json: bool) -> None:
    """Show the stages of all studies in this folder, or of one STUDY with every stage that is not done.

    \b
    empathy status
    empathy status tiny --all
    """
    names = [Path(study).stem] if study else sorted(path.stem for path in (folder / "studies").glob("*.json"))
    if not names:
        raise UserError(
            "no study was run in this folder",
            code="study.not-run",
            where=str(folder),
            remedy="Run one with: empathy run tiny",
        )
    studies = []
    for name in names:
        from harness.study.session import load_session

        session = load_session(folder, name)
        try:
            statuses = load_statuses(session)
        except UserError as error:
            if study:
                raise
            print_text(f"{name}: {error}", is_message=True)
            continue
        if as_json:
            from harness.study.status_tables import study_data

            studies.append(study_data(name, statuses))
        else:
            _print_study(
                name,
                session,
                statuses,
                everything=everything or bool(study and len(statuses) <= 40),
                show_titles=bool(study),
            )
    if as_json:
        document: StudyDocument | StudiesDocument
        if study:
            document = {"document": "study", **studies[0]}
        else:
            document = {"document": "studies", "studies": studies}
        print_json(document)


def load_statuses(session: StudySession) -> list[StageStatus]:
    """Return the status of every stage of a study; no request is sent and nothing is written."""
    study = session.study()

    async def main() -> list[StageStatus]:
        from harness.study.graph import StudyGraph
        from harness.study.scheduler import stage_statuses

        async with session.context(study, live=False) as context:
            return stage_statuses(await StudyGraph.build(context), context.memory)

    return run(main())


def _print_study(
    name: str, session: StudySession, statuses: list[StageStatus], *, everything: bool, show_titles: bool
) -> None:
    from harness.study.graph import KINDS
    from harness.study.scheduler import StageState

    done = sum(status.state is StageState.DONE for status in statuses)
    print_line(f"{name}: {done} of {len(statuses)} stages done")
    for kind in KINDS:
        of_kind = [status for status in statuses if status.stage.kind == kind]
        if not of_kind:
            continue
        counts = Counter(str(status.state) for status in of_kind)
        print_line(f"  {kind:<9}" + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for status in of_kind:
            if everything or status.state is StageState.FAILED:
                print_line(f"    {status.state:<8}{status.stage.title}{_details(status)}")
    if done < len(statuses):
        print_line(f"  continue with: empathy run {session.named}{_session_options(session)}")
    if show_titles:
        from harness.cli.run import print_results, report_path

        print_results(session.study(), statuses, report_path(statuses, session.folder))


def _session_options(session: StudySession) -> str:
    """Return the options that reproduce the session."""
    options = [
        ("--out", session.folder, FOLDER),
        ("--db", session.db, DEFAULT_DB),
        ("--data", session.data, None),
    ]
    words = [
        f" {name} {shlex.quote(str(value))}" for name, value, usual in options if value and value != usual
    ]
    words += [f" --judge {shlex.quote(judge)}" for judge in session.judges]
    return "".join(words) + (" --emulate" if session.options.emulate else "")


def _details(status: StageStatus) -> str:
    if status.why:
        return f": {status.why}"
    result: dict[str, Any] = dict(status.record.result) if status.record else {}
    if status.stage.kind == "judge" and result.get("win_rate") is not None:
        return f": {format_percent(result['win_rate'])}"
    if "sft" in result:
        return f": {result['sft']:,} rows, {result['dpo']:,} pairs"
    if "responses" in result:
        return f": {result['responses']:,} responses"
    return ""
