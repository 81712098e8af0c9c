"""Command `empathy rejudge RUN`: judge stored responses with other judges and compare all judges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, DIMENSIONS, Judge
from agents.prompt_lookup import get_prompt
from harness.cli.options.common import (
    CallOptions,
    call_options,
    db_option,
    exclude_same_family_option,
    json_option,
    library,
    prompts_option,
    run,
)
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from prompts import Prompt
    from results.analysis.contest_results import JudgingResult
    from results.analysis.human_preferences import CorrectedPanel
    from results.analysis.judge_panel import JudgePanel
    from results.db.store import Store


@click.command()
@click.argument("written", metavar="[RUN]", default="last")
@click.option("--judge", "judges", multiple=True, metavar="MODEL", help="Judge; repeat for more.")
@click.option(
    "--judge-prompt",
    "judge_prompts",
    multiple=True,
    metavar="NAME",
    help=f"Judge prompt; repeat to combine each judge with each prompt. [default: {DEFAULT_PROMPT}]",
)
@click.option("--dimensions", is_flag=True, help="Also judge cognitive, affective and compassionate empathy.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help="Number of verdicts per comparison. [default: that of the run]",
)
@exclude_same_family_option
@click.option(
    "--human",
    "people",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="CSV file of human preferences (dialogue_id, a, b, preferred), to correct the judges' win rates.",
)
@click.option(
    "--sensitivity",
    is_flag=True,
    help="Correct the win rates with the judges' audits (sensitivity analysis).",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again for unscored comparisons.")
@click.option(
    "--reparse",
    is_flag=True,
    help="Parse all stored answers of all judges again with the current parser; send nothing.",
)
@db_option
@prompts_option
@json_option
@call_options
def rejudge(
    written: str,
    judges: tuple[str, ...],
    judge_prompts: tuple[str, ...],
    dimensions: bool,
    samples: int | None,
    exclude_same_family: bool,
    people: Path | None,
    sensitivity: bool,
    retry_unscored: bool,
    reparse: bool,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Judge a run's stored responses with other judges, and compare all judges of them.

    RUN is the id of a run, its beginning, or 'last' (the default). Responses come from the database. Without
    --judge, no request is sent, and the existing judges (including retired ones) are compared.

    \b
    empathy rejudge --judge anthropic/claude-sonnet-5-5
    empathy rejudge last --judge openai/gpt-6-luna --dimensions
    empathy rejudge last --human preferences.csv
    empathy rejudge --reparse
    """
    if reparse:
        if judges or people or sensitivity or retry_unscored or dimensions:
            raise UserError(
                "--reparse only parses stored answers again",
                code="option.conflict",
                where="--reparse",
                remedy="Remove the other options, and ask other judges with a second command.",
            )
        reparse_answers(db, as_json)
        return
    calls = CallOptions.take(rest)
    settings = calls.settings()
    asked_with = _prompts(prompts_folder, judge_prompts, dimensions)

    async def main() -> tuple[JudgePanel, CorrectedPanel, JudgingResult | None]:
        from harness.cli.output import confirm_cost, select_judges
        from harness.workflows.judge import judge_contest
        from harness.workflows.rejudge import load_stored_contest
        from results.analysis.judge_panel import load_panel
        from results.db.store import Store

        async with await Store.open(db, create=False) as store:
            stored = await load_stored_contest(store, written)
            summary = None
            if judges:
                with calls.models(tuple(dict.fromkeys(judges))) as (registry, models):
                    temperature = None if (samples or stored.spec.get("samples", 1)) > 1 else 0.0
                    asked = [Judge(model, prompt, temperature) for model in models for prompt in asked_with]
                    unique = list({judge.id: judge for judge in asked}.values())
                    sets = (stored.a.set, stored.b.set)
                    plan = stored.plan(await select_judges(store, unique, sets, exclude_same_family), samples)
                    if not calls.yes and not calls.emulate:
                        await confirm_cost(store, plan, settings)
                    summary = await judge_contest(
                        store, registry, plan, settings, retry_unscored=retry_unscored
                    )
            ids, own_seed = (stored.a.set.id, stored.b.set.id), int(stored.spec.get("seed", 0))
            panel = await load_panel(
                store, *ids, stored.split, seed=own_seed, exclude_same_family=exclude_same_family
            )
            return panel, await _corrected(store, panel, people, sensitivity), summary

    panel, corrected, summary = run(main())
    from results.render.judging import judging_document
    from results.render.judge_panel import render_judge_panel

    rendering = render_judge_panel(panel, corrected)
    judged = None if summary is None else judging_document(summary)
    document = {"run": judged, "jury": rendering.document}
    print_rendering(replace(rendering, document=document), as_json=as_json)
    if summary is not None:
        from harness.cli.output import exit_with_status

        exit_with_status(summary, calls.require_one_model)


def reparse_answers(db: str, as_json: bool) -> None:
    """Parse all stored answers again and print the changes."""
    from harness.cli.reparse_output import render_reparse
    from harness.workflows.reparse import reparse
    from results.db.store import Store
    from results.queries.parser_versions import ReparseResult

    async def main() -> list[ReparseResult]:
        async with await Store.open(db, create=False) as store:
            return await reparse(store)

    print_rendering(render_reparse(run(main())), as_json=as_json)


def _prompts(folder: Path | None, names: tuple[str, ...], dimensions: bool) -> list[Prompt]:
    wanted = dict.fromkeys([*(names or (DEFAULT_PROMPT,)), *(DIMENSIONS if dimensions else ())])
    prompts = library(folder)
    return [get_prompt(prompts, name, "--judge-prompt") for name in wanted]


async def _corrected(
    store: Store, panel: JudgePanel, people: Path | None, sensitivity: bool
) -> CorrectedPanel:
    from results.analysis.human_preferences import (
        CorrectedPanel,
        adjusted_by_audit,
        adjusted_by_people,
        read_preferences,
    )
    from results.queries.contest_index import name_of

    preferences, by_people, by_audit = None, {}, {}
    if people is not None:
        codes = {dialogue.id: index for index, dialogue in enumerate(panel.dialogues)}
        preferences = read_preferences(people, codes, name_of(panel.a), name_of(panel.b))
        by_people = {
            index: adjusted_by_people(judge, preferences.for_a) for index, judge in enumerate(panel.judges)
        }
    if sensitivity:
        by_audit = dict(enumerate(await adjusted_by_audit(store, panel.judges)))
    return CorrectedPanel(by_people, by_audit, preferences)
