"""Breakdowns of a judging run by subgroup, length and judge, as JSON data and lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.analysis.breakdowns import Breakdowns
from results.analysis.contest_results import ContestResult, JudgingResult
from results.render.format import format_percent, format_range
from results.statistics import (
    LengthControl,
    NotEstimable,
    PooledRate,
    WinRate,
)


def add_breakdowns(data: dict[str, Any], breakdowns: Breakdowns) -> dict[str, Any]:
    """Add the computed breakdowns to a run's JSON data and return it."""
    if breakdowns.pooled is not None:
        data["pooled"] = _pooled_data(breakdowns.pooled)
    for judge in data["judges"]:
        if judge["judge_id"] in breakdowns.groups:
            groups = breakdowns.groups[judge["judge_id"]]
            judge["group_by"] = {
                "property": breakdowns.by,
                "groups": {name: _rate(rate) for name, rate in groups.items()},
            }
        if judge["judge_id"] in breakdowns.lengths:
            judge["length_control"] = _length_data(breakdowns.lengths[judge["judge_id"]])
    return data


def _rate(rate: WinRate) -> dict[str, Any]:
    """Return a win rate as JSON data."""
    return {
        "win_rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "level": rate.level,
        "interval": rate.interval_method,
        "scope": rate.scope,
        "order_robust": list(rate.order_robust),
        "n": rate.n,
        "incomplete": rate.incomplete,
        "note": rate.note,
    }


def _pooled_data(pooled: PooledRate) -> dict[str, Any]:
    """Return the pooled rate as JSON data."""
    return {
        "judges": sorted(pooled.judges),
        "win_rate": pooled.rate,
        "low": pooled.low,
        "high": pooled.high,
        "level": pooled.level,
        "interval": pooled.interval_method,
        "scope": pooled.scope,
        "order_robust": [pooled.order_robust_low, pooled.order_robust_high],
        "n": pooled.n,
        "left_out": pooled.left_out,
        "range": [pooled.lowest, pooled.highest],
        "disagree": pooled.disagree,
        "disagree_on_sign": pooled.disagree_on_sign,
        "disagree_by_points": pooled.disagree_by_points,
        "note": pooled.note,
    }


def _length_data(control: LengthControl | NotEstimable) -> dict[str, Any]:
    """Return the length-controlled rate as JSON data."""
    if isinstance(control, NotEstimable):
        return {"win_rate": None, "not_estimable": control.reason}
    return {
        "win_rate": control.rate,
        "low": control.low,
        "high": control.high,
        "level": control.level,
        "plain": control.plain,
        "effect": control.effect,
        "longer": control.longer,
        "shorter": control.shorter,
        "n": control.n,
        "wording": control.wording,
        "unit": control.unit,
        "scope": control.scope,
        "not_estimable": None,
    }


def breakdown_lines(summary: JudgingResult, breakdowns: Breakdowns) -> list[str]:
    """Return the breakdowns as lines of text."""
    lines = [] if breakdowns.pooled is None else [_pooled_line(breakdowns.pooled)]
    for judge in summary.contests:
        contest = judge.contest
        if contest.judge_id in breakdowns.lengths:
            lines.append(f"{contest.judge}: {_length_line(breakdowns.lengths[contest.judge_id])}")
        if contest.judge_id in breakdowns.groups:
            lines += _group_lines(judge, breakdowns.by, breakdowns.groups[contest.judge_id])
    if breakdowns.by:
        lines.append(
            f"By {breakdowns.by}: descriptive, without a test for differences between groups; intervals "
            f"require 20 "
            "complete dialogues."
        )
    if breakdowns.test_set_uses:
        uses = ", ".join(f"{name} {count}" for name, count in breakdowns.test_set_uses.items())
        lines.append(f"Test-set uses so far: {uses} (distinct opponents and judges, in this database).")
    return lines


def _pooled_line(pooled: PooledRate) -> str:
    """Return the pooled rate in words."""
    judge_range = (
        f"{len(pooled.judges)} judges from {format_percent(pooled.lowest)} to "
        f"{format_percent(pooled.highest)}"
    )
    rate = f"{format_percent(pooled.rate)} ({format_range(pooled.low, pooled.high)}), n {pooled.n}"
    warning = f" {pooled.note[0].upper()}{pooled.note[1:]}." if pooled.note else ""
    robust = f"order-robust {format_range(pooled.order_robust_low, pooled.order_robust_high)}"
    return f"Pooled over judges: {rate}; {robust}; {judge_range}; {pooled.scope}.{warning}"


def _length_line(control: LengthControl | NotEstimable) -> str:
    """Return the length-controlled rate in words."""
    if isinstance(control, NotEstimable):
        return f"{control}."
    return (
        f"at equal length {format_percent(control.rate)} ({format_range(control.low, control.high)}), n "
        f"{control.n}, without "
        f"{format_percent(control.plain)}; {control.wording} ({control.unit}), which is also an effect "
        f"of training; A's "
        f"response is the longer in {100 * control.longer:.0f} %, the shorter in "
        f"{100 * control.shorter:.0f} %."
    )


def _group_lines(judge: ContestResult, group_by: str, groups: Mapping[str, WinRate]) -> list[str]:
    """Return one judge's subgroups, one line each."""
    width = max((len(name) for name in groups), default=0)
    lines = [f"{judge.contest.judge}, by {group_by}:"]
    for name, rate in groups.items():
        interval = f"  {format_range(rate.low, rate.high)}" if rate.low is not None else ""
        robust = f"  order-robust {format_range(*rate.order_robust)}" if rate.rate is not None else ""
        note = f"  {rate.note}" if rate.note else ""
        lines.append(
            f"  {name:<{width}}  {format_percent(rate.rate):>7}  n {rate.n:>4}{interval}{robust}{note}"
        )
    return lines
