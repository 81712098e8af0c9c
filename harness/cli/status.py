"""Command `empathy status [STUDY]`: show done, missing and failed stages of studies."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from harness.cli.options.common import db_option, json_option, run
from harness.cli.options.study import out_option
from harness.study import FOLDER
from harness.terminal.output import print_json, print_line, print_text
from results.db import DEFAULT_DB

if TYPE_CHECKING:
    from harness.study.scheduler import StageStatus
    from harness.study.session import StudySession
    from results.db.studies import StoredStage

MOST_LISTED = 40  # stages that are listed without --all


@click.command()
@click.argument("study", metavar="[STUDY]", default="")
@click.option("--all", "everything", is_flag=True, help="Show every stage instead of a line for each kind.")
@out_option
@db_option
@json_option
def status(study: str, everything: bool, folder: Path, db: str, as_json: bool) -> None:
    """Show the stages of all studies in this folder, or of one STUDY with every stage that is not done.

    \b
    empathy status
    empathy status tiny --all
    empathy status paper-llama --db postgresql://me@server/results     (run on another machine)

    A study that was not run in this folder is shown as the database knows it.
    """
    from harness.cli.run import print_results, report_path, to_dict
    from harness.study.session import load_session, load_stored_studies

    in_folder = sorted(path.stem for path in (folder / "studies").glob("*.json"))
    stored = run(load_stored_studies(db))
    names = [Path(study).stem] if study else list(dict.fromkeys([*in_folder, *stored]))
    if not names or (study and names[0] not in {*in_folder, *stored}):
        raise UserError(
            f"no study was run in this folder{f' under the name {names[0]}' if names else ''}",
            code="study.not-run",
            where=str(folder),
            found=", ".join(in_folder),
            remedy="Run one with: empathy run tiny",
        )
    documents = []
    for name in names:
        session = load_session(folder, name) if name in in_folder else None
        try:
            statuses = load_statuses(session) if session else []
        except UserError as error:
            if study:
                raise
            print_text(f"{name}: {error}", is_message=True)
            continue
        stages = [each.stored for each in statuses] if session else stored[name]
        if as_json:
            documents.append({"study": name, "stages": [to_dict(stage) for stage in stages]})
            continue
        _print_stages(name, stages, everything=everything or bool(study and len(stages) <= MOST_LISTED))
        if session and any(stage.state != "done" for stage in stages):
            print_line(f"  continue with: empathy run {session.named}{_session_options(session)}")
        if session and study:
            print_results(session.study(), statuses, report_path(statuses, session.folder))
    if as_json:
        print_json(documents[0] if study else documents)


def load_statuses(session: StudySession) -> list[StageStatus]:
    """Return the status of every stage of a study; no request is sent and nothing is written."""
    study = session.study()

    async def main() -> list[StageStatus]:
        from harness.study.graph import StudyGraph
        from harness.study.scheduler import stage_statuses

        async with session.context(study, live=False) as context:
            return stage_statuses(await StudyGraph.build(context), context.memory)

    return run(main())


def _print_stages(name: str, stages: Sequence[StoredStage], *, everything: bool) -> None:
    from harness.study.graph import KINDS

    done = sum(stage.state == "done" for stage in stages)
    print_line(f"{name}: {done} of {len(stages)} stages done")
    for kind in KINDS:
        of_kind = [stage for stage in stages if stage.kind == kind]
        if not of_kind:
            continue
        counts = Counter(stage.state for stage in of_kind)
        print_line(f"  {kind:<9}" + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for stage in of_kind:
            if everything or stage.state == "failed":
                print_line(f"    {stage.state:<8}{stage.name.removeprefix(f'{kind} ')}{_details(stage)}")


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


def _details(stage: StoredStage) -> str:
    if stage.why:
        return f": {stage.why}"
    result: dict[str, Any] = dict(stage.record.result) if stage.record else {}
    if stage.kind == "judge" and result.get("win_rate") is not None:
        return f": {result['win_rate']:.1%}"
    if "sft" in result:
        return f": {result['sft']:,} rows, {result['dpo']:,} pairs"
    if "responses" in result:
        return f": {result['responses']:,} responses"
    return ""
