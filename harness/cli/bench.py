"""`empathy bench CHECKPOINT`: the one command for a new checkpoint, a gate where one is asked for."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, Judge
from agents.prompt_lookup import get_prompt
from agents.types import Split
from harness.cli import bench_watch
from harness.cli.bench_watch import Do
from harness.cli.options.checkpoint import checkpoint_folder
from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    json_option,
    library,
    prompts_option,
    run,
)
from harness.cli.options.serving import ServingOptions, serving_options
from harness.cli.report import write_page
from harness.terminal.output import print_json, print_message, print_notes, print_table

if TYPE_CHECKING:
    from finetune.checkpoint import Checkpoint
    from harness.workflows.bench import BenchResult

INTERRUPTED, UNFINISHED = 130, 3
SEEN = (
    "no dialogues were kept back from its training: it may have seen those of the development split. Build "
    "data with `empathy data build --hold-out`, or say --split test."
)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path), required=False)
@click.option("--against", multiple=True, metavar="AUTHOR", help="Another opponent; repeat for more.")
@click.option("--judge", "judges", multiple=True, required=True, metavar="MODEL", help="Repeat for more.")
@click.option("--judge-prompt", default=DEFAULT_PROMPT, show_default=True, help="How judges are asked.")
@click.option(
    "--split",
    type=click.Choice([split.value for split in Split]),
    default="development",
    show_default=True,
    help="Choosing uses the development split; 'test' must be said.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many dialogues: a seeded random subset.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subset and of the resampling.")
@click.option("--preset", default="", help="cut (the default), paper, released, or a name that begins so.")
@click.option(
    "--require",
    "--gate",
    "requirements",
    multiple=True,
    metavar="'win_rate>0.55'",
    help="A gate; repeat for more. 'OPPONENT.deficit<0.03': as good as OPPONENT within 3 points.",
)
@click.option(
    "--report",
    "report_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the page goes. [default: bench-NAME.html]",
)
@click.option("--no-report", is_flag=True, help="Write no page.")
@click.option(
    "--watch", type=click.Path(path_type=Path), metavar="DIR", help="Bench each new checkpoint in DIR."
)
@click.option("--once", is_flag=True, help="With --watch: what is there now, and no more.")
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
    """Serve CHECKPOINT, generate for it and its base, judge student : base in both orders, and report.

    \b
    empathy bench checkpoints/new --judge openai/gpt-6-luna --judge google/gemini-3.5-flash-lite
    empathy bench new --against openai/gpt-6.1-sol --judge openai/gpt-6-luna --require 'win_rate>0.55'
    empathy bench --watch checkpoints --judge control/ratings

    Opponents: base, and every --against: a model, dataset:…, file:…, base-cut, another student. Everything
    already known is reused; CHECKPOINT is a folder, or student:NAME; the page is bench-NAME.html, and one
    more for each opponent. With --require the exit code is the gate's: 0 where every judge's interval lies
    above the bound, 1 where one lies below, 3 where it is undecided or the run is unfinished. The interval
    takes every missing judgment as lost for passing, and as won for failing.
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
        _show(result, as_json)
        _write(report_to or Path(f"bench-{_as_file(result.student.removeprefix('student:'))}.html"), pages)
        _leave(result)
    assert watch is not None
    bench_watch.watch(watch, do, once=once, as_json=as_json)


def _bencher(rest: dict[str, Any], requirements: tuple[str, ...]) -> Do:
    """A function that benches one checkpoint as the options say."""
    serving = ServingOptions.take(rest)
    calls = CallOptions.take(rest)
    settings = calls.settings()
    prompts = library(rest["prompts_folder"])
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
            beside = [one for one in stored if one == BASE_CUT or one in known_student_names(serving.places)]
            places = (folder, *(checkpoint_folders(serving.places) if beside else ()))
            only = ServingOptions(**{**vars(serving), "places": places})
            who = only.select_served_models([f"student:{made.name}", BASE, *beside])
            how = only.serving(who, rest["preset"], quiet=calls.quiet)
            chosen = DialogueSubset(load(rest["data"]), Split(rest["split"]), rest["limit"], rest["seed"])
            judges = calls.registry().expanded(rest["judges"])
            named = tuple(dict.fromkeys([*judges, *asked]))
            with calls.models(named) as (registry, models):
                by_name = dict(zip(named, models, strict=True))
                what = BenchPlan(
                    who,
                    how,
                    chosen,
                    tuple(Judge(by_name[each], prompt) for each in judges),
                    stored,
                    {each: by_name[each] for each in asked},
                    wanted,
                )
                async with await Store.open(rest["db"]) as store:
                    result = await benched(store, registry, what, settings, prompts)
                    contests = result.contests if report else {}
                    return result, {n: await render(store, one.run_id) for n, one in contests.items()}

        return run(main())

    return do


def _held_out(made: Checkpoint) -> bool:
    """Whether the data that it was trained on kept the development dialogues back."""
    return bool((made.record.get("health") or {}).get("slice") == "held out")


def _show(result: BenchResult, as_json: bool) -> None:
    """Tables for people, or one document for programs."""
    from harness.cli import generate_output as telling
    from harness.cli import quality_gate_output
    from results.render import contest as presenting

    if as_json:
        print_json(_data(result))
        return
    print_table(telling.to_table(result.generated))
    print_notes(telling.caveats(result.generated))
    for summary in result.contests.values():
        print_table(presenting.to_table(summary))
        print_notes(presenting.caveats(summary))
    print_notes(quality_gate_output.lines(result), dim=False)


def _data(result: BenchResult) -> dict[str, Any]:
    from harness.cli import generate_output as telling
    from harness.cli import quality_gate_output
    from results.render import contest as presenting

    return {
        "student": result.student,
        "generated": telling.to_dict(result.generated),
        "contests": {name: presenting.to_dict(one) for name, one in result.contests.items()},
        "gates": {str(one): decision.name.lower() for one, decision in result.gates.items()},
        "gate_intervals": quality_gate_output.to_dict(result),
        "decision": result.decision.name.lower() if result.gates else None,
        "stopped": result.stopped,
    }


def _write(report_to: Path, pages: dict[str, str]) -> None:
    """Student against base in the file that was named; every other opponent in one beside it."""
    for number, (opponent, page) in enumerate(pages.items()):
        path = report_to if number == 0 else report_to.with_stem(f"{report_to.stem}-{_as_file(opponent)}")
        write_page(path, page)
        print_message(f"Report: {path}")


def _as_file(name: str) -> str:
    """An author's name as a file may be called."""
    return re.sub(r"[^\w.-]+", "-", name)


def _leave(result: BenchResult) -> None:
    """Exit as the gate says; an unfinished run is undecided."""
    if result.generated.interrupted or any(one.interrupted for one in result.contests.values()):
        print_message("Interrupted; everything answered is stored. Go on with the same command.")
        sys.exit(INTERRUPTED)
    if result.stopped:
        print_message(f"Unfinished: {result.stopped}. The same command goes on.")
        sys.exit(UNFINISHED if result.gates else 1)
    sys.exit(int(result.decision))
