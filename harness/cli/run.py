"""`empathy run STUDY`: a whole study, stage by stage; kill it anywhere, and the same command goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from harness.cli.options import (
    CallOptions,
    calls_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
)
from harness.cli.studies import Given, judge_option, out_option

if TYPE_CHECKING:
    from harness.study.file import Study
    from harness.study.runner import Ended, Standing
    from harness.study.stages import Stage

INTERRUPTED = 130
SECONDS_BETWEEN_LINES = 5.0


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
@calls_options
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
    given = Given(study, judges, data, db, prompts_folder, folder, CallOptions.take(rest))
    ended = run_given(given, only=only, since=since, agree=not given.calls.yes)
    finish(given, ended, as_json)


def run_given(given: Given, *, only: str = "", since: str = "", agree: bool = False) -> Ended:
    """Run a study in this process, with progress on stderr; how it ended.

    Args:
        agree: on a terminal, before money may be spent, show what it would take and ask.
    """
    from harness.study.signals import run_sharing

    study = given.study()
    progress = Progress(given.calls.quiet)

    async def main() -> Ended:
        from harness.study.graph import KINDS, Graph
        from harness.study.runner import Runner, chosen
        from harness.study.stages import Memory

        with Memory(given.folder).held():
            async with given.world(study, live=True, tell=progress.tell) as world:
                graph = await Graph.of(world)
                stages = list(graph)
                pick = chosen(stages, KINDS, only, since)
                if agree and not study.emulate and sys.stdin.isatty():
                    await _agree(graph)
                given.remember(study)
                progress.expect(stages)
                return await Runner(stages, world.memory, pick=pick, watch=progress.watch).run()

    return run_sharing(main())


async def _agree(graph: Any) -> None:
    from harness.study.planning import plan_study, total
    from harness.wording import money

    every = total(await plan_study(graph))
    expected, most = money(every.expected_usd), money(every.maximum_usd)
    if every.calls and every.maximum_usd != 0:
        click.echo(
            f"{every.calls:,} calls, {expected} expected, {most} at most; "
            f"about {every.card_hours:.1f} hours of the card. (empathy plan shows more.)",
            err=True,
        )
        if not click.confirm("Begin?", default=True, err=True):
            raise click.Abort


class Progress:
    """What happens, on stderr: a line as a stage begins and ends, and now and then how far one is."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()
        self._last: dict[str, float] = {}
        self._total = self._done = 0

    def expect(self, stages: list[Stage]) -> None:
        """How many there are."""
        self._total = len(stages)

    def tell(self, stage: str, how_far: str) -> None:
        """How far a stage is; shown every few seconds."""
        now = time.monotonic()
        if now - self._last.get(stage, float("-inf")) >= SECONDS_BETWEEN_LINES:
            self._last[stage] = now
            self._say(f"      {stage}: {how_far}")

    def watch(self, what: str, standing: Standing | None, stage: Stage) -> None:
        """A stage begins or ends."""
        if standing is None:
            self._say(f"  …   {stage.name}")
            return
        self._done += 1
        if standing.state.value == "blocked":  # told in one line at the end
            return
        seconds = f", {standing.record.seconds:.1f} s" if standing.record else ""
        mark = "done" if standing.record else "FAIL"
        self._say(f"{mark}  {stage.name}{seconds}{': ' if standing.why else ''}{standing.why}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
            click.echo(f"{minutes:3}:{seconds:02}  {line}", err=True)


def finish(given: Given, ended: Ended, as_json: bool) -> None:
    """What came of it, on stdout; exits 1 where something failed, 130 where it was interrupted."""
    from harness.study.runner import State

    study = given.study()
    if as_json:
        rows = [as_data(one) for one in ended.standings]
        click.echo(orjson.dumps({"study": study.name, "stages": rows}, option=orjson.OPT_INDENT_2).decode())
    else:
        show_results(study, ended.standings, given.folder)
    failed, blocked = ended.count(State.FAILED), ended.count(State.BLOCKED)
    if ended.interrupted:
        click.echo("Interrupted; what is finished is kept. Go on with the same command.", err=True)
        sys.exit(INTERRUPTED)
    for one in ended.standings:
        if one.state is State.FAILED:
            click.echo(f"failed: {one.stage.name}: {one.why}", err=True)
    if failed or blocked:
        told = f"{failed} stages failed, {blocked} could not begin; see: empathy status {study.name}"
        click.echo(told, err=True)
        sys.exit(1)


def as_data(one: Standing) -> dict[str, Any]:
    """One stage for `--json`."""
    record = asdict(one.record) if one.record else None
    return {
        "name": one.stage.name,
        "kind": one.stage.kind,
        "state": str(one.state),
        "why": one.why,
        "record": record,
    }


def show_results(
    study: Study, standings: Any, folder: Path, echo: Callable[[str], None] = click.echo
) -> None:
    """The win rates that are there, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    from harness.study.runner import State

    done = [one for one in standings if one.state is State.DONE]
    judged = [one.record.result for one in done if one.stage.kind == "judge" and one.record]
    judged = [one for one in judged if one["split"] == study.data.split]  # not those that only choose
    for one in done:
        if one.stage.kind == "choose":
            told = one.record.result
            echo(f"best of {told['of']} on development: {told['student']} ({told['win_rate']:.1%})")
    if judged:
        table = Table(header_style="bold")
        for name in ("A", "B", "judge"):
            table.add_column(name, overflow="fold")
        for name in ("A wins", "interval", "n"):
            table.add_column(name, justify="right")
        for one in judged:
            rate = one["win_rate"]
            low_high = "" if rate is None else f"{one['low']:.1%} to {one['high']:.1%}"
            shown = "–" if rate is None else f"{rate:.1%}"
            table.add_row(one["a"], one["b"], one["judge"], shown, low_high, str(one["n"]))
        Console(width=None if sys.stdout.isatty() else 132).print(table)
    if study.emulate:
        echo("EMULATED: answers of models named emulated-… are no real model's.")
    reports = [one.record.result["file"] for one in done if one.stage.kind == "report"]
    for place in reports:
        echo(f"Report: {(folder / place).resolve()}")
