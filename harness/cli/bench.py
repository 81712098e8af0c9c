"""Command `empathy bench CHECKPOINT`: evaluate a new checkpoint, optionally against a quality gate."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT
from agents.types import Split
from harness.atomic_write import write_file
from harness.cli import bench_watch
from harness.cli.options.author import AUTHOR
from harness.cli.options.checkpoint import checkpoint_folder
from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.options.groups import option_group
from harness.cli.options.serving import serving_options, take_serving_options
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from harness.workflows.bench import BenchResult

INTERRUPTED, UNFINISHED = 130, 3


bench_options = option_group(
    click.option(
        "--against", multiple=True, type=AUTHOR, metavar="AUTHOR", help="Another opponent; repeat for more."
    ),
    click.option("--judge", "judges", multiple=True, required=True, metavar="MODEL", help="Repeat for more."),
    click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="Prompt of the judges."),
    click.option(
        "--split",
        type=click.Choice([split.value for split in Split]),
        default="development",
        show_default=True,
        help="Split to evaluate on; pass 'test' explicitly for final numbers.",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset."),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
    ),
    click.option(
        "--preset",
        default="",
        help="Sampling preset: truncated (the default), paper, released, or a name that begins with one of "
        "them.",
    ),
    click.option(
        "--require",
        "--gate",
        "requirements",
        multiple=True,
        metavar="'win_rate>0.55'",
        help=(
            "Quality gate; repeat for more. 'OPPONENT.deficit<0.03' requires to be at most 3 "
            "points worse than OPPONENT."
        ),
    ),
)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@bench_options
@click.option(
    "--report",
    "report_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File of the report. [default: bench-NAME.html]",
)
@click.option("--no-report", is_flag=True, help="Write no page.")
@click.option(
    "--watch",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Evaluate each new checkpoint in this folder.",
)
@click.option("--once", is_flag=True, help="With --watch: evaluate the existing checkpoints and exit.")
@serving_options
@data_option
@db_option
@prompts_option
@json_option
@call_options
def bench(
    checkpoint: Path | None,
    watch: Path | None,
    once: bool,
    report_to: Path | None,
    no_report: bool,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Serve CHECKPOINT, generate with it and its base, judge student against base in both orders, and report.

    \b
    empathy bench checkpoints/new --judge openai/gpt-6-luna --judge google/gemini-3.5-flash-lite
    empathy bench new --against openai/gpt-6.1-sol --judge openai/gpt-6-luna --require 'win_rate>0.55'
    empathy bench --watch checkpoints --judge control/ratings

    CHECKPOINT is a folder or student:NAME. Opponents are base and every --against: a model, dataset:…,
    file:…, base-truncated, or another student. Stored answers are reused. The report is bench-NAME.html, plus
    a page for each further opponent. With --require, the exit code is 0 if every judge's interval lies above
    the bound, 1 if one lies below, and 3 if it is undecided or the run is unfinished. A missing judgment
    counts as lost for passing, and as won for failing.
    """
    from harness.workflows.bench import BenchOptions, bench_checkpoint
    from harness.workflows.bench_tables import render_bench
    from harness.workflows.workspace import Workspace
    from results.report import render

    if (checkpoint is None) == (watch is None):
        raise UserError(
            "exactly one of CHECKPOINT and --watch is needed",
            code="usage.one-of",
            where="CHECKPOINT, --watch",
            remedy="Name a checkpoint's folder, or give the folder to watch with --watch.",
        )
    serving, requests = take_serving_options(rest), take_request_options(rest)
    requests.settings()  # reports invalid options before anything is loaded
    options = BenchOptions(split=Split(rest.pop("split")), **rest)
    options.gates()

    async def evaluate(folder: Path, report: bool) -> tuple[BenchResult, dict[str, str]]:
        async with Workspace(db, data, prompts_folder) as workspace:
            result = await bench_checkpoint(workspace, folder, options, requests, serving)
            contests = result.contests if report else {}
            store = await workspace.store(create=True)
            return result, {name: await render(store, contest.run_id) for name, contest in contests.items()}

    if watch is not None:
        bench_watch.watch(watch, lambda folder: run(evaluate(folder, False))[0], once=once, as_json=as_json)
        return
    result, pages = run(evaluate(checkpoint_folder(str(checkpoint), db), not no_report))
    print_rendering(render_bench(result), as_json=as_json)
    _write(report_to or Path(f"bench-{_as_file(result.student.removeprefix('student:'))}.html"), pages)
    _leave(result)


def _write(report_to: Path, pages: dict[str, str]) -> None:
    """Write the report of student against base to the file, and those of other opponents beside it."""
    for number, (opponent, page) in enumerate(pages.items()):
        path = report_to if number == 0 else report_to.with_stem(f"{report_to.stem}-{_as_file(opponent)}")
        write_file(path, page)
        print_message(f"Report: {path}")


def _as_file(name: str) -> str:
    """Return an author's name as a file name."""
    return re.sub(r"[^\w.-]+", "-", name)


def _leave(result: BenchResult) -> None:
    """Exit with the result of the quality gate; an unfinished run is undecided."""
    if result.generated.interrupted or any(contest.interrupted for contest in result.contests.values()):
        print_message("Interrupted; all answers are stored. Run the same command to continue.")
        sys.exit(INTERRUPTED)
    if result.stopped:
        print_message(f"Unfinished: {result.stopped}. Run the same command to continue.")
        sys.exit(UNFINISHED if result.gates else 1)
    sys.exit(int(result.decision))
