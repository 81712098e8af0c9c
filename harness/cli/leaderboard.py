"""Command `empathy leaderboard`: rank all judged authors; export rankings, import responses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import UserError
from agents.types import Split
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import data_option, db_option, exclude_same_family_option, json_option, run
from harness.terminal.output import print_document, print_line, print_message, print_rendering

if TYPE_CHECKING:
    from results.analysis.leaderboard import JudgeRanking, Leaderboard
    from results.db.store import Store

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
    judges: tuple[str, ...],
    split: str,
    formats: str,
    out: Path | None,
    baseline: str | None,
    controlled: bool,
    exclude_same_family: bool,
    seed: int,
    imported: Path | None,
    name: str,
    data: str | None,
    db: str,
    as_json: bool,
) -> None:
    """Rank all judged authors with Bradley–Terry strengths, per judge and pooled, from stored verdicts.

    \b
    empathy leaderboard --judge all --format md,csv,json --out board
    empathy leaderboard --format battles > battles.jsonl
    empathy leaderboard --import model_outputs.json --as their-model
    empathy leaderboard --controlled
    """
    wanted = _parse_formats(formats, out)
    if controlled:
        _check_controlled(wanted, baseline, imported)
    if imported is not None:
        run(_import(imported, name, data, db))
        return

    async def main() -> dict[str, bytes]:
        from results.analysis.leaderboard import load_leaderboard
        from results.db.store import Store
        from results.render.leaderboard import render_leaderboard

        async with await Store.open(db, create=False) as store:
            if controlled:
                await _print_controlled(
                    store, judges, split, seed, exclude_same_family=exclude_same_family, as_json=as_json
                )
                return {}
            made: dict[str, bytes] = {}
            if "battles" in wanted:
                from harness.workflows.interchange import export_judgments, to_json_lines

                made["battles"] = to_json_lines(await export_judgments(store))
            if [*wanted] == ["battles"]:
                return made
            board = await load_leaderboard(
                store, judges, split=split, seed=seed, exclude_same_family=exclude_same_family
            )
            if not wanted:
                print_rendering(render_leaderboard(board), as_json=as_json)
                return {}
            return made | await _export(store, board, wanted, baseline)

    made = run(main())
    for form in wanted:
        if out is None:
            print_document(made[form])
        else:
            from harness.cli.report import write_page

            write_page(out / FORMATS[form], made[form].decode())
            print_message(f"{out / FORMATS[form]}")


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


async def _print_controlled(
    store: Store, judges: tuple[str, ...], split: str, seed: int, *, exclude_same_family: bool, as_json: bool
) -> None:
    from results.analysis.controlled_ranking import controlled_rankings
    from results.render.controlled_ranking import render_controlled_ranking

    rankings = await controlled_rankings(
        store, judges, split=split, seed=seed, exclude_same_family=exclude_same_family
    )
    print_rendering(render_controlled_ranking(rankings, split), as_json=as_json)


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


async def _import(path: Path, name: str, data: str | None, db: str) -> None:
    from harness.data.dataset import load
    from harness.workflows.interchange import import_responses, read_import
    from results.db.store import Store

    dataset = load(data)
    author = read_import(path, dataset.dialogues, name)
    async with await Store.open(db) as store:
        await import_responses(store, author, dataset.dialogues)
    print_line(
        f"{author.set.author}: {len(author.responses)} responses imported; use this name to judge them."
    )


async def _export(
    store: Store, board: Leaderboard, wanted: list[str], baseline: str | None
) -> dict[str, bytes]:
    from results.render import leaderboard as shown
    from results.render.writers.json import json_rendering

    made = {
        "md": shown.leaderboard_markdown(board).encode(),
        "csv": shown.leaderboard_csv(board).encode(),
        "json": json_rendering(shown.render_leaderboard(board)),
    }
    if "alpaca-eval" in wanted:
        own = [ranking for ranking in board.rankings if ranking.judge_id]
        ranking = max(own, key=lambda each: (not each.judge.startswith("control/"), len(each.authors)))
        named = baseline or shown.most_common_opponent(board.rankings)
        made["alpaca-eval"] = shown.alpaca_eval_csv(
            ranking, named, await _mean_lengths(store, ranking)
        ).encode()
        print_message(f"AlpacaEval format: against {named}, by {ranking.judge}")
    return made


async def _mean_lengths(store: Store, ranking: JudgeRanking) -> dict[str, float]:
    """Return the mean length in characters of each response set, by its id."""
    mean_lengths = {}
    for response_set in ranking.authors:
        texts = [len(response.text) for response in await store.responses(response_set.id)]
        mean_lengths[response_set.id] = sum(texts) / max(1, len(texts))
    return mean_lengths
