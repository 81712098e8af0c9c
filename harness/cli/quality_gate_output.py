"""Output of a bench's quality gates: each gate with the interval that decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

from harness.cli.generate_output import GenerationDocument
from results.render.contest import range_document
from results.render.documents import JudgingDocument, RangeDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.workflows.bench import BenchResult
    from results.analysis.quality_gate import Requirement
    from results.statistics import Interval, WinRate


def lines(result: BenchResult) -> list[str]:
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


def gate_documents(result: BenchResult) -> dict[str, GateDocument]:
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
