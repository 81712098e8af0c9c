"""Command `empathy plan STUDY`: estimate a study; no request is sent and nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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
from harness.terminal.output import print_json, print_notes, print_table

if TYPE_CHECKING:
    from harness.study.config import Study
    from harness.study.estimate import EstimateLine
    from results.render.rendering import Rendering

WIDTH = 112  # default width without a terminal


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

    lines, could = run(main())
    if as_json:
        from harness.study.estimate import total

        header = {
            "study": study_config.name,
            "title": study_config.title,
            "fidelity": str(study_config.fidelity),
        }
        rows = {"lines": [asdict(line) for line in lines], "total": asdict(total(lines)), **could.document}
        print_json({**header, **rows})
        return
    _show(study_config, lines, session.calls.budget or study_config.budget_usd, could.conclusions)


def _show(
    study: Study, lines: Sequence[EstimateLine], budget_usd: float | None, could: Sequence[str]
) -> None:
    from harness.study.estimate_tables import caveats, to_table

    print_table(to_table(study, lines))
    print_notes(caveats(study, lines, budget_usd))
    print_notes(could, dim=False)
