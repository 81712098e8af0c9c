"""Precision and power of a contest before it is judged, under assumptions written as NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from agents.errors import Fault, UserError
from results.render.contest_design import render_contest_design
from results.render.rendering import Rendering
from results.statistics import DesignAssumptions, design, design_assumptions, required_sample_size


def foresee_design(
    assumptions: Sequence[str], min_effect: float, dialogues: int, *, samples: int = 1, seeds: int = 1
) -> Rendering:
    """Return the precision and power of a number of dialogues in both orders; nothing for 0 dialogues.

    Raises:
        UserError: if the assumptions are invalid.
    """
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
