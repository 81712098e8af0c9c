"""Command `empathy profile AUTHOR…`: word statistics of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agents.types import Split
from harness.cli.options.author import AUTHOR
from harness.cli.options.common import data_option, db_option, json_option, run
from harness.terminal.output import print_rendering

if TYPE_CHECKING:
    from harness.workflows.profile import ResponseProfiles


@click.command()
@click.argument("authors", metavar="AUTHOR…", nargs=-1, required=True, type=AUTHOR)
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default="test", show_default=True
)
@data_option
@db_option
@json_option
def profile(authors: tuple[str, ...], split: str, data: str | None, db: str, as_json: bool) -> None:
    """Show length, variety, openings, questions, advice and flags of each author's responses.

    \b
    empathy profile dataset:human dataset:gpt-4
    empathy profile openai/gpt-6.1-sol openai/gpt-6.1-sol@naive-over-human --split train

    Only dialogues with responses of all authors are used. The measures are descriptive; their word lists are
    shown.
    """
    from harness.workflows.profile import profile_responses, render_profiles
    from harness.workflows.workspace import Workspace

    async def main() -> ResponseProfiles:
        async with Workspace(db, data) as workspace:
            store = await workspace.store_or_empty()
            return await profile_responses(authors, workspace.dataset, store, Split(split))

    print_rendering(render_profiles(run(main())), as_json=as_json)
