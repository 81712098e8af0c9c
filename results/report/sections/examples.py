"""Browser of examples: dialogue, both responses, and the verdicts in both orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from results.report.context import ReportContext
from results.report.examples import EXAMPLES, SHARES, DialogueExample, ExampleKind, ExampleSelection
from results.report.sections.section import Block, Section
from results.report.templates import render_template
from results.report.verdict_texts import VerdictSummary

OUTCOMES = {
    VerdictSummary.A: "A throughout",
    VerdictSummary.B: "B throughout",
    VerdictSummary.DIFFER: "verdicts differ",
    VerdictSummary.TIE: "ties",
    VerdictSummary.UNSCORED: "unscored",
    VerdictSummary.OPEN: "not judged yet",
}


@dataclass(frozen=True, slots=True)
class View:
    """Examples of one pair; `judges` has the judges' indices in the filter, in the order of its verdicts."""

    at: int
    a: str
    b: str
    examples: ExampleSelection
    judges: tuple[int, ...]


def examples(material: ReportContext) -> Section | None:
    """Render the section; None without contests."""
    if not material.pairs:
        return None
    judges = {
        judged.contest.judge_id: judged.contest.judge for pair in material.pairs for judged in pair.judged
    }
    place = {judge_id: index for index, judge_id in enumerate(judges)}
    views = [
        View(
            index,
            pair.a.name,
            pair.b.name,
            pair.examples,
            tuple(place[judged.contest.judge_id] for judged in pair.judged),
        )
        for index, pair in enumerate(material.pairs)
    ]
    shown = [example for view in views for example in view.examples.shown]
    html = render_template(
        "examples",
        views=views,
        shown=len(shown),
        judged_dialogues=sum(sum(_found(view).values()) for view in views),
        judges=judges.values(),
        emotions=sorted({example.dialogue.emotion for example in shown} - {""}),
        outcomes=OUTCOMES,
        outcomes_of=_outcomes_of,
        kinds=tuple(ExampleKind),
        shares={kind: f"{round(100 * share)}\u00a0%" for kind, share in SHARES.items()},
        most=max((len(view.examples.shown) for view in views), default=EXAMPLES),
        seed=material.seed,
    )
    return Section("examples", "Examples", (Block(html),))


def _found(view: View) -> Mapping[ExampleKind, int]:
    return view.examples.found


def _outcomes_of(view: View, example: DialogueExample) -> str:
    """Return the value for the page's filter: judge index and outcome, per judge."""
    return " ".join(
        f"{judge}:{opinion.outcome}" for judge, opinion in zip(view.judges, example.opinions, strict=True)
    )
