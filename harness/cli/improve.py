"""`empathy improve`: teacher agents improve responses with the paper's seven strategies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.types import Fidelity, Split
from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    json_option,
    library,
    prompts_option,
)
from harness.cli.respond import SPLITS, carry_out, finish

if TYPE_CHECKING:
    from harness.workflows.generate import GenerationResult


@click.command()
@click.option(
    "--teacher", "teachers", multiple=True, required=True, metavar="MODEL", help="A teacher; repeat for more."
)
@click.option(
    "--over", default="human", show_default=True, help="What is improved: human, llm, or human,llm for both."
)
@click.option(
    "--strategies", default="all", show_default=True, help="Names with commas between them, or all."
)
@click.option(
    "--initial",
    default="",
    metavar="AUTHOR",
    help="For llm: whose stored responses are improved. [default: the teacher's own, asked where missing]",
)
@click.option("--split", type=SPLITS, default="train", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many dialogues: a seeded random subset.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the subset.")
@click.option(
    "--fidelity",
    type=click.Choice([each.value for each in Fidelity]),
    default="paper",
    show_default=True,
    help="'released': the published scripts' prompts (empathy prompts fetch). 'ours': over 97 words or "
    "unusable is asked once more.",
)
@click.option("--temperature", type=click.FloatRange(min=0), help="[default: the model's own]")
@click.option("--preset", default="", help="Added to the sets' names: a second set made in another way.")
@click.option("--retry-unusable", is_flag=True, help="Ask again where an answer may not train.")
@click.option("--dry-run", is_flag=True, help="Print calls, tokens, time and money; ask nothing.")
@data_option
@db_option
@prompts_option
@json_option
@call_options
def improve(
    teachers: tuple[str, ...],
    over: str,
    strategies: str,
    initial: str,
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
    """Let each teacher improve every response with every strategy, and store the result.

    \b
    empathy improve --teacher openai/gpt-6.1-sol --over human --strategies all
    empathy improve --teacher openai/gpt-6.1-sol --over human,llm --strategies naive,sequential --emulate

    Strategies: naive, cognitive, affective, compassionate, all-dimensions, sequential, lacking-dimension.
    The improved responses are the author TEACHER@STRATEGY-over-human (or -over-llm). Every answer is
    stored as it arrives: run the same command again and only what is missing is asked.
    """
    from harness.workflows.generation_plan import parse_strategies

    calls = CallOptions.take(rest)
    prompts = library(prompts_folder)
    kinds = _kinds(over, initial)
    chosen_strategies = parse_strategies(strategies)

    async def main() -> GenerationResult | None:
        from harness.data.dataset import load
        from harness.workflows.generation_plan import DialogueSubset, plan_improvements
        from results.db.store import Store

        chosen = DialogueSubset(load(data), Split(split), limit, seed)
        with calls.models(tuple(dict.fromkeys(teachers))) as (registry, models):
            async with await Store.open(db) as store:
                plan = await plan_improvements(
                    chosen,
                    store,
                    prompts,
                    models,
                    kinds,
                    chosen_strategies,
                    initial=initial,
                    fidelity=Fidelity(fidelity),
                    temperature=temperature,
                    tag=preset,
                )
                return await carry_out(
                    store, registry, plan, calls, dry_run=dry_run, as_json=as_json, again=retry_unusable
                )

    finish(main, as_json)


def _kinds(over: str, initial: str) -> tuple[str, ...]:
    from harness.workflows.generation_plan import LLM, OVER

    kinds = tuple(dict.fromkeys(kind.strip() for kind in over.split(",") if kind.strip()))
    unknown = [kind for kind in kinds if kind not in OVER]
    if unknown or not kinds:
        raise UserError(
            "a teacher improves human responses or an LLM's",
            where="--over",
            found=repr(over),
            remedy="Choose: human, llm, or human,llm.",
        )
    if initial and LLM not in kinds:
        raise UserError(
            "initial responses are of --over llm alone", where="--initial", found=f"--over {over}"
        )
    return kinds
