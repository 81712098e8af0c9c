"""Options `--assume NAME=VALUE` and `--min-effect`: precision and power of a contest before it is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from harness.cli.options.aliases import renamed_option


def design_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--assume` and `--min-effect`."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option(
            "--assume",
            "assumptions",
            multiple=True,
            metavar="NAME=VALUE",
            help="Assumption for the power analysis: rate, consistency, repeat_agreement, seed_spread "
            "(log-odds) or correlation; repeat for more.",
        ),
        renamed_option(
            "--min-effect",
            "--worth",
            type=click.FloatRange(0.0, 1.0, min_open=True),
            default=0.05,
            show_default=True,
            help="Smallest relevant difference of win rates, for the required sample size.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
