"""Command `empathy plan STUDY`: estimate a study; no request is sent and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.options.design import design_options
from harness.cli.options.study import judge_option, out_option
from harness.terminal.output import print_rendering


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
    from harness.study.estimate_tables import render_estimate
    from harness.study.session import StudySession
    from harness.workflows.contest_design import foresee_design, parse_assumptions

    session = StudySession(study, judges, data, db, prompts_folder, folder, take_request_options(rest))
    config = session.study()
    parse_assumptions(assumptions)
    lines, dialogues = run(session.estimate(config))
    size = {"samples": config.judging.samples, "seeds": len(config.training.seeds)}
    design = foresee_design(assumptions, min_effect, dialogues, **size)
    estimate = render_estimate(config, lines, session.options.budget_usd or config.budget_usd)
    print_rendering(estimate + design, as_json=as_json)
