"""Command `empathy status`: finished, missing and failed stages of studies, with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import UserError
from harness.cli.options.common import db_option, json_option, run
from harness.cli.options.study import out_option
from harness.terminal.output import print_line, print_rendering, print_text

if TYPE_CHECKING:
    from harness.study.stage_tables import StudyStages
    from results.db.studies import StoredStage


@click.command()
@click.argument("study", metavar="[STUDY]", default="")
@click.option("--all", "everything", is_flag=True, help="Show every stage instead of a line for each kind.")
@out_option
@db_option
@json_option
def status(study: str, everything: bool, folder: Path, db: str, as_json: bool) -> None:
    """Show the stages of all studies, or of one STUDY with every stage that is not done.

    A study that another machine runs is shown as the database knows it.

    \b
    empathy status
    empathy status tiny --all
    empathy status paper-llama --db postgresql://me@server/results
    """
    from harness.study.session import load_session, load_stored_studies, study_names
    from harness.study.stage_tables import (
        StudyStages,
        render_stored_study,
        render_studies,
        render_study_stages,
    )
    from harness.study.status_tables import report_path

    names, stored = study_names(folder), run(load_stored_studies(db))
    if not study and (names or stored):
        studies = _load_studies(folder, names, stored)
        print_rendering(render_studies(studies, everything=everything), as_json=as_json)
        return
    name = Path(study).stem
    if name in stored and name not in names:
        shown = StudyStages(name, tuple(stored[name]))
        print_rendering(render_stored_study(shown, everything=everything), as_json=as_json)
        return
    if not study:
        raise UserError(
            "no study was run in this folder",
            code="study.not-run",
            where=str(folder),
            remedy="Run one with: empathy run tiny",
        )
    session = load_session(folder, name)
    stages = run(session.statuses())
    print_rendering(render_study_stages(session, stages, everything=everything), as_json=as_json)
    report = report_path(stages, folder)
    if report is not None and not as_json:
        print_line(f"Report: {report.resolve()}")


def _load_studies(
    folder: Path, names: Sequence[str], stored: Mapping[str, Sequence[StoredStage]]
) -> list[StudyStages]:
    """Return the studies of a folder and of the database; print those that cannot be read."""
    from harness.study.session import load_session
    from harness.study.stage_tables import StudyStages

    studies: list[StudyStages] = []
    for name in dict.fromkeys([*names, *stored]):
        if name not in names:
            studies.append(StudyStages(name, tuple(stored[name])))
            continue
        session = load_session(folder, name)
        try:
            studies.append(StudyStages.of_session(session, run(session.statuses())))
        except UserError as error:
            print_text(f"{name}: {error}", is_message=True)
    return studies
