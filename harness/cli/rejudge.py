"""Command `empathy rejudge RUN`: judge stored responses with other judges and compare all judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT, DIMENSIONS
from harness.cli.options.common import (
    call_options,
    db_option,
    exclude_same_family_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.output import exit_with_status
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from harness.workflows.rejudge import RejudgeOutcome


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
    "human_preferences",
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
    judge_prompts: tuple[str, ...],
    dimensions: bool,
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
    from harness.workflows.rejudge import RejudgeOptions
    from harness.workflows.rejudge import rejudge as rejudge_run
    from harness.workflows.workspace import Workspace
    from results.render.judge_panel import render_rejudged

    requests = take_request_options(rest)
    if reparse:
        chosen = ("judges", "human_preferences", "sensitivity", "retry_unscored")
        if dimensions or any(rest[name] for name in chosen):
            raise UserError(
                "--reparse only parses stored answers again",
                code="option.conflict",
                where="--reparse",
                remedy="Remove the other options, and ask other judges with a second command.",
            )
        reparse_answers(db, as_json)
        return
    names = (*(judge_prompts or (DEFAULT_PROMPT,)), *(DIMENSIONS if dimensions else ()))
    options = RejudgeOptions(run=written, judge_prompts=names, **rest)

    async def main() -> RejudgeOutcome:
        async with Workspace(db, None, prompts_folder) as workspace:
            return await rejudge_run(workspace, options, requests)

    outcome = run(main())
    rendering = render_rejudged(outcome.panel, outcome.corrected, outcome.result)
    print_rendering(rendering, as_json=as_json)
    if outcome.result is not None:
        exit_with_status(outcome.result, requests.require_one_model)


def reparse_answers(db: str, as_json: bool) -> None:
    """Parse all stored answers again and print the changes."""
    from harness.workflows.reparse import reparse
    from results.db.store import Store
    from results.queries.parser_versions import ReparseResult
    from results.render.reparse import render_reparse

    async def main() -> list[ReparseResult]:
        async with await Store.open(db, create=False) as store:
            return await reparse(store)

    print_rendering(render_reparse(run(main())), as_json=as_json)
