"""`empathy prompts`: which prompts there are, in which version, and what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from agents.errors import UserError
from harness.cli.options import json_option, library, prompts_option
from prompts import PromptError


@click.command()
@click.option("--show", "shown", metavar="NAME", help="Print one prompt as it is said.")
@prompts_option
@json_option
def prompts(shown: str | None, prompts_folder: Path | None, as_json: bool) -> None:
    """Names, version hashes and variables of all prompts; --show NAME prints one."""
    known = library(prompts_folder)
    if shown is not None:
        try:
            prompt = known[shown]
        except PromptError as error:
            raise UserError(str(error), where="--show") from error
        click.echo("\n=== next turn ===\n".join(prompt.turns))
        return
    if as_json:
        rows = [
            {
                "name": prompt.name,
                "title": prompt.title,
                "paper": prompt.paper,
                "version": prompt.version,
                "variables": prompt.variables,
                "answers": prompt.answers,
                "source": prompt.source,
            }
            for prompt in known
        ]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "version", "paper", "variables", "answers", box=None, header_style="bold")
    for prompt in known:
        version = prompt.version.removeprefix("prompt-1:")
        cells = (version, prompt.paper, ", ".join(prompt.variables), ", ".join(prompt.answers))
        table.add_row(prompt.name, *cells)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
