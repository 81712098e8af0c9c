"""Command `empathy respond AUTHOR…`: generate direct responses with models, students or bases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.types import Fidelity, Split
from harness.cli.options.author import AUTHOR
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
from harness.cli.output import exit_if_failed
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from harness.workflows.generation import Generation

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
    from harness.workflows.generation import RespondOptions
    from harness.workflows.generation import respond as respond_to_dialogues
    from harness.workflows.workspace import Workspace

    serving, requests = take_serving_options(rest), take_request_options(rest)
    split, fidelity = Split(rest.pop("split")), Fidelity(rest.pop("fidelity"))
    options = RespondOptions(split=split, fidelity=fidelity, **rest)

    async def main() -> Generation:
        async with Workspace(db, data, prompts_folder) as workspace:
            return await respond_to_dialogues(workspace, options, requests, serving, dry_run=dry_run)

    print_generation(run(main()), as_json=as_json)


def print_generation(generation: Generation, *, as_json: bool) -> None:
    """Print the result of a generation run, or its cost in a dry run; exit with its status."""
    from harness.workflows.cost_tables import render_generation_cost
    from harness.workflows.generation_tables import render_generation

    if isinstance(generation, list):
        print_rendering(render_generation_cost(generation), as_json=as_json)
        return
    print_rendering(render_generation(generation), as_json=as_json)
    exit_if_failed(generation.endpoints.items(), generation.interrupted)
