"""Command `empathy respond AUTHOR…`: generate direct responses with models, students or bases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.retirement import is_retired
from agents.types import Fidelity, Split
from harness.cli.options.author import AUTHOR
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
from harness.cli.output import exit_if_failed
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from harness.workflows.generate import GenerationPlan, GenerationResult
    from results.db.store import Store

SPLITS = click.Choice([split.value for split in Split])


@click.command()
@click.argument("authors", metavar="AUTHOR…", nargs=-1, required=True, type=AUTHOR)
@click.option("--split", type=SPLITS, default="test", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subset.")
@click.option(
    "--preset",
    default="",
    help="Name of the response set: AUTHOR@NAME. For bases and students: truncated (the default), paper, "
    "released, or a name that begins with one of them.",
)
@click.option(
    "--fidelity",
    type=click.Choice([fidelity_name.value for fidelity_name in Fidelity]),
    default="paper",
    show_default=True,
    help="'released': use the prompt of the paper's script (empathy prompts fetch) and name the response set "
    "AUTHOR@released; for bases and students use --preset released.",
)
@click.option("--temperature", type=click.FloatRange(min=0), help="[default: that of the model]")
@click.option(
    "--top-p", type=click.FloatRange(min=0, max=1, min_open=True), help="[default: that of the model]"
)
@click.option("--max-tokens", type=click.IntRange(min=1), default=4096, show_default=True)
@click.option("--retry-unusable", is_flag=True, help="Ask again for answers without text.")
@click.option("--dry-run", is_flag=True, help="Print requests, tokens, time and cost; send nothing.")
@serving_options
@data_option
@db_option
@prompts_option
@json_option
@call_options
def respond(
    authors: tuple[str, ...],
    split: str,
    limit: int | None,
    seed: int,
    preset: str,
    fidelity: str,
    temperature: float | None,
    top_p: float | None,
    max_tokens: int,
    retry_unusable: bool,
    dry_run: bool,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Generate and store a direct response of each author to every dialogue of a split.

    Authors: openai/gpt-6.1-sol, vllm/NAME, …; student:NAME, base, base-truncated (cut to one response).

    \b
    empathy respond openai/gpt-6.1-sol --split test
    empathy respond openai/gpt-6.1-sol google/gemini-3.8-flash --split train --emulate
    empathy respond student:llama-over-llm-2 base --split test
    empathy respond student:tiny base --backend transformers

    Students are served together with their base, by the server that `empathy serve` started or by a new one.
    Responses are stored as they arrive; run the same command again to request only what is missing.
    """
    _check_authors(authors)
    serving = ServingOptions.take(rest)
    calls = CallOptions.take(rest)
    prompts = library(prompts_folder)
    named = tuple(dict.fromkeys(authors))
    from agents.author_names import is_served

    local = [name for name in named if is_served(name)]
    if local and (temperature, top_p, max_tokens) != (None, None, 4096) and len(local) == len(named):
        raise UserError(
            "bases and students take their sampling parameters from a preset",
            code="option.conflict",
            where="--temperature, --top-p, --max-tokens",
            remedy="Choose --preset truncated, paper or released instead.",
        )

    async def main() -> GenerationResult | None:
        from harness.data.dataset import load
        from harness.workflows.generation_plan import DialogueSubset, direct_responder, plan_responses
        from results.db.store import Store

        dialogues = DialogueSubset(load(data), Split(split), limit, seed)
        with calls.models(tuple(name for name in named if name not in local)) as (registry, models):
            async with await Store.open(db) as store:
                others = [
                    direct_responder(
                        model,
                        prompts,
                        preset="" if local else preset,
                        fidelity=Fidelity(fidelity),
                        temperature=temperature,
                        top_p=top_p,
                        max_output_tokens=max_tokens,
                    )
                    for model in models
                ]
                if not local:
                    plan = plan_responses(dialogues, others)
                    return await run_plan(
                        store, registry, plan, calls, dry_run=dry_run, as_json=as_json, again=retry_unusable
                    )
                from harness.workflows import generate_students
                from harness.workflows.records import last_seen_folders

                served = serving.select_served_models(local, await last_seen_folders(store, local))
                backend = serving.serving(served, preset, quiet=calls.quiet)
                settings = calls.settings()
                served = await generate_students.resolve_identities(store, served, backend, prompts)
                responders = [
                    generate_students.build_responder(author, served, backend, prompts)
                    for author in served.authors
                ]
                plan = plan_responses(dialogues, [*responders, *others])
                if not await confirm_plan(store, plan, calls, dry_run=dry_run, as_json=as_json):
                    return None
                return await generate_students.respond(
                    store,
                    registry,
                    dialogues,
                    served,
                    backend,
                    settings,
                    prompts,
                    others=others,
                    retry_unusable=retry_unusable,
                )

    finish(main, as_json)


def _check_authors(authors: tuple[str, ...]) -> None:
    for name in authors:
        if name.startswith(("dataset:", "file:")):
            raise UserError(
                "this author has its responses already",
                code="author.not-generated",
                where="AUTHORS",
                found=repr(name),
                remedy="Use the name with `empathy judge` or `empathy data build`.",
            )


async def confirm_plan(
    store: Store, plan: GenerationPlan, calls: CallOptions, *, dry_run: bool, as_json: bool
) -> bool:
    """Return whether to continue: no after a dry run, and only after a confirmation if requests cost
    money.
    """
    from harness.workflows.cost_tables import render_generation_cost
    from harness.workflows.generation_cost import estimate_generation_cost
    from results.render.format import format_usd

    settings = calls.settings()
    for name in plan.ignored_parameters:
        print_message(f"{name} accepts no temperature and top-p; its defaults are used and recorded.")
    if any(map(is_retired, plan.models)):
        await estimate_generation_cost(store, plan, settings)  # raises an error for retired models
    if dry_run:
        costs = await estimate_generation_cost(store, plan, settings)
        print_rendering(render_generation_cost(costs), as_json=as_json)
        return False
    if not calls.yes and not calls.emulate and sys.stdin.isatty():
        costly = [
            estimate
            for estimate in await estimate_generation_cost(store, plan, settings)
            if estimate.calls and estimate.maximum_usd != 0
        ]
        for cost in costly:
            print_message(
                f"{cost.model}: {cost.calls:,} requests, expected {format_usd(cost.expected_usd)}, "
                f"at most {format_usd(cost.maximum_usd)}"
            )
        if costly and not click.confirm("Ask them?", default=True, err=True):
            raise click.Abort
    return True


async def run_plan(
    store: Store,
    registry: Registry,
    plan: GenerationPlan,
    calls: CallOptions,
    *,
    dry_run: bool,
    as_json: bool,
    again: bool,
) -> GenerationResult | None:
    """Run a plan after a confirmation of its cost; return None for a dry run."""
    from harness.workflows.generate import generate

    if not await confirm_plan(store, plan, calls, dry_run=dry_run, as_json=as_json):
        return None
    settings = calls.settings()
    return await generate(store, registry, plan, settings, retry_unusable=again)


def finish(main: Callable[[], Coroutine[Any, Any, GenerationResult | None]], as_json: bool) -> None:
    """Run the command's coroutine, print its result, and exit with its status."""
    summary = run(main())
    if summary is None:
        return
    from harness.cli.generate_output import render_generation

    print_rendering(render_generation(summary), as_json=as_json)
    exit_if_failed(summary.endpoints.items(), summary.interrupted)
