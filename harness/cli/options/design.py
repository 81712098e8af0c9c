"""Options `--assume NAME=VALUE` and `--min-effect`: precision and power of a contest before it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from agents.errors import Fault, UserError
from harness.cli.options.aliases import renamed_option

if TYPE_CHECKING:
    from results.render.rendering import Rendering
    from results.statistics import DesignAssumptions


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


def foresee_design(
    assumptions: Sequence[str], min_effect: float, dialogues: int, *, samples: int = 1, seeds: int = 1
) -> Rendering:
    """Return the precision and power of a number of dialogues in both orders; nothing for 0 dialogues.

    Raises:
        UserError: if the assumptions are invalid.
    """
    from results.render.contest_design import render_contest_design
    from results.render.rendering import Rendering
    from results.statistics import design, required_sample_size

    if not dialogues:
        return Rendering({"design": None})
    planned = design(parse_assumptions(assumptions), dialogues, samples=samples, seeds=seeds)
    sample_size = required_sample_size(min_effect, planned.difference_std, dialogues, samples=samples)
    return render_contest_design(planned, sample_size)


def parse_assumptions(assumptions: Sequence[str]) -> DesignAssumptions:
    """Parse assumptions written as NAME=VALUE; the others keep their default values.

    Raises:
        UserError: if a name is unknown or repeated, or a value is no number or out of range; the error lists
            every fault.
    """
    from results.statistics import DesignAssumptions, design_assumptions

    names = [field.name for field in fields(DesignAssumptions)]
    values: dict[str, float] = {}
    faults = []
    for assumption in assumptions:
        name, _, number = (part.strip() for part in assumption.partition("="))
        if name not in names or name in values:
            what = "given twice" if name in values else "unknown assumption"
            faults.append(Fault(what, found=repr(assumption), code="option.invalid-value"))
            continue
        try:
            values[name] = float(number)
        except ValueError:
            faults.append(Fault("not a number", found=repr(assumption), code="option.invalid-value"))
    assumed = None
    if not faults:
        try:
            assumed = design_assumptions(**values)
        except ValueError as error:
            faults += [Fault(fault, code="option.out-of-range") for fault in str(error).split("; ")]
    if assumed is None:
        raise UserError(
            "invalid assumptions",
            code="option.invalid",
            where="--assume",
            found=", ".join(assumptions),
            remedy=f"Write NAME=VALUE with one of: {', '.join(names)}.",
            faults=faults,
        )
    return assumed
