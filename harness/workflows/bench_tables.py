"""Result of a benchmark: response sets, contests and quality gates with the intervals that decided them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.workflows.bench import BenchResult
from harness.workflows.generation_tables import render_generation
from results.analysis.quality_gate import Requirement
from results.render.contest import render_contest, worst_case
from results.render.rendering import Rendering
from results.statistics import Interval, WinRate


def render_bench(result: BenchResult) -> Rendering:
    """Render the response sets, every contest, and the quality gates."""

    generated = render_generation(result.generated)
    contests = {name: render_contest(summary) for name, summary in result.contests.items()}
    data = {
        "student": result.student,
        "generated": generated.document,
        "contests": {name: contest.document for name, contest in contests.items()},
        "gates": {str(requirement): decision.name.lower() for requirement, decision in result.gates.items()},
        "gate_intervals": _gate_data(result),
        "decision": result.decision.name.lower() if result.gates else None,
        "stopped": result.stopped,
    }
    tables = [
        replace(table, caveats=rendering.caveats)
        for rendering in (generated, *contests.values())
        for table in rendering.tables
    ]
    return Rendering(data, tuple(tables), tuple(_gate_lines(result)))


def _gate_lines(result: BenchResult) -> list[str]:
    """Return one line per gate and one per judge below it: "[0.504, 0.628], missing judgments lost"."""
    shown = []
    for requirement, decision in result.gates.items():
        shown.append(f"{requirement}: {decision.name.lower()}")
        shown += [f"  {judge}: {_case(rate)}" for judge, rate in _rates(result, requirement)]
    return shown


def _gate_data(result: BenchResult) -> dict[str, Any]:
    """Return, by requirement and judge, the bound and the two intervals that are compared with it."""
    return {
        str(requirement): {
            judge: {"bound": requirement.bound, "incomplete": rate.incomplete, **worst_case(rate)}
            for judge, rate in _rates(result, requirement)
        }
        for requirement in result.gates
    }


def _rates(result: BenchResult, requirement: Requirement) -> Iterator[tuple[str, WinRate]]:
    summary = result.contests.get(requirement.opponent)
    for judge in summary.judges if summary else ():
        yield judge.contest.judge, judge.hard


def _case(rate: WinRate) -> str:
    if not rate.incomplete:
        return f"interval {_ends(rate.missing_lost)}, every dialogue complete"
    return (
        f"interval {_ends(rate.missing_lost)} with every missing judgment lost (passing), "
        f"{_ends(rate.missing_won)} with every one won (failing); {rate.incomplete} dialogues incomplete"
    )


def _ends(interval: Interval | None) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else "none"
