"""Command `empathy export AUTHOR`: write an author's responses to a file."""

from __future__ import annotations

from pathlib import Path

import click

from harness.atomic_write import write_file
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import data_option, db_option, run
from harness.cli.report import STDOUT
from harness.terminal.output import print_document, print_message


@click.command()
@click.argument("author", metavar="AUTHOR", type=AUTHOR)
@click.option("--out", "-o", metavar="FILE", default=STDOUT, help="Output file; '-' is stdout (default).")
@data_option
@db_option
def export(author: str, out: str, data: str | None, db: str) -> None:
    """Write an author's stored responses as JSON lines, to be judged anywhere as file:PATH.

    Exported responses remain available after their model has retired.

    \b
    empathy respond openai/gpt-6.1-sol --split test
    empathy export openai/gpt-6.1-sol --out reference.jsonl
    empathy judge student:mine file:reference.jsonl --judge openai/gpt-6-luna
    """

    async def main() -> tuple[str, bytes, int]:
        from harness.workflows.interchange import response_rows, to_json_lines
        from harness.workflows.workspace import Workspace

        async with Workspace(db, data) as workspace:
            resolved = await workspace.author(author)
            rows = await response_rows(await workspace.store(), resolved, workspace.dataset.dialogues)
            return resolved.name, to_json_lines(rows), len(rows)

    name, lines, count = run(main())
    if out == STDOUT:
        print_document(lines)
        return
    write_file(Path(out), lines)
    print_message(f"{name}: {count:,} responses in {out}")
