"""Command `empathy export AUTHOR`: write an author's responses to a file."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options.author import AUTHOR
from harness.cli.options.common import data_option, db_option, run
from harness.cli.report import STDOUT, write_page
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
        from harness.data.author_resolver import resolve_author
        from harness.data.dataset import load
        from harness.workflows.interchange import response_rows, to_json_lines
        from results.db.store import Store

        dataset = load(data)
        async with await Store.open(db, create=False) as store:
            resolved = await resolve_author(author, dataset, store)
            rows = await response_rows(store, resolved, dataset.dialogues)
            return resolved.name, to_json_lines(rows), len(rows)

    name, lines, count = run(main())
    if out == STDOUT:
        print_document(lines)
        return
    write_page(Path(out), lines.decode())
    print_message(f"{name}: {count:,} responses in {out}")
