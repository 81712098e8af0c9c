"""Command `empathy profile AUTHOR…`: word statistics of responses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
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
    from harness.data.dataset import load
    from harness.workflows.profile import profile_responses, render_profiles
    from results.db.store import Store

    async def main(place: str, *, create: bool) -> ResponseProfiles:
        dataset = load(data)
        async with await Store.open(place, create=create) as store:
            return await profile_responses(authors, dataset, store, Split(split))

    with TemporaryDirectory() as nowhere:  # a missing database must not be created
        there = "://" in db or Path(db).exists()
        place = db if there else str(Path(nowhere) / "empty.sqlite")
        result = run(main(place, create=not there))
    print_rendering(render_profiles(result), as_json=as_json)
