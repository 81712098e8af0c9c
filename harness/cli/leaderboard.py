"""Command `empathy leaderboard`: rank all judged authors; export rankings, import responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from agents.errors import UserError
from agents.types import Split
from harness.atomic_write import write_file
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import data_option, db_option, exclude_same_family_option, json_option, run
from harness.terminal.output import print_document, print_line, print_message, print_rendering

FORMATS = {
    "md": "leaderboard.md",
    "csv": "leaderboard.csv",
    "json": "leaderboard.json",
    "alpaca-eval": "alpaca_eval_leaderboard.csv",
    "battles": "battles.jsonl",
}


@click.command()
@click.option(
    "--judge", "judges", multiple=True, metavar="MODEL|all", help="Judge; repeat for more. [default: all]"
)
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@click.option(
    "--format",
    "formats",
    metavar="NAMES",
    default="",
    help=f"Formats, separated by commas: {', '.join(FORMATS)}. One is printed; several need --out.",
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Where files go.")
@click.option(
    "--baseline",
    metavar="AUTHOR",
    type=AUTHOR,
    help="Opponent in AlpacaEval's format. [default: the author with most opponents]",
)
@click.option("--controlled", is_flag=True, help="Rank at equal length and style, with the effects of both.")
@exclude_same_family_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resampling.")
@click.option(
    "--import",
    "imported",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Import responses (AlpacaEval's model_outputs.json, FastChat's answers, a CSV) as an author; ranks "
    "nothing.",
)
@click.option("--as", "name", metavar="NAME", default="", help="Name of the imported author.")
@data_option
@db_option
@json_option
def leaderboard(
    formats: str,
    out: Path | None,
    baseline: str | None,
    controlled: bool,
    imported: Path | None,
    name: str,
    data: str | None,
    db: str,
    as_json: bool,
    **rest: Any,
) -> None:
    """Rank all judged authors with Bradley–Terry strengths, per judge and pooled, from stored verdicts.

    \b
    empathy leaderboard --judge all --format md,csv,json --out board
    empathy leaderboard --format battles > battles.jsonl
    empathy leaderboard --import model_outputs.json --as their-model
    empathy leaderboard --controlled
    """
    from harness.workflows import ranking
    from harness.workflows.workspace import Workspace
    from results.render.leaderboard import render_leaderboard

    wanted = _parse_formats(formats, out)
    if controlled:
        _check_controlled(wanted, baseline, imported)
    options = ranking.RankingOptions(**rest)

    async def main() -> None:
        async with Workspace(db, data) as workspace:
            if imported is not None:
                author = await ranking.import_author(workspace, imported, name)
                count = len(author.responses)
                print_line(f"{author.name}: {count} responses imported; use this name to judge them.")
            elif controlled:
                rendering = await ranking.rank_at_equal_style(workspace, options)
                print_rendering(rendering, as_json=as_json)
            elif wanted:
                _write_files(*await ranking.export_ranking(workspace, options, wanted, baseline), wanted, out)
            else:
                board = await ranking.rank_authors(workspace, options)
                print_rendering(render_leaderboard(board), as_json=as_json)

    run(main())


def _write_files(files: Mapping[str, bytes], note: str, wanted: Sequence[str], out: Path | None) -> None:
    """Print the only format, or write each to a file of the folder."""
    for form in wanted:
        if out is None:
            print_document(files[form])
        else:
            write_file(out / FORMATS[form], files[form])
            print_message(f"{out / FORMATS[form]}")
    if note:
        print_message(note)


def _check_controlled(wanted: list[str], baseline: str | None, imported: Path | None) -> None:
    """Check that no other output is requested with `--controlled`.

    Raises:
        UserError: another output is requested.
    """
    if wanted or baseline is not None or imported is not None:
        raise UserError(
            "--controlled prints a table or JSON only",
            code="option.conflict",
            where="--controlled",
            found="--format, --baseline or --import",
            remedy="Remove --controlled, or remove --format, --baseline and --import.",
        )


def _parse_formats(formats: str, out: Path | None) -> list[str]:
    names = [name.strip() for name in formats.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise UserError(
            "unknown format",
            code="option.unknown-value",
            where="--format",
            found=", ".join(unknown),
            remedy=f"Choose from: {', '.join(FORMATS)}.",
        )
    if len(names) > 1 and out is None:
        raise UserError(
            "several formats need an output folder",
            code="option.missing",
            where="--format",
            found=", ".join(names),
            remedy="Add --out DIR.",
        )
    return list(dict.fromkeys(names))
