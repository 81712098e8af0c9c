"""Non-inferiority of one author to another, by judge."""

from __future__ import annotations

from results.analysis.noninferiority import NonInferiorityMargins
from results.render.comparison_data import NonInferiorityDocument
from results.render.estimable import estimable
from results.render.format import format_level, format_points, format_points_range
from results.render.rendering import Rendering
from results.statistics import NonInferiority, NotEstimable


def render_noninferiority(margins: NonInferiorityMargins) -> Rendering:
    """Render the verdicts: `non_inferiority` in the document, and one sentence per judge."""
    sentences = (
        f"{judge}: {result}."
        if isinstance(result, NotEstimable)
        else f"{judge}: {_sentence(margins, result)}"
        for judge, result in margins.judges.items()
    )
    return Rendering({"non_inferiority": _data(margins)}, conclusions=tuple(sentences))


def _data(margins: NonInferiorityMargins) -> NonInferiorityDocument:
    """Return the verdict and its basis by judge as JSON data; differences in [−1, 1]."""
    return {
        "margin": margins.margin,
        "first": margins.first,
        "second": margins.second,
        "judges": {
            judge: {"comparison_kind": margins.kinds.get(judge, ""), **estimable(result)}
            for judge, result in margins.judges.items()
        },
    }


def _sentence(margins: NonInferiorityMargins, result: NonInferiority) -> str:
    """Return one judge's verdict."""
    target = f"{margins.second} within {_plain(result.margin)} points"
    verdicts = {
        "non-inferior": f"{margins.first} is as good as {target}",
        "inferior": f"{margins.first} is not as good as {target}",
        "undecided": f"undecided whether {margins.first} is as good as {target}",
    }
    interval = (
        f"{format_points(result.difference)} points "
        f"({format_points_range(result.low, result.high)}; {format_level(result.level)})"
    )
    sentence = f"{verdicts[result.verdict]}: {interval}"
    if result.left_out:
        sentence += f", {result.left_out} incomplete dialogues at their worst"
    sentence += "."
    if result.required_sample_size is not None:
        more = result.required_sample_size.more_dialogues
        sentence += (
            f" If they are equally good, showing it requires "
            f"{result.required_sample_size.dialogues:,} dialogues"
        )
        sentence += f", {more:,} more." if more else "."
    return sentence


def _plain(rate: float) -> str:
    """Return a rate in points without trailing zeros."""
    return f"{100 * rate:g}"
