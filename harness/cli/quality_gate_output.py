"""Output of a bench's quality gates: each gate with the interval that decided it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def to_dict(result: BenchResult) -> dict[str, Any]:
    """Return, by requirement and judge, the bound and the two intervals that are compared with it."""
    return {
        str(requirement): {
            judge: {"bound": requirement.bound, "incomplete": rate.incomplete, **_worst_case(rate)}
            for judge, rate in _rates(result, requirement)
        }
        for requirement in result.gates
    }


def _rates(result: BenchResult, requirement: Requirement) -> Iterator[tuple[str, WinRate]]:
    summary = result.contests.get(requirement.opponent)
    for contest_result in summary.contests if summary else ():
        yield contest_result.contest.judge, contest_result.hard


def _worst_case(rate: WinRate) -> dict[str, list[float] | None]:
    """Return the intervals over all dialogues with every missing judgment lost, and won."""
    cases = {"missing_lost": rate.missing_lost, "missing_won": rate.missing_won}
    return {name: [case.low, case.high] if case else None for name, case in cases.items()}


def _case(rate: WinRate) -> str:
    if not rate.incomplete:
        return f"interval {_ends(rate.missing_lost)}, every dialogue complete"
    return (
        f"interval {_ends(rate.missing_lost)} with every missing judgment lost (passing), "
        f"{_ends(rate.missing_won)} with every one won (failing); {rate.incomplete} dialogues incomplete"
    )


def _ends(interval: Interval | None) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else "none"
