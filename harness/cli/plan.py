"""`empathy plan STUDY`: what a study would take; nothing is asked and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import (
    CallOptions,
    calls_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
)
from harness.cli.studies import Given, judge_option, out_option
from harness.terminal.output import print_json, print_notes, print_table

if TYPE_CHECKING:
    from harness.study.file import Study
    from harness.study.planning import Line

WIDTH = 112  # where no terminal says how wide it is


@click.command()
@click.argument("study", metavar="STUDY")
@judge_option
@out_option
@data_option
@db_option
@prompts_option
@json_option
@calls_options
def plan(
    study: str,
    judges: tuple[str, ...],
    folder: Path,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Say what a study would take: calls, tokens, hours of a card, money, time.

    STUDY is a file, or a shipped study: figure-1, figure-6, figure-10, paper-llama, paper-mistral, tiny.

    \b
    empathy plan paper-llama
    empathy plan paper-llama --judge openai/gpt-6-luna --rpm 500
    """
    given = Given(study, judges, data, db, prompts_folder, folder, CallOptions.take(rest))
    found = given.study()

    async def main() -> list[Line]:
        from harness.study.graph import Graph
        from harness.study.planning import plan_study

        async with given.world(found, live=False) as world:
            return await plan_study(await Graph.of(world))

    lines = run(main())
    if as_json:
        from harness.study.planning import total

        told = {"study": found.name, "title": found.title, "fidelity": str(found.fidelity)}
        rows = {"lines": [asdict(one) for one in lines], "total": asdict(total(lines))}
        print_json({**told, **rows})
        return
    _show(found, lines, given.calls.budget or found.budget_usd)


def _show(study: Study, lines: Sequence[Line], budget_usd: float | None) -> None:
    from harness.showing.planned import as_table, notes

    print_table(as_table(study, lines))
    print_notes(notes(study, lines, budget_usd))
