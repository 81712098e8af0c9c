"""Command `empathy improve`: improve responses with teacher models and the paper's seven strategies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.prompt_lookup import load_library
from agents.types import Fidelity, Split
from harness.cli.options.aliases import renamed_option
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    take_request_options,
)
from harness.cli.respond import SPLITS, finish, run_plan

if TYPE_CHECKING:
    from harness.workflows.generate import GenerationResult


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
    teachers: tuple[str, ...],
    rewrite: str,
    strategies: str,
    initial_responses: str,
    split: str,
    limit: int | None,
    seed: int,
    fidelity: str,
    temperature: float | None,
    preset: str,
    retry_unusable: bool,
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
    from harness.workflows.generation_plan import parse_strategies

    calls = take_request_options(rest)
    prompts = load_library(prompts_folder)
    kinds = _parse_kinds(rewrite, initial_responses)
    chosen_strategies = parse_strategies(strategies)

    async def main() -> GenerationResult | None:
        from harness.data.dataset import load
        from harness.workflows.generation_plan import DialogueSubset, plan_improvements
        from results.db.store import Store

        dialogues = DialogueSubset(load(data), Split(split), limit, seed)
        with calls.models(tuple(dict.fromkeys(teachers))) as (registry, models):
            async with await Store.open(db) as store:
                plan = await plan_improvements(
                    dialogues,
                    store,
                    prompts,
                    models,
                    kinds,
                    chosen_strategies,
                    initial=initial_responses,
                    fidelity=Fidelity(fidelity),
                    temperature=temperature,
                    tag=preset,
                )
                return await run_plan(
                    store, registry, plan, calls, dry_run=dry_run, as_json=as_json, again=retry_unusable
                )

    finish(main, as_json)


def _parse_kinds(rewrite: str, initial_responses: str) -> tuple[str, ...]:
    from harness.workflows.generation_plan import INITIAL_KINDS, LLM

    kinds = tuple(dict.fromkeys(kind.strip() for kind in rewrite.split(",") if kind.strip()))
    unknown = [kind for kind in kinds if kind not in INITIAL_KINDS]
    if unknown or not kinds:
        raise UserError(
            "unknown kind of initial responses",
            code="option.unknown-value",
            where="--rewrite",
            found=repr(rewrite),
            remedy="Choose: human, llm, or human,llm.",
        )
    if initial_responses and LLM not in kinds:
        raise UserError(
            "--initial-responses needs --rewrite llm",
            code="option.missing",
            where="--initial-responses",
            found=f"--rewrite {rewrite}",
            remedy="Add --rewrite llm, or remove --initial-responses.",
        )
    return kinds
