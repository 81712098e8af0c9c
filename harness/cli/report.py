"""Command `empathy report RUN`: the report of a run or a study, from the database."""

from __future__ import annotations

from pathlib import Path

import click

from harness.atomic_write import write_file
from harness.cli.options.common import db_option, run, snapshot_option
from harness.terminal.output import print_document, print_message

STDOUT = "-"
FORMATS = ("html", "md", "csv", "json")


@click.command()
@click.argument("written", metavar="[RUN|STUDY]", default="last")
@click.option(
    "--out",
    "-o",
    metavar="FILE",
    help="Output file; '-' is stdout. [default: report.html, or stdout for other formats]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help=(
        "HTML page, Markdown, CSV with a row per contest, or JSON. [default: by the suffix of "
        "--out, else html]"
    ),
)
@snapshot_option
@click.option(
    "--seed", type=int, help="Seed of the bootstrap and of the examples. [default: that of the run]"
)
@db_option
def report(
    written: str,
    out: str | None,
    form: str | None,
    snapshots: tuple[str, ...],
    seed: int | None,
    db: str,
) -> None:
    """Write the report of a judging run or a whole study as one self-contained HTML page.

    RUN is the id of a run, its beginning, the name of a study, or 'last' (the default) for the latest run. No
    request is sent and nothing is downloaded; the same database gives the same page.

    \b
    empathy report
    empathy report aa865be87 --out gpt-4-against-human.html
    empathy report tiny --format md
    """
    form = form or _format_of(out)
    path = out or ("report.html" if form == "html" else STDOUT)

    async def main() -> tuple[str, str]:
        from results.db.store import Store
        from results.report import find_run, render

        async with await Store.open(db, create=False) as store:
            run_id = await find_run(store, written)
            return run_id, await render(store, run_id, seed=seed, form=form, snapshots=snapshots)

    run_id, text = run(main())
    if path == STDOUT:
        print_document(text.encode())
        return
    write_file(Path(path), text)
    print_message(f"{run_id}: report written to {path}")


def _format_of(out: str | None) -> str:
    """Return the format of a file's suffix; HTML if it has none."""
    ending = Path(out or "").suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else "html"
