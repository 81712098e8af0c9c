"""Command `empathy audit JUDGE…`: compare judges with the dataset's human ratings and with baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.judge import DEFAULT_PROMPT
from harness.atomic_write import write_file
from harness.cli.options.aliases import renamed_option
from harness.cli.options.common import (
    call_options,
    data_option,
    db_option,
    json_option,
    prompts_option,
    run,
    take_request_options,
)
from harness.cli.output import exit_if_failed
from harness.terminal.output import print_message, print_rendering

if TYPE_CHECKING:
    from results.analysis.judge_audit import AuditSummary


@click.command()
@click.argument("judges", metavar="[JUDGE…]", nargs=-1)
@click.option(
    "--on",
    "split",
    type=click.Choice(["test", "train", "both"]),
    default="test",
    show_default=True,
    help="Split to audit on; 'both' gives two separate audits.",
)
@click.option(
    "--judge-prompt",
    "judge_prompts",
    multiple=True,
    metavar="NAME",
    help=f"Judge prompt; repeat to audit each judge with each. [default: {DEFAULT_PROMPT}]",
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of dialogues: a seeded random subset.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of verdicts per comparison.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the subset and of the bootstrap."
)
@renamed_option(
    "--exclude-same-family",
    "--without-kin",
    is_flag=True,
    help="Exclude, for each judge, pairs with a response of the same model family.",
)
@click.option("--retry-unscored", is_flag=True, help="Ask again for unscored comparisons.")
@click.option("--dry-run", is_flag=True, help="Print requests, tokens, time and cost; send nothing.")
@click.option(
    "--page",
    "page_to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the audit as an HTML page.",
)
@data_option
@db_option
@prompts_option
@json_option
@call_options
def audit(
    dry_run: bool,
    page_to: Path | None,
    data: str | None,
    db: str,
    prompts_folder: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Measure the agreement of judges with human ratings, on all pairs of responses with different ratings.

    Each pair is judged in both orders and stored. The control judges are shown as baselines; without a JUDGE,
    only they are audited.

    \b
    empathy audit
    empathy audit openai/gpt-6-luna google/gemini-3.5-flash-lite --on test
    empathy audit openai/gpt-6-luna --on both --limit 100 --page judges.html
    """
    from harness.workflows.audit import AuditOptions, audit_judges, estimate_audit
    from harness.workflows.cost_tables import render_audit_cost
    from harness.workflows.workspace import Workspace
    from results.render.judge_audit import render_judge_audit

    requests = take_request_options(rest)
    options = AuditOptions(**{**rest, "judge_prompts": rest["judge_prompts"] or (DEFAULT_PROMPT,)})

    async def main() -> list[AuditSummary]:
        async with Workspace(db, data, prompts_folder) as workspace:
            if not dry_run:
                return await audit_judges(workspace, options, requests)
            estimates = await estimate_audit(workspace, options, requests)
            print_rendering(render_audit_cost(estimates), as_json=as_json)
            return []

    summaries = run(main())
    if not summaries:
        return
    print_rendering(render_judge_audit(summaries), as_json=as_json)
    if page_to is not None:
        from results.report.audit_page import page

        write_file(page_to, page(summaries))
        print_message(f"Page: {page_to}")
    _exit(summaries)


def _exit(summaries: list[AuditSummary]) -> None:
    """Exit with the status of the runs: interrupted, unanswered requests, or success."""
    endpoints = (
        (judge_result.name, judge_result.endpoint)
        for summary in summaries
        for judge_result in summary.judges
        if judge_result.endpoint
    )
    exit_if_failed(endpoints, any(summary.interrupted for summary in summaries))
