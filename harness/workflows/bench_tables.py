"""Result of a benchmark: response sets, contests and quality gates with the intervals that decided them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from typing_extensions import TypedDict

from harness.workflows.bench import BenchResult
from harness.workflows.generation_tables import GenerationDocument, generation_document, render_generation
from results.analysis.quality_gate import Requirement
from results.render.contest import range_document
from results.render.documents import JudgingDocument, RangeDocument
from results.render.judging import judging_document, render_judging
from results.render.rendering import Rendering
from results.statistics import Interval, WinRate


def render_bench(result: BenchResult) -> Rendering:
    """Render the response sets, every contest, and the quality gates."""
    generated = render_generation(result.generated)
    contests = {name: render_judging(summary) for name, summary in result.contests.items()}
    document: BenchDocument = {
        "document": "bench",
        "student": result.student,
        "generated": generation_document(result.generated),
        "contests": {name: judging_document(summary) for name, summary in result.contests.items()},
        "gates": _gate_documents(result),
        "decision": result.decision.name.lower() if result.gates else None,
        "stopped": result.stopped,
    }
    tables = [
        replace(table, caveats=rendering.caveats)
        for rendering in (generated, *contests.values())
        for table in rendering.tables
    ]
    return Rendering(document, tuple(tables), tuple(_gate_lines(result)))


def _gate_lines(result: BenchResult) -> list[str]:
    """Return one line per gate and one per judge below it: "[0.504, 0.628], missing judgments lost"."""
    shown = []
    for requirement, decision in result.gates.items():
        shown.append(f"{requirement}: {decision.name.lower()}")
        shown += [f"  {judge}: {_case(rate)}" for judge, rate in _rates(result, requirement)]
    return shown


class GateJudgeDocument(TypedDict):
    """Intervals of one judge that are compared with the bound of a gate; null without dialogues.

    Attributes:
        incomplete: number of dialogues with a missing judgment.
        missing_lost: interval with every missing judgment lost; decides passing.
        missing_won: interval with every missing judgment won; decides failing.
    """

    incomplete: int
    missing_lost: RangeDocument | None
    missing_won: RangeDocument | None


class GateDocument(TypedDict):
    """Quality gate.

    Attributes:
        decision: its decision.
        bound: bound of the win rate, in [0, 1].
        judges: intervals by judge.
    """

    decision: str
    bound: float
    judges: dict[str, GateJudgeDocument]


class BenchDocument(TypedDict):
    """Evaluation of a checkpoint.

    Attributes:
        student: author name of the checkpoint.
        generated: the generation run.
        contests: judging run against each opponent.
        gates: quality gates by requirement; empty without any.
        decision: decision of all gates; null without any.
        stopped: why the run is not finished, or "".
    """

    document: Literal["bench"]
    student: str
    generated: GenerationDocument
    contests: dict[str, JudgingDocument]
    gates: dict[str, GateDocument]
    decision: str | None
    stopped: str


def _gate_documents(result: BenchResult) -> dict[str, GateDocument]:
    """Return the quality gates by requirement as JSON data."""
    return {
        str(requirement): {
            "decision": decision.name.lower(),
            "bound": requirement.bound,
            "judges": {judge: _intervals(rate) for judge, rate in _rates(result, requirement)},
        }
        for requirement, decision in result.gates.items()
    }


def _intervals(rate: WinRate) -> GateJudgeDocument:
    lost, won = rate.missing_lost, rate.missing_won
    return {
        "incomplete": rate.incomplete,
        "missing_lost": range_document(lost.low, lost.high) if lost else None,
        "missing_won": range_document(won.low, won.high) if won else None,
    }


def _rates(result: BenchResult, requirement: Requirement) -> Iterator[tuple[str, WinRate]]:
    summary = result.contests.get(requirement.opponent)
    for contest in summary.contests if summary else ():
        yield contest.contest.judge, contest.hard


def _case(rate: WinRate) -> str:
    if not rate.incomplete:
        return f"interval {_ends(rate.missing_lost)}, every dialogue complete"
    return (
        f"interval {_ends(rate.missing_lost)} with every missing judgment lost (passing), "
        f"{_ends(rate.missing_won)} with every one won (failing); {rate.incomplete} dialogues incomplete"
    )


def _ends(interval: Interval | None) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else "none"
