"""Command `empathy status [STUDY]`: show done, missing and failed stages of studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import UserError
from harness.cli.options.common import json_option, run
from harness.cli.options.study import out_option
from harness.terminal.output import print_line, print_rendering, print_text

if TYPE_CHECKING:
    from harness.study.stage_tables import StudyStages


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
    from harness.study.session import load_session
    from harness.study.stage_tables import render_studies, render_study_stages
    from harness.study.status_tables import report_path

    if not study:
        studies = _load_studies(folder)
        print_rendering(render_studies(studies, everything=everything), as_json=as_json)
        return
    session = load_session(folder, Path(study).stem)
    stages = run(session.statuses())
    print_rendering(render_study_stages((session, stages), everything=everything), as_json=as_json)
    report = report_path(stages, folder)
    if report is not None and not as_json:
        print_line(f"Report: {report.resolve()}")


def _load_studies(folder: Path) -> list[StudyStages]:
    """Return the studies of a folder; print those that cannot be read.

    Raises:
        UserError: no study was run there.
    """
    from harness.study.session import load_session, study_names

    names = study_names(folder)
    studies: list[StudyStages] = []
    if not names:
        raise UserError(
            "no study was run in this folder",
            code="study.not-run",
            where=str(folder),
            remedy="Run one with: empathy run tiny",
        )
    for name in names:
        session = load_session(folder, name)
        try:
            studies.append((session, run(session.statuses())))
        except UserError as error:
            print_text(f"{name}: {error}", is_message=True)
    return studies
