"""Options that several commands share, and the settings that they give."""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.options.aliases import renamed_option
from harness.cli.options.groups import option_group
from harness.terminal.output import print_message
from results.db import DEFAULT_DB

if TYPE_CHECKING:
    from harness.workflows.request_options import RequestOptions


Result = TypeVar("Result")

data_option = click.option(
    "--data",
    metavar="FILE",
    default=None,
    help="CSV file of the dataset, or 'sample' for the included sample. [default: $EMPATHY_DATA, or "
    "data/llms-vs-humans.csv]",
)

db_option = click.option(
    "--db",
    metavar="PATH|URL",
    default=DEFAULT_DB,
    envvar="EMPATHY_DB",
    show_default=True,
    help="Database: a path for SQLite, or postgresql://USER@HOST/NAME. [env: EMPATHY_DB]",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

prompts_option = click.option(
    "--prompts",
    "prompts_folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of prompts that replace the included ones of the same name.",
)

exclude_same_family_option = renamed_option(
    "--exclude-same-family",
    "--without-kin",
    is_flag=True,
    help="Exclude judges of the same model family as an author or its teacher.",
)

snapshot_option = click.option(
    "--snapshot",
    "snapshots",
    multiple=True,
    metavar="NAME",
    help="Count only verdicts of this model version; repeat for several judges.",
)


call_options = option_group(
    click.option("--max-in-flight", type=int, help="Maximum number of concurrent requests per model."),
    click.option("--rpm", type=float, help="Maximum requests per minute and model."),
    click.option("--tpm", type=float, help="Maximum tokens per minute and model."),
    click.option("--rpd", type=int, help="Maximum requests in any 24 hours, per model."),
    click.option("--tpd", type=int, help="Maximum tokens in any 24 hours, per model."),
    click.option(
        "--budget", "budget_usd", type=float, metavar="USD", help="Hard limit on the cost of this run."
    ),
    click.option(
        "--price",
        "prices",
        multiple=True,
        metavar="MODEL=IN,OUT",
        help="Price in US dollars per million input and output tokens; repeat for more models.",
    ),
    click.option("--emulate", is_flag=True, help="Send all requests to an emulator on this machine."),
    click.option(
        "--client",
        type=click.Choice(["http", "sdk"]),
        default="http",
        show_default=True,
        help="Plain HTTP, or the SDKs of the providers.",
    ),
    click.option(
        "--timeout",
        "timeout_seconds",
        type=float,
        default=None,
        help="Timeout of one request in seconds.  [default: 120; 600 for reasoning models]",
    ),
    click.option(
        "--patience",
        metavar="DURATION",
        default="1h",
        show_default=True,
        help="How long an endpoint may be unavailable (429, 503, …) before it is disabled: 90, 30m, 2h.",
    ),
    click.option(
        "--models",
        "models_file",
        type=click.Path(path_type=Path),
        help="Additional file of providers and models (format: agents/models.toml).",
    ),
    click.option("--allow-retired", is_flag=True, help="Also send requests to retired models."),
    click.option(
        "--require-one-model",
        is_flag=True,
        help="Stop if several model versions answer under one name.",
    ),
    click.option("--quiet", is_flag=True, help="Show no progress."),
    click.option("--yes", is_flag=True, help="Do not ask for confirmation of the cost."),
)
"""Options of model requests: rate limits, budget, client, progress."""


def take_request_options(arguments: dict[str, Any]) -> RequestOptions:
    """Remove the values of `call_options` from a command's arguments and return them.

    On a terminal, costs are confirmed unless `--yes` is given.
    """
    from harness.cli.output import confirm_cost
    from harness.workflows.request_options import RequestOptions

    names = [name for name in RequestOptions.__dataclass_fields__ if name in arguments]
    asks = not arguments.pop("yes") and sys.stdin.isatty()
    return RequestOptions(
        **{name: arguments.pop(name) for name in names},
        warn=print_message,
        confirm=confirm_cost if asks else None,
    )


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine with uvloop if it is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
