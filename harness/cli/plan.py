"""`empathy plan STUDY`: what a study would take; nothing is asked and nothing is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    run,
)
from harness.cli.studies import Given, judge_option, out_option

if TYPE_CHECKING:
    from harness.study.file import Study
    from harness.study.planning import Line


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
    empathy plan paper-llama --judge openai/gpt-4o --rpm 500
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
        click.echo(orjson.dumps({**told, **rows}, option=orjson.OPT_INDENT_2).decode())
        return
    _show(found, lines, given.calls.budget or found.budget_usd)


def _show(study: Study, lines: Sequence[Line], budget_usd: float | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from harness.study.planning import CARD_TERAFLOPS, CARD_TOKENS_PER_SECOND, total
    from harness.wording import money

    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(f"{study.title} (fidelity {study.fidelity})", style="bold", highlight=False)
    right = (
        "stages",
        "done",
        "calls",
        "tokens in ≈",
        "out ≈",
        "card hours ≈",
        "time ≈",
        "expected ≈",
        "at most",
    )
    table = Table("stage", header_style="bold")
    table.add_column("what", min_width=30)
    for name in right:
        table.add_column(name, justify="right")
    every = total(lines)
    for one in (*lines, every):
        calls = "" if one.calls is None else f"{one.bound} {one.calls:,}".strip()
        asks = bool(one.calls)
        table.add_row(
            one.kind,
            one.what,
            f"{one.done:,} of {one.stages:,}",
            calls,
            f"{one.input_tokens:,}" if one.input_tokens else "",
            f"{one.output_tokens:,}" if one.output_tokens else "",
            f"{one.card_hours:.1f}" if one.card_hours else "",
            "" if not asks else "?" if one.seconds is None else _clock(one.seconds),
            money(one.expected_usd) if asks else "",
            money(one.maximum_usd) if asks else "",
            end_section=one is lines[-1],
            style="bold" if one is every else "",
        )
    console.print(table)
    for kind, note in dict.fromkeys(
        (one.kind if one.calls else f"{one.kind} {one.what}", one.note) for one in lines
    ):
        if note:
            console.print(f"{kind}: {note}", style="dim", highlight=False)
    if every.seconds is None:
        console.print(
            "Time ?: not known without a limit; give --rpm or --max-in-flight.", style="dim", highlight=False
        )
    if study.emulate:
        console.print(
            "EMULATED: no model is asked; the money is what the real ones would cost.", highlight=False
        )
    if budget_usd is not None:
        console.print(f"Ceiling of the study: {money(budget_usd)}, never crossed.", highlight=False)
    console.print(
        "Calls are counted, ≈ marks estimates: tokens from characters, the card's time from "
        f"{CARD_TERAFLOPS:.0f} TFLOP/s in training and {CARD_TOKENS_PER_SECOND:,.0f} tokens/s in generation "
        "(assumed for an RTX 4090); 'at most' charges every allowed retry. Nothing was asked.",
        style="dim",
        highlight=False,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
