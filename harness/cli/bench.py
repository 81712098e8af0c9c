"""Command `empathy bench CHECKPOINT`: evaluate a new checkpoint, optionally against a quality gate."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge
from agents.prompt_lookup import get_prompt, load_library
from agents.types import Split
from harness.atomic_write import write_file
from harness.cli import bench_watch
from harness.cli.bench_watch import EvaluateCheckpoint
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
from harness.cli.options.serving import serving_options, take_serving_options
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from finetune.checkpoint import Checkpoint
    from harness.workflows.bench import BenchResult
    from results.render.rendering import Rendering

INTERRUPTED, UNFINISHED = 130, 3
SEEN = (
    "no dialogues were kept back from its training: it may have seen those of the development split. Build "
    "data with `empathy data build --hold-out`, or say --split test."
)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option(
    "--against", multiple=True, type=AUTHOR, metavar="AUTHOR", help="Another opponent; repeat for more."
)
@click.option("--judge", "judges", multiple=True, required=True, metavar="MODEL", help="Repeat for more.")
@click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="Prompt of the judges.")
@click.option(
    "--split",
    type=click.Choice([split.value for split in Split]),
    default="development",
    show_default=True,
    help="Split to evaluate on; pass 'test' explicitly for final numbers.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
)
@click.option(
    "--preset",
    default="",
    help="Sampling preset: truncated (the default), paper, released, or a name that begins with one of them.",
)
@click.option(
    "--require",
    "--gate",
    "requirements",
    multiple=True,
    metavar="'win_rate>0.55'",
    help=(
        "Quality gate; repeat for more. 'OPPONENT.deficit<0.03' requires to be at most 3 "
        "points worse than OPPONENT."
    ),
)
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
    requirements: tuple[str, ...],
    report_to: Path | None,
    no_report: bool,
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
    if (checkpoint is None) == (watch is None):
        raise UserError(
            "exactly one of CHECKPOINT and --watch is needed",
            code="usage.one-of",
            where="CHECKPOINT, --watch",
            remedy="Name a checkpoint's folder, or give the folder to watch with --watch.",
        )
    do = _bencher(rest, requirements)
    if checkpoint is not None:
        result, pages = do(checkpoint_folder(str(checkpoint), rest["db"]), not no_report)
        print_rendering(_render(result), as_json=as_json)
        _write(report_to or Path(f"bench-{_as_file(result.student.removeprefix('student:'))}.html"), pages)
        _leave(result)
    assert watch is not None
    bench_watch.watch(watch, do, once=once, as_json=as_json)


def _bencher(rest: dict[str, Any], requirements: tuple[str, ...]) -> EvaluateCheckpoint:
    """Return a function that evaluates one checkpoint with these options."""
    serving = take_serving_options(rest)
    calls = take_request_options(rest)
    settings = calls.settings()
    prompts = load_library(rest["prompts_folder"])
    against = tuple(dict.fromkeys(rest["against"]))

    from agents.author_names import is_served
    from results.analysis.quality_gate import BASE, parse_requirement

    prompt = get_prompt(prompts, rest["judge_prompt"], "--judge-prompt")
    wanted = tuple(parse_requirement(written, (BASE, *against)) for written in requirements)
    apart = ("dataset:", "file:", "control/")
    asked = tuple(
        name for name in against if not name.startswith(apart) and not is_served(name) and "@" not in name
    )
    stored = tuple(name for name in against if name not in asked)

    def do(folder: Path, report: bool) -> tuple[BenchResult, dict[str, str]]:
        async def main() -> tuple[BenchResult, dict[str, str]]:
            from finetune.checkpoint import read_checkpoint
            from harness.data.dataset import load
            from harness.serving.checkpoint_resolver import BASE_CUT, checkpoint_folders, known_student_names
            from harness.workflows.bench import BenchPlan
            from harness.workflows.bench import bench as benched
            from harness.workflows.generation_plan import DialogueSubset
            from results.db.store import Store
            from results.report import render

            made = read_checkpoint(folder)
            if rest["split"] == Split.DEVELOPMENT and not _held_out(made):
                print_message(f"{folder}: {SEEN}")
            beside = [
                opponent
                for opponent in stored
                if opponent == BASE_CUT or opponent in known_student_names(serving.places)
            ]
            places = (folder, *(checkpoint_folders(serving.places) if beside else ()))
            only = replace(serving, places=places)
            served_models = only.select_served_models([f"student:{made.name}", BASE, *beside])
            serving_config = only.serving(served_models, rest["preset"], quiet=calls.quiet)
            chosen = DialogueSubset(load(rest["data"]), Split(rest["split"]), rest["limit"], rest["seed"])
            judges = calls.registry().expanded(rest["judges"])
            named = tuple(dict.fromkeys([*judges, *asked]))
            with calls.models(named) as (registry, models):
                by_name = dict(zip(named, models, strict=True))
                what = BenchPlan(
                    served_models,
                    serving_config,
                    chosen,
                    tuple(Judge(by_name[each], prompt) for each in judges),
                    stored,
                    {each: by_name[each] for each in asked},
                    wanted,
                )
                async with await Store.open(rest["db"]) as store:
                    result = await benched(store, registry, what, settings, prompts)
                    contests = result.contests if report else {}
                    return result, {n: await render(store, contest.run_id) for n, contest in contests.items()}

        return run(main())

    return do


def _held_out(made: Checkpoint) -> bool:
    """Return whether the development dialogues were kept out of the checkpoint's training."""
    return bool((made.record.get("health") or {}).get("slice") == "held out")


def _render(result: BenchResult) -> Rendering:
    """Render the response sets, every contest, and the quality gates."""
    from harness.cli import quality_gate_output
    from harness.cli.generate_output import generation_document, render_generation
    from harness.cli.quality_gate_output import BenchDocument
    from results.render.judging import judging_document, render_judging
    from results.render.rendering import Rendering

    generated = render_generation(result.generated)
    contests = {name: render_judging(summary) for name, summary in result.contests.items()}
    data: BenchDocument = {
        "document": "bench",
        "student": result.student,
        "generated": generation_document(result.generated),
        "contests": {name: judging_document(summary) for name, summary in result.contests.items()},
        "gates": quality_gate_output.gate_documents(result),
        "decision": result.decision.name.lower() if result.gates else None,
        "stopped": result.stopped,
    }
    tables = [
        replace(table, caveats=rendering.caveats)
        for rendering in (generated, *contests.values())
        for table in rendering.tables
    ]
    return Rendering(data, tuple(tables), tuple(quality_gate_output.lines(result)))


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
