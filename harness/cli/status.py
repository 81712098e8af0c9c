"""`empathy status [STUDY]`: what of the studies that were run here is done, missing, failed, and why."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from harness.cli.options.common import DEFAULT_DB, json_option, run
from harness.cli.options.study import FOLDER, StudySession, load_session, out_option
from harness.terminal.output import print_json, print_line, print_text

if TYPE_CHECKING:
    from harness.study.scheduler import StageStatus


@click.command()
@click.argument("study", metavar="[STUDY]", default="")
@click.option("--all", "everything", is_flag=True, help="Every stage, not only a line for each kind.")
@out_option
@json_option
def status(study: str, everything: bool, folder: Path, as_json: bool) -> None:
    """Show how the studies that were run here stand; or one STUDY, with every stage that is not done.

    \b
    empathy status
    empathy status tiny --all
    """
    names = [Path(study).stem] if study else sorted(one.stem for one in (folder / "studies").glob("*.json"))
    if not names:
        raise UserError(
            "no study was run in this folder",
            code="study.not-run",
            where=str(folder),
            remedy="Run one with: empathy run tiny",
        )
    told = []
    for name in names:
        given = load_session(folder, name)
        try:
            found = standings_of(given)
        except UserError as error:
            if study:
                raise
            print_text(f"{name}: {error}", is_message=True)
            continue
        if as_json:
            from harness.cli.run import to_dict

            told.append({"study": name, "stages": [to_dict(one) for one in found]})
        else:
            _show(
                name,
                given,
                found,
                everything=everything or bool(study and len(found) <= 40),
                alone=bool(study),
            )
    if as_json:
        print_json(told[0] if study else told)


def standings_of(given: StudySession) -> list[StageStatus]:
    """How every stage of a study stands; nothing is asked or written."""
    found = given.study()

    async def main() -> list[StageStatus]:
        from harness.study.graph import StudyGraph
        from harness.study.scheduler import stage_statuses

        async with given.context(found, live=False) as context:
            return stage_statuses(await StudyGraph.of(context), context.memory)

    return run(main())


def _show(name: str, given: StudySession, found: list[StageStatus], *, everything: bool, alone: bool) -> None:
    from harness.study.graph import KINDS
    from harness.study.scheduler import StageState

    done = sum(one.state is StageState.DONE for one in found)
    print_line(f"{name}: {done} of {len(found)} stages are done")
    for kind in KINDS:
        mine = [one for one in found if one.stage.kind == kind]
        if not mine:
            continue
        counts = Counter(str(one.state) for one in mine)
        print_line(f"  {kind:<9}" + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for one in mine:
            if everything or one.state is StageState.FAILED:
                print_line(f"    {one.state:<8}{one.stage.title}{_more(one)}")
    if done < len(found):
        print_line(f"  go on with: empathy run {given.named}{_same_again(given)}")
    if alone:
        from harness.cli.run import report_path, show_results

        show_results(given.study(), found, report_path(found, given.folder))


def _same_again(given: StudySession) -> str:
    """The options that make it the same study."""
    told = [("--out", given.folder, FOLDER), ("--db", given.db, DEFAULT_DB), ("--data", given.data, None)]
    words = [f" {name} {shlex.quote(str(value))}" for name, value, usual in told if value and value != usual]
    words += [f" --judge {shlex.quote(judge)}" for judge in given.judges]
    return "".join(words) + (" --emulate" if given.calls.emulate else "")


def _more(one: StageStatus) -> str:
    if one.why:
        return f": {one.why}"
    told: dict[str, Any] = dict(one.record.result) if one.record else {}
    if one.stage.kind == "judge" and told.get("win_rate") is not None:
        return f": {told['win_rate']:.1%}"
    if "sft" in told:
        return f": {told['sft']:,} rows, {told['dpo']:,} pairs"
    if "responses" in told:
        return f": {told['responses']:,} responses"
    return ""
