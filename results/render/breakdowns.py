"""Breakdowns of a run beside its win rates, as JSON and as lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results.analysis.breakdowns import Breakdowns
from results.analysis.contest_results import JudgeResult, JudgingResult
from results.render.format import format_percent, format_range
from results.statistics import (
    LengthControl,
    NotEstimable,
    PooledRate,
    WinRate,
)


def add_breakdowns(data: dict[str, Any], of: Breakdowns) -> dict[str, Any]:
    """A summary's data with what stands beside it; nothing is added that was not asked for or cannot be."""
    if of.pooled is not None:
        data["pooled"] = _pooled_data(of.pooled)
    for judge in data["judges"]:
        if judge["judge_id"] in of.groups:
            groups = of.groups[judge["judge_id"]]
            judge["group_by"] = {
                "property": of.by,
                "groups": {name: _rate(one) for name, one in groups.items()},
            }
        if judge["judge_id"] in of.lengths:
            judge["length_control"] = _length_data(of.lengths[judge["judge_id"]])
    return data


def _rate(one: WinRate) -> dict[str, Any]:
    return {
        "win_rate": one.rate,
        "low": one.low,
        "high": one.high,
        "level": one.level,
        "interval": one.interval_method,
        "scope": one.scope,
        "order_robust": list(one.order_robust),
        "n": one.n,
        "incomplete": one.incomplete,
        "note": one.note,
    }


def _pooled_data(pooled: PooledRate) -> dict[str, Any]:
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


def _length_data(found: LengthControl | NotEstimable) -> dict[str, Any]:
    if isinstance(found, NotEstimable):
        return {"win_rate": None, "refused": found.reason}
    return {
        "win_rate": found.rate,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "plain": found.plain,
        "effect": found.effect,
        "longer": found.longer,
        "shorter": found.shorter,
        "n": found.n,
        "wording": found.wording,
        "unit": found.unit,
        "scope": found.scope,
        "refused": None,
    }


def breakdown_lines(summary: JudgingResult, of: Breakdowns) -> list[str]:
    """The same as lines for people."""
    lines = [] if of.pooled is None else [_pooled_line(of.pooled)]
    for judge in summary.judges:
        contest = judge.contest
        if contest.judge_id in of.lengths:
            lines.append(f"{contest.judge}: {_length_line(of.lengths[contest.judge_id])}")
        if contest.judge_id in of.groups:
            lines += _group_lines(judge, of.by, of.groups[contest.judge_id])
    if of.by:
        lines.append(
            f"By {of.by}: descriptive, no test of whether groups differ; an interval only from 20 complete "
            "dialogues on."
        )
    if of.test_set_uses:
        uses = ", ".join(f"{name} {count}" for name, count in of.test_set_uses.items())
        lines.append(f"Test-set uses so far: {uses} (distinct opponents and judges, in this database).")
    return lines


def _pooled_line(pooled: PooledRate) -> str:
    span = f"{len(pooled.judges)} judges from {format_percent(pooled.lowest)} to {format_percent(pooled.highest)}"
    rate = f"{format_percent(pooled.rate)} ({format_range(pooled.low, pooled.high)}), n {pooled.n}"
    warning = f" {pooled.note[0].upper()}{pooled.note[1:]}." if pooled.note else ""
    robust = f"order-robust {format_range(pooled.order_robust_low, pooled.order_robust_high)}"
    return f"Pooled over judges: {rate}; {robust}; {span}; {pooled.scope}.{warning}"


def _length_line(found: LengthControl | NotEstimable) -> str:
    if isinstance(found, NotEstimable):
        return f"{found}."
    return (
        f"at equal length {format_percent(found.rate)} ({format_range(found.low, found.high)}), n {found.n}, without "
        f"{format_percent(found.plain)}; {found.wording} ({found.unit}), which is also an effect of training; A's "
        f"response is the longer in {100 * found.longer:.0f} %, the shorter in {100 * found.shorter:.0f} %."
    )


def _group_lines(judge: JudgeResult, by: str, groups: Mapping[str, WinRate]) -> list[str]:
    width = max((len(name) for name in groups), default=0)
    lines = [f"{judge.contest.judge}, by {by}:"]
    for name, one in groups.items():
        interval = f"  {format_range(one.low, one.high)}" if one.low is not None else ""
        robust = f"  order-robust {format_range(*one.order_robust)}" if one.rate is not None else ""
        note = f"  {one.note}" if one.note else ""
        lines.append(
            f"  {name:<{width}}  {format_percent(one.rate):>7}  n {one.n:>4}{interval}{robust}{note}"
        )
    return lines
