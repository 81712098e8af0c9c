"""Command `empathy improve`: improve responses with teacher models and the paper's seven strategies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.types import Fidelity, Split
from harness.cli.options.aliases import renamed_option
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
from harness.cli.respond import SPLITS, print_generation

if TYPE_CHECKING:
    from harness.workflows.generation import Generation


@click.command()
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    required=True,
    metavar="MODEL",
    help="Teacher model; repeat for more.",
)
@renamed_option(
    "--rewrite",
    "--over",
    default="human",
    show_default=True,
    help="Responses to improve: human, llm, or human,llm for both.",
)
@click.option(
    "--strategies", default="all", show_default=True, help="Strategies, separated by commas, or all."
)
@renamed_option(
    "--initial-responses",
    "--initial",
    default="",
    metavar="AUTHOR",
    type=AUTHOR,
    help=(
        "For llm: the author whose stored responses are improved. [default: the teacher, "
        "generated if missing]"
    ),
)
@click.option("--split", type=SPLITS, default="train", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the subset.")
@click.option(
    "--fidelity",
    type=click.Choice([each.value for each in Fidelity]),
    default="paper",
    show_default=True,
    help=(
        "'released': prompts of the paper's scripts (empathy prompts fetch). 'ours': ask once "
        "more if a response "
        "is unusable or longer than 97 words."
    ),
)
@click.option(
    "--temperature", type=click.FloatRange(min=0), help="Sampling temperature. [default: that of the model]"
)
@click.option(
    "--preset", default="", help="Suffix of the response sets' names, for a second set with other settings."
)
@click.option(
    "--retry-unusable", is_flag=True, help="Ask again for responses that cannot be used for training."
)
@click.option("--dry-run", is_flag=True, help="Print requests, tokens, time and cost; send nothing.")
@data_option
@db_option
@prompts_option
@json_option
@call_options
def improve(
    rewrite: str,
    strategies: str,
    dry_run: bool,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Improve every response with each teacher and each strategy, and store the results.

    \b
    empathy improve --teacher openai/gpt-6.1-sol --rewrite human --strategies all
    empathy improve --teacher openai/gpt-6.1-sol --rewrite human,llm --strategies naive,sequential --emulate

    Strategies: naive, cognitive, affective, compassionate, all-dimensions, sequential, lacking-dimension.
    The author name of the improved responses is TEACHER@STRATEGY-over-human (or -over-llm). Answers are
    stored as they arrive; run the same command again to request only what is missing.
    """
    from harness.workflows.generation import ImproveOptions
    from harness.workflows.generation import improve as improve_responses
    from harness.workflows.workspace import Workspace

    requests = take_request_options(rest)
    kinds = tuple(dict.fromkeys(kind.strip() for kind in rewrite.split(",") if kind.strip()))
    split, fidelity = Split(rest.pop("split")), Fidelity(rest.pop("fidelity"))
    options = ImproveOptions(rewrite=kinds, strategies=(strategies,), split=split, fidelity=fidelity, **rest)

    async def main() -> Generation:
        async with Workspace(db, data, prompts_folder) as workspace:
            return await improve_responses(workspace, options, requests, dry_run=dry_run)

    print_generation(run(main()), as_json=as_json)
