"""`--assume NAME=VALUE`, `--worth`: what a contest could tell, before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from agents.errors import Fault, UserError

if TYPE_CHECKING:
    from results.statistics import DesignAssumptions


def design_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--assume`, repeatable, and `--worth`."""
    options = [
        click.option(
            "--assume",
            "assumptions",
            multiple=True,
            metavar="NAME=VALUE",
            help="Before asking: rate, consistency, repeat_agreement, seed_spread (log-odds) or correlation, "
            "for what can be detected; repeat.",
        ),
        click.option(
            "--worth",
            type=click.FloatRange(0.0, 1.0, min_open=True),
            default=0.05,
            show_default=True,
            help="Before asking: a difference of rates that would matter.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class DesignReport:
    """What a design could tell: as data for programs, as lines for people."""

    data: dict[str, Any]
    lines: list[str]


def foresee_design(
    assumptions: Sequence[str], worth: float, dialogues: int, *, samples: int = 1, seeds: int = 1
) -> DesignReport:
    """What both orders of so many dialogues could tell; nothing where there are none.

    Raises:
        UserError: as `design_assumptions`.
    """
    from results.render.contest_design import design_data, design_lines
    from results.statistics import design, required_sample_size

    if not dialogues:
        return DesignReport({"design": None}, [])
    planned = design(design_assumptions(assumptions), dialogues, samples=samples, seeds=seeds)
    takes = required_sample_size(worth, planned.difference_std, dialogues, samples=samples)
    return DesignReport({"design": design_data(planned, takes)}, design_lines(planned, takes))


def design_assumptions(assumptions: Sequence[str]) -> DesignAssumptions:
    """The assumptions that were given, with usual values for the others.

    Raises:
        UserError: an unknown name, one given twice, no number, or a value out of its range; all at once.
    """
    from results.statistics import DesignAssumptions, design_assumptions

    names = [field.name for field in fields(DesignAssumptions)]
    values: dict[str, float] = {}
    faults = []
    for written in assumptions:
        name, _, number = (part.strip() for part in written.partition("="))
        if name not in names or name in values:
            why = "given twice" if name in values else "no such assumption"
            faults.append(Fault(f"{written!r}: {why}"))
            continue
        try:
            values[name] = float(number)
        except ValueError:
            faults.append(Fault(f"{written!r}: no number"))
    assumed = None
    if not faults:
        try:
            assumed = design_assumptions(**values)
        except ValueError as error:
            faults += [Fault(fault) for fault in str(error).split("; ")]
    if assumed is None:
        raise UserError(
            "this cannot be assumed",
            where="--assume",
            found=", ".join(assumptions),
            remedy=f"Write NAME=VALUE with one of: {', '.join(names)}.",
            faults=faults,
        )
    return assumed
