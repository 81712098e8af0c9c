"""Command line `empathy`.

Each command is a module that is imported only when the command is called. The root group prints errors with
their code, place, value and remedy, without a traceback, and sets the exit code.
"""

from __future__ import annotations

import re
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from agents.errors import EmpathyError, InputWarning, UserError
from harness.cli.documents import ErrorDocument
from harness.cli.dotenv_file import load_dotenv_file
from harness.cli.lazy_group import LazyGroup
from harness.cli.stdio import prepare_stdio
from harness.terminal.output import print_json, print_message, print_text

COMMANDS = {
    "demo": ("harness.cli.demo:demo", "Run the main steps on this machine, without a key or GPU."),
    "data": ("harness.cli.data:data", "Fetch, describe and split the dataset; build training sets."),
    "improve": ("harness.cli.improve:improve", "Improve responses with a teacher model and the strategies."),
    "respond": ("harness.cli.respond:respond", "Generate responses with models, students or bases."),
    "train": ("harness.cli.train:train", "Fine-tune a student (SFT, then DPO); plan memory; merge."),
    "serve": ("harness.cli.serve:serve", "Serve a base model and its students with one vLLM server."),
    "bench": ("harness.cli.bench:bench", "Evaluate a new checkpoint: serve, generate, judge, report, gate."),
    "judge": ("harness.cli.judge:judge", "Judge author A against author B, each pair in both orders."),
    "compare": ("harness.cli.compare:compare", "Compare two authors by their win rates against an opponent."),
    "audit": ("harness.cli.audit:audit", "Compare judges with human ratings and with baselines."),
    "rejudge": ("harness.cli.rejudge:rejudge", "Judge a run's responses with other judges; show agreement."),
    "leaderboard": ("harness.cli.leaderboard:leaderboard", "Rank all judged authors; export and import."),
    "paper": ("harness.cli.paper:paper", "Show the paper's Table 1 and figures beside your results."),
    "plan": ("harness.cli.plan:plan", "Estimate a study's requests, GPU hours, cost and time."),
    "run": ("harness.cli.run:run_study", "Run a study; run it again to resume."),
    "status": ("harness.cli.status:status", "Show the done, missing and failed stages of a study."),
    "report": ("harness.cli.report:report", "Write the report of a run as one HTML page."),
    "doctor": ("harness.cli.doctor:doctor", "Check models with one request each: parameters and latency."),
    "export": ("harness.cli.export:export", "Export an author's responses as a file."),
    "profile": ("harness.cli.profile:profile", "Describe the length and style of authors' responses."),
    "prompts": ("harness.cli.prompts:prompts", "List, show, copy and fetch prompts."),
    "schema": ("harness.cli.schema:schema", "Print the JSON Schema of results."),
    "emulate": ("harness.cli.emulate:emulate", "Serve emulated providers on this machine."),
}
USER_ERROR = 2
INTERRUPTED = 130
DEFECT = 70  # an unexpected exception; no script may take it for a result


@click.command(cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="empathy-harness", prog_name="empathy")
def root() -> None:
    """Distil empathy from large language models into small ones and evaluate the result."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 success, 2 user error, 130 interrupted, 70 unexpected exception."""
    prepare_stdio()
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        code = _exit_code(partial(_run, arguments), as_json=as_json)
    sys.exit(_exit_code(sys.stdout.flush) or code)


def _run(arguments: list[str] | None) -> Any:
    load_dotenv_file(Path.cwd())
    return root.main(args=arguments, prog_name="empathy", standalone_mode=False)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **_: Any) -> None:
    """Print an `InputWarning` as a sentence on stderr, and any other warning as Python prints it."""
    if issubclass(category, InputWarning):
        print_message(f"empathy: note: {message}")
    else:
        print_text(warnings.formatwarning(message, category, *place[:2]).rstrip("\n"), is_message=True)


def _exit_code(action: Callable[[], Any], *, as_json: bool = False) -> int:
    """Return the exit code of an action, after printing its error if it raises one."""
    try:
        result = action()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except Exception as error:
        return _report_error(error, as_json=as_json)
    except KeyboardInterrupt:
        return _report_error(click.Abort(), as_json=as_json)
    return result if isinstance(result, int) else 0


def _report_error(error: Exception, *, as_json: bool) -> int:
    """Print an error to stderr, and with `--json` also to stdout; return its exit code."""
    if isinstance(error, click.Abort):
        print_message("empathy: interrupted")
        return INTERRUPTED
    if isinstance(error, click.UsageError) and error.ctx is not None:
        print_text(error.ctx.get_usage(), is_message=True)
    if isinstance(error, click.ClickException):
        error = _usage_error(error)
    if isinstance(error, OSError) and error.filename is not None:
        error = UserError(
            "cannot use the file",
            code="file.not-usable",
            where=str(error.filename),
            found=error.strerror or str(error),
        )
    if not isinstance(error, EmpathyError):
        print_text("".join(traceback.format_exception(error)).rstrip("\n"), is_message=True)
        return DEFECT
    if not isinstance(error, UserError):
        error_data = UserError(str(error), code="run.failed").to_dict()
        print_text(f"empathy: error [run.failed]: {error}", is_message=True)
    else:
        error_data = error.to_dict()
        text = str(error)
        prefix = f"[{error.code}] "
        print_text(f"empathy: error {prefix.strip()}: {text.removeprefix(prefix)}", is_message=True)
    if as_json:
        document: ErrorDocument = {"document": "error", "error": error_data}
        print_json(document)
    return USER_ERROR if isinstance(error, UserError) else 1


def _usage_error(error: click.ClickException) -> UserError:
    """Return click's error as a `UserError` with a code."""
    context = getattr(error, "ctx", None)
    remedy = f"See {context.command_path} --help." if context is not None else ""
    if isinstance(error, click.NoSuchOption):
        near = " or ".join(error.possibilities or ())
        remedy = f"Did you mean {near}? {remedy}" if near else remedy
        return UserError(
            "unknown option", code="usage.unknown-option", found=error.option_name, remedy=remedy
        )
    if isinstance(error, click.MissingParameter):
        where = _parameter_hint(error)
        return UserError("missing parameter", code="usage.missing-parameter", where=where, remedy=remedy)
    if isinstance(error, click.BadParameter):
        where, found = _parameter_hint(error), error.message.rstrip(".")
        return UserError("invalid value", code="usage.invalid-value", where=where, found=found, remedy=remedy)
    message = error.format_message()
    if match := re.match(r"No such command '(.*)'\.(?: (Did you mean .*))?", message):
        remedy = f"{match[2]} {remedy}" if match[2] else remedy
        return UserError("unknown command", code="usage.unknown-command", found=repr(match[1]), remedy=remedy)
    return UserError("invalid usage", code="usage.invalid", found=message.rstrip("."), remedy=remedy)


def _parameter_hint(error: click.BadParameter) -> str:
    """Return the flag or argument that an error is about."""
    hint = error.param_hint
    if hint is None and error.param is not None:
        hint = error.param.get_error_hint(error.ctx)  # type: ignore[arg-type,unused-ignore]
    text = hint if isinstance(hint, str) else " / ".join(hint or ())
    return text.replace("'", "")
