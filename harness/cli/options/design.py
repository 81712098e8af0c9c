"""Options `--assume NAME=VALUE` and `--min-effect`: precision and power of a contest before it is judged."""

from __future__ import annotations

import click

from harness.cli.options.aliases import renamed_option
from harness.cli.options.groups import option_group

design_options = option_group(
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
)
