"""Command `empathy paper`: the paper's Table 1 and figures, from the database and the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import UserError
from harness.cli.options.common import data_option, db_option, exclude_same_family_option, json_option, run
from harness.terminal.output import print_document, print_message, print_text

if TYPE_CHECKING:
    from results.paper.collect import PaperContest

CELLS = click.option(
    "--cells",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV file that describes authors with other names: author, student, stage, method, strategy.",
)


@click.group()
def paper() -> None:
    """Show the paper's Table 1 and figures beside the results in the database.

    \b
    empathy paper table1 --out paper
    empathy paper figures --out paper
    """


@paper.command()
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), help="Write Markdown, LaTeX, CSV and JSON."
)
@CELLS
@exclude_same_family_option
@db_option
@json_option
def table1(out: Path | None, cells: Path | None, exclude_same_family: bool, db: str, as_json: bool) -> None:
    """Table 1: 4 studies × 2 methods × 7 strategies × SFT and SFT-DPO; own and published value, and
    difference.

    Each cell compares a student with its base on the test split under the paper's judge. Cells without
    results are empty. The paper's claims follow as contrasts. Without --out, Markdown is printed.
    """
    from results.paper import replication_tables
    from results.paper.collect import paper_claims, table1_cells
    from results.paper.table1 import table1 as compare_cells
    from results.render.writers.json import json_rendering

    contests = run(_load_contests(db, cells, exclude_same_family))
    table, claims = compare_cells(table1_cells(contests)), paper_claims(contests)
    markdown = replication_tables.replication_markdown(table, claims)
    document = json_rendering(replication_tables.render_replication(table, claims))
    if out is None:
        print_document(document if as_json else markdown)
        return
    from harness.atomic_write import write_file

    for name, text in (
        ("table1.md", markdown),
        ("table1.tex", replication_tables.replication_latex(table)),
        ("table1.csv", replication_tables.replication_csv(table)),
        ("table1.json", document.decode()),
    ):
        write_file(out / name, text)
        print_message(f"{out / name}")


@paper.command()
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="Where they go.")
@CELLS
@exclude_same_family_option
@data_option
@db_option
def figures(out: Path, cells: Path | None, exclude_same_family: bool, data: str | None, db: str) -> None:
    """Write Figures 1, 3, 4 and 6 to 10 as SVG and PNG; missing results are left out and named."""
    from agents.figures import render_charts
    from harness.data.dataset import load
    from harness.workflows.paper_figures import paper_charts

    try:
        dataset = load(data)
    except UserError as error:
        if data is not None:
            raise
        print_text(f"Figures 3 and 4 need the dataset: {error}", is_message=True)
        dataset = None
    out.mkdir(parents=True, exist_ok=True)
    for chart in paper_charts(run(_load_contests(db, cells, exclude_same_family)), dataset):
        for form, content in render_charts([chart], {"svg": {}, "png": {"dpi": 160}}).items():
            path = out / f"figure{chart.number}.{form}"
            path.write_bytes(content)
            print_message(f"{path}")


async def _load_contests(db: str, cells: Path | None, exclude_same_family: bool) -> list[PaperContest]:
    """Return the contests in the database; none if it does not exist."""
    from harness.workflows.workspace import Workspace
    from results.paper.collect import read_cells, select_paper_contests

    named = read_cells(cells) if cells is not None else {}
    async with Workspace(db) as workspace:
        if not workspace.has_database:
            print_message(f"The database {db} does not exist: only published values are shown.")
            return []
        store = await workspace.store()
        return await select_paper_contests(store, named, exclude_same_family=exclude_same_family)
