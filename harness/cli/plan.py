"""Command `empathy plan STUDY`: estimate a study; no request is sent and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.common import (
    CallOptions,
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
)
from harness.cli.options.design import design_options, foresee_design, parse_assumptions
from harness.cli.options.study import StudySession, judge_option, out_option
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from harness.study.estimate import EstimateLine
    from results.render.rendering import Rendering


@click.command()
@click.argument("study", metavar="STUDY")
@judge_option
@design_options
@out_option
@data_option
@db_option
@prompts_option
@json_option
@call_options
def plan(
    study: str,
    judges: tuple[str, ...],
    assumptions: tuple[str, ...],
    min_effect: float,
    folder: Path,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Estimate a study's requests, tokens, GPU hours, cost and time, and the effects that it can detect.

    STUDY is a file or an included study: figure-1, figure-6, figure-10, paper-llama, paper-mistral, tiny.

    \b
    empathy plan paper-llama
    empathy plan paper-llama --judge openai/gpt-6-luna --rpm 500
    empathy plan paper-llama --assume rate=0.8 --assume consistency=0.9
    """
    session = StudySession(study, judges, data, db, prompts_folder, folder, CallOptions.take(rest))
    study_config = session.study()

    parse_assumptions(assumptions)

    async def main() -> tuple[list[EstimateLine], Rendering]:
        from harness.study.estimate import plan_study
        from harness.study.graph import StudyGraph

        async with session.context(study_config, live=False) as context:
            graph = await StudyGraph.build(context)
            dialogues = len(graph.dialogues(study_config.data.split).dialogues())
            size = {"samples": study_config.judging.samples, "seeds": len(study_config.training.seeds)}
            return await plan_study(graph), foresee_design(assumptions, min_effect, dialogues, **size)

    from harness.study.estimate_tables import render_estimate

    lines, design = run(main())
    estimate = render_estimate(study_config, lines, session.calls.budget or study_config.budget_usd)
    print_rendering(estimate + design, as_json=as_json)
