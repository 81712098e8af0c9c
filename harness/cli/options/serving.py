"""Options of commands that generate with a base model and its students."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options.aliases import renamed_option
from harness.cli.options.groups import option_group
from harness.terminal.output import print_text

if TYPE_CHECKING:
    from harness.serving.options import ServingOptions

BACKENDS = ("server", "offline", "transformers")
DTYPES = click.Choice(["bf16", "fp16", "fp32"])


base_option = click.option(
    "--base",
    default="",
    metavar="MODEL",
    help="Base model: a folder, or a model on the Hub. [default: as recorded in the checkpoints]",
)

memory_options = option_group(
    click.option(
        "--memory-fraction",
        type=click.FloatRange(0, 1, min_open=True),
        help="Share of the GPU memory to use. [default: 0.92]",
    ),
    click.option("--memory-mib", type=click.IntRange(min=1), help="GPU memory in MiB. [default: detected]"),
    click.option("--dtype", type=DTYPES, help="Dtype of the computation. [default: that of the weights]"),
)
"""Options of dtype and GPU memory."""


serving_options = option_group(
    base_option,
    click.option(
        "--students",
        "places",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Checkpoint, or folder of checkpoints; repeat for more. [default: checkpoints/*]",
    ),
    renamed_option(
        "--backend",
        "--with",
        "backend",
        type=click.Choice(BACKENDS),
        default="server",
        show_default=True,
        help="Inference backend: a vLLM server, vLLM in this process (offline), or transformers.",
    ),
    click.option("--offline", is_flag=True, help="Same as --backend offline."),
    click.option("--merged", is_flag=True, help="Merge each student into its base, one after another."),
    click.option("--url", default="", help="URL of a running vLLM server (its key: $EMPATHY_SERVE_KEY)."),
    click.option("--sampling-seed", type=int, help="Sampling seed of base and students. [default: 42]"),
    memory_options,
)
"""Options of the inference backend."""


def take_serving_options(arguments: dict[str, Any]) -> ServingOptions:
    """Remove the values of `serving_options` from a command's arguments and return them.

    Raises:
        UserError: two of them exclude each other.
    """
    from harness.serving.options import ServingOptions

    names = [name for name in ServingOptions.__dataclass_fields__ if name in arguments]
    values = {name: arguments.pop(name) for name in names}
    return ServingOptions(**values, show=partial(print_text, is_message=True))
