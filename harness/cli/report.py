"""`empathy report RUN`: a run, or a whole study, as one HTML page, from the database alone."""

from __future__ import annotations

from pathlib import Path

import click

from agents.errors import UserError
from harness.atomic_write import atomic_write
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
    help="Where it goes; '-' is stdout. [default: report.html, or stdout for the other formats]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="A page, Markdown, a line a contest, or everything as data. [default: by --out's ending, else html]",
)
@snapshot_option
@click.option("--seed", type=int, help="Of the resampling and the examples. [default: the run's own]")
@db_option
def report(
    written: str,
    out: str | None,
    form: str | None,
    snapshots: tuple[str, ...],
    seed: int | None,
    db: str,
) -> None:
    """Tell a judging run, or a whole study, in one self-contained HTML page.

    RUN is a run's id, the beginning of one, a study's name, or 'last' (the default): the run that was worked
    on last. Nothing is asked and nothing is fetched; the same database gives the same page.

    \b
    empathy report
    empathy report aa865be87 --out gpt-4-against-human.html
    empathy report tiny --format md
    """
    form = form or _form_of(out)
    place = out or ("report.html" if form == "html" else STDOUT)

    async def main() -> tuple[str, str]:
        from results.db.store import Store
        from results.report import find_run, render

        async with await Store.open(db, create=False) as store:
            run_id = await find_run(store, written)
            return run_id, await render(store, run_id, seed=seed, form=form, snapshots=snapshots)

    run_id, text = run(main())
    if place == STDOUT:
        print_document(text.encode())
        return
    write_page(Path(place), text)
    print_message(f"{run_id} is told in {place}")


def _form_of(out: str | None) -> str:
    """The format that a file's ending says; a page where it says none."""
    ending = Path(out or "").suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else "html"


def write_page(path: Path, page: str) -> None:
    """Write a page whole or not at all: what is there stays until the new one is complete.

    Raises:
        UserError: it cannot be written there.
    """
    try:
        atomic_write(path, page)
    except OSError as error:
        raise UserError(
            "cannot write the file",
            code="file.not-writable",
            where=str(path),
            found=error.strerror or str(error),
            remedy="Name another file with --out.",
        ) from error
