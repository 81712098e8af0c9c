"""The command line: one file per command, imported only when it is called.

The root turns the project's own errors into what a user reads: what, where, found, remedy; exit code 2; no
traceback.
"""

from __future__ import annotations

import io
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from agents.errors import EmpathyError, InputWarning, UserError
from harness.cli.dotenv_file import load_dotenv_file
from harness.cli.lazy_group import LazyGroup
from harness.cli.stdio import prepare_stdio
from harness.terminal.output import print_message, print_text

COMMANDS = {
    "demo": ("harness.cli.demo:demo", "Run the main job on this machine: no key, no GPU."),
    "data": ("harness.cli.data:data", "Fetch, describe and split the dataset; build training sets."),
    "improve": ("harness.cli.improve:improve", "Let a teacher improve responses, by the seven strategies."),
    "respond": ("harness.cli.respond:respond", "Let a model answer the dialogues, with the direct prompt."),
    "train": ("harness.cli.train:train", "Fine-tune a student (SFT, then DPO), plan it, merge it."),
    "serve": ("harness.cli.serve:serve", "Serve a base and its students on one vLLM; plan what fits."),
    "bench": ("harness.cli.bench:bench", "A new checkpoint: serve, generate, judge, report, and a gate."),
    "judge": ("harness.cli.judge:judge", "Judge one author against another, every pair in both orders."),
    "compare": ("harness.cli.compare:compare", "Is B better than A? By how much, and can we tell?"),
    "audit": ("harness.cli.audit:audit", "Judges against the dataset's human ratings, beside the floors."),
    "rejudge": ("harness.cli.rejudge:rejudge", "Other judges over a run's responses; how judges agree."),
    "leaderboard": ("harness.cli.leaderboard:leaderboard", "Rank all authors ever judged; export, import."),
    "paper": ("harness.cli.paper:paper", "The paper's Table 1 and figures, with ours beside."),
    "plan": ("harness.cli.plan:plan", "Say what a study would take: calls, card hours, money, time."),
    "run": ("harness.cli.run:run_study", "Run a whole study; resumable at any moment."),
    "status": ("harness.cli.status:status", "Show what of a study is done, missing, or failed, and why."),
    "report": ("harness.cli.report:report", "Write a run's report: one HTML page."),
    "doctor": (
        "harness.cli.doctor:doctor",
        "Ask each model one question: what it accepts, how fast it is.",
    ),
    "export": ("harness.cli.export:export", "Write an author's responses as a file that outlives it."),
    "profile": ("harness.cli.profile:profile", "Describe authors' responses; no key needed."),
    "prompts": ("harness.cli.prompts:prompts", "List, show, copy and fetch prompts."),
    "emulate": ("harness.cli.emulate:emulate", "Serve emulated providers on this machine."),
}
USER_MISTAKE = 2
INTERRUPTED = 130
DEFECT = 70  # of ours, not the user's: no gate may take it for an answer


@click.command(cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="empathy-harness", prog_name="empathy")
def root() -> None:
    """Distil empathy from large language models into small ones, and judge honestly whether it worked."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 a user's mistake, 130 interrupted, 70 a defect of ours."""
    prepare_stdio()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        code = _ended(partial(_run, arguments))
    sys.exit(_ended(sys.stdout.flush) or code)


def _run(arguments: list[str] | None) -> Any:
    load_dotenv_file(Path.cwd())
    return root.main(args=arguments, prog_name="empathy", standalone_mode=False)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **_: Any) -> None:
    """A warning of ours as a sentence on stderr; another's as Python writes it."""
    if issubclass(category, InputWarning):
        print_message(f"empathy: note: {message}")
    else:
        print_text(warnings.formatwarning(message, category, *place[:2]).rstrip("\n"), is_message=True)


def _ended(do: Callable[[], Any]) -> int:
    """Do it; with which code that ends, once its error has been shown."""
    try:
        result = do()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except Exception as error:
        return _shown(error)
    except KeyboardInterrupt:
        return _shown(click.Abort())
    return result if isinstance(result, int) else 0


def _shown(error: Exception) -> int:
    """Show an error as a user reads it; the exit code that belongs to it."""
    if isinstance(error, click.ClickException):
        usage = io.StringIO()
        error.show(file=usage)
        print_text(usage.getvalue().rstrip("\n"), is_message=True)
        return USER_MISTAKE
    if isinstance(error, click.Abort):
        print_message("empathy: interrupted")
        return INTERRUPTED
    if isinstance(error, OSError) and error.filename is not None:
        error = UserError("cannot be used", where=str(error.filename), found=error.strerror or str(error))
    if isinstance(error, EmpathyError):
        print_text(f"empathy: {error}", is_message=True)
        return USER_MISTAKE if isinstance(error, UserError) else 1
    print_text("".join(traceback.format_exception(error)).rstrip("\n"), is_message=True)
    return DEFECT
