"""Command `empathy demo`: the main steps with included defaults, without a key, GPU or network."""

from __future__ import annotations

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agents.errors import UserError
from harness.atomic_write import write_file
from harness.cli.options.common import run
from harness.cli.output import exit_with_status
from harness.terminal.output import print_line, print_message, print_rendering, print_text

if TYPE_CHECKING:
    from agents.types import Split
    from harness.workflows.contest import ContestOutcome

A, B = "dataset:gpt-4", "dataset:human"
CONTROLS = ("control/ratings", "control/longer", "control/first")
EMULATED = ("openai/gpt-6-luna", "google/gemini-3.5-flash-lite", "anthropic/claude-haiku-5-5")
FOLDER = Path("runs/demo")
STUDY = "tiny"
BEFOREHAND = (
    "The study `tiny`: an EMULATED teacher improves responses, a TINY student (half a million random\n"
    "parameters) is trained and served on this machine, EMULATED and control judges compare.\n"
    "It takes a few minutes on two cores."
)
AFTERWARDS = """Where it stands: {empathy} status tiny --out {out}
The study file and its stages: docs/studies.md"""


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Folder for the database, the results and the report.",
)
@click.option("--judging", is_flag=True, help="Only judge; do not train.")
@click.option("--open", "opens", is_flag=True, help="Open the report in a browser.")
def demo(out: Path, judging: bool, opens: bool) -> None:
    """Run the main steps on this machine, offline, without a key or GPU.

    If torch, trl and peft are installed, this runs the study `tiny`: an emulated teacher improves responses,
    training sets are built, a tiny student is trained (SFT, DPO), served, and judged in both orders by
    control judges and emulated judges. Otherwise, or with --judging, six judges compare GPT-4's responses
    with human ones (on the real dataset if it was fetched, else on the included sample).

    Models named emulated-… are served by an emulator on this machine, over HTTP.
    """
    if not judging and can_train():
        run_full_demo(out, opens=opens)
        return
    if not judging:
        print_message("Only judging. For all stages, install with: pip install -e '.[train]'")
    began = time.monotonic()
    outcome, page = run(_demo(out))
    from results.render.judging import render_judging

    print_rendering(render_judging(outcome.result, outcome.breakdowns))
    place = out / "report.html"
    write_file(place, page)
    print_text(f"\nReport: {place.resolve()}")
    print_line(f"Done in {time.monotonic() - began:.0f} s. If you run it again, no request is sent.")
    if opens:
        click.launch(str(place.resolve()))
    exit_with_status(outcome.result)


def can_train() -> bool:
    """Return whether the packages for training are installed."""
    from finetune.dependencies import LIBRARIES

    return all(find_spec(name) is not None for name in LIBRARIES)


def run_full_demo(out: Path, *, opens: bool = False) -> None:
    """Run the study `tiny`, from the teacher to the report."""
    from harness.cli.run import finish, run_session
    from harness.study.session import StudySession
    from harness.study.status_tables import report_path
    from harness.workflows.request_options import RequestOptions

    began = time.monotonic()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no packages are missing
    options = RequestOptions(emulate=True, quiet=False, warn=print_message)
    session = StudySession(STUDY, (), None, str(out / "empathy.sqlite"), None, out, options)
    print_text(BEFOREHAND, is_message=True)
    ended = run_session(session)
    page, place = report_path(ended.stage_statuses, out), out / "report.html"
    if page is not None:
        write_file(place, page.read_text(encoding="utf-8"))
    took = f"Done in {time.monotonic() - began:.0f} s. If you run it again, nothing is requested or trained."
    finish(session, ended, as_json=False, report=place if page is not None else None)
    print_line(took)
    print_text(AFTERWARDS.format(empathy=sys.argv[0] if "empathy" in sys.argv[0] else "empathy", out=out))
    if opens:
        click.launch(str(place.resolve()))


async def _demo(out: Path) -> tuple[ContestOutcome, str]:
    """Judge two authors with control judges and emulated ones; return the result and its report."""
    from harness.workflows.contest import ContestOptions, judge_authors
    from harness.workflows.request_options import RequestOptions
    from harness.workflows.workspace import Workspace
    from results.report import render

    data, split = _dataset()
    requests = RequestOptions(emulate=True, quiet=False, events=out, warn=print_message)
    async with Workspace(str(out / "empathy.sqlite"), data) as workspace:
        dataset = workspace.dataset
        print_message(f"Dataset: {dataset.source}, {len(dataset.dialogues):,} dialogues.")
        options = ContestOptions(a=A, b=B, judges=(*CONTROLS, *EMULATED), split=split)
        outcome = await judge_authors(workspace, options, requests)
        return outcome, await render(await workspace.store(), outcome.result.run_id)


def _dataset() -> tuple[str | None, Split]:
    """Return the real dataset and its test split if it was fetched, else the included sample.

    Raises:
        UserError: the dataset that the environment names does not exist.
    """
    from agents.types import Split
    from harness.data.dataset import ENVIRONMENT, SAMPLE, locate

    if os.environ.get(ENVIRONMENT) == SAMPLE:
        return SAMPLE, Split.ALL
    try:
        locate(None)
    except UserError:
        if os.environ.get(ENVIRONMENT):
            raise
        return SAMPLE, Split.ALL
    return None, Split.TEST
