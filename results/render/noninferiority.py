"""A margin held against a comparison, as data and as lines for people. Computes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from results.analysis.noninferiority import NonInferiorityMargins
from results.render.paired_differences import format_points, format_points_range
from results.statistics import NonInferiority, NotEstimable


def noninferiority_data(margins: NonInferiorityMargins) -> dict[str, Any]:
    """By judge: the verdict and what it rests on, or why it is refused; differences in [−1, 1]."""
    return {
        "margin": margins.margin,
        "first": margins.first,
        "second": margins.second,
        "judges": {
            judge: {"verdict": None, "refused": result.reason}
            if isinstance(result, NotEstimable)
            else {**asdict(result), "comparison_kind": margins.how[judge], "refused": None}
            for judge, result in margins.judges.items()
        },
    }


def noninferiority_lines(margins: NonInferiorityMargins) -> list[str]:
    """One sentence a judge."""
    return [
        f"{judge}: {result}."
        if isinstance(result, NotEstimable)
        else f"{judge}: {_sentence(margins, result)}"
        for judge, result in margins.judges.items()
    ]


def _sentence(margins: NonInferiorityMargins, result: NonInferiority) -> str:
    within = f"{margins.second} within {_plain(result.margin)} points"
    verdicts = {
        "non-inferior": f"{margins.first} is as good as {within}",
        "inferior": f"{margins.first} is not as good as {within}",
        "undecided": f"whether {margins.first} is as good as {within} cannot be told",
    }
    interval = f"{format_points(result.difference)} points ({format_points_range(result.low, result.high)}; {100 * result.level:g} %)"
    said = f"{verdicts[result.verdict]}: {interval}"
    if result.left_out:
        said += f", {result.left_out} incomplete dialogues at their worst"
    said += "."
    if result.required_sample_size is not None:
        more = result.required_sample_size.more_dialogues
        said += (
            f" If they are equally good, showing it takes {result.required_sample_size.dialogues:,} dialogues"
        )
        said += f", {more:,} more." if more else "."
    return said


def _plain(rate: float) -> str:
    return f"{100 * rate:g}"
