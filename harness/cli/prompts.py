"""`empathy prompts`: which prompts there are, in which version, and what they say."""

from __future__ import annotations

from pathlib import Path

import click

from agents.errors import UserError
from harness.cli.options import json_option, library, prompts_option
from harness.terminal.output import print_json, print_table, print_text
from harness.terminal.tables import Table
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
        print_text("\n=== next turn ===\n".join(prompt.turns))
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
        print_json(rows)
        return
    table = Table()
    for head in ("name", "version", "paper", "variables", "answers"):
        table.add_column(head)
    for prompt in known:
        version = prompt.version.removeprefix("prompt-1:")
        cells = (version, prompt.paper, ", ".join(prompt.variables), ", ".join(prompt.answers))
        table.add_row(prompt.name, *cells)
    print_table(table)
