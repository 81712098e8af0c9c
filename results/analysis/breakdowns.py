"""What may stand beside the judges' win rates: by sentiment or emotion, pooled over judges, at equal length.

Reads the store; the statistics compute. Says nothing of contests that stopped on their own answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.errors import UserError
from harness.workflows.judge import JudgeSummary, Summary
from results.db.store import Store
from results.queries.contest_index import name_of
from results.queries.contests import Contest
from results.queries.test_set_uses import USES_TEST, uses_of
from results.render.format import between, percent
from results.statistics import (
    LengthControl,
    PooledRate,
    Refusal,
    WinRate,
    breakdown,
    length_controlled,
    pooled_over_judges,
)

CONTROL = "control"


@dataclass(frozen=True)
class Beside:
    """What stands beside the win rates of a run.

    Attributes:
        pooled: over the judges that are models, where there are two or more.
        by: the property of dialogues that `groups` is by; "" for none.
        groups: by judge id, the win rate of each group.
        lengths: by judge id, the win rate at equal length, or why there is none.
        looks: by author, its test-set uses so far, this one counted; empty for another split.
    """

    pooled: PooledRate | None = None
    by: str = ""
    groups: Mapping[str, Mapping[str, WinRate]] = field(default_factory=dict)
    lengths: Mapping[str, LengthControl | Refusal] = field(default_factory=dict)
    looks: Mapping[str, int] = field(default_factory=dict)


async def beside(
    store: Store, summary: Summary, *, seed: int, by: str | None = None, length: bool = False
) -> Beside:
    """All of it that was asked for; pooling wherever several models judged to the end.

    Raises:
        UserError: it was asked for beside contests that stopped on their own answers.
    """
    if any(judge.stopped for judge in summary.judges):
        if by or length:
            raise UserError(
                "a contest that stops when it is known reports its sequence alone",
                where="--by" if by else "--length-control",
                remedy="Leave --until away to judge every dialogue.",
            )
        return Beside(looks=await _looks(store, summary))
    groups, lengths = {}, {}
    for judge in summary.judges:
        contest = judge.contest
        if by:
            properties = [getattr(dialogue, by) for dialogue in contest.dialogues]
            groups[contest.judge_id] = breakdown(contest.columns, properties, seed=seed)
        if length:
            words = [await _words(store, of.id, contest) for of in (contest.a, contest.b)]
            lengths[contest.judge_id] = length_controlled(contest.columns, *words)
    looks = await _looks(store, summary)
    return Beside(_pooled(summary, seed), by or "", groups, lengths, looks)


async def _looks(store: Store, summary: Summary) -> dict[str, int]:
    if summary.spec.get("split") not in USES_TEST or not summary.judges:
        return {}
    contest = summary.judges[0].contest
    uses = await uses_of(store, (contest.a.id, contest.b.id))
    return {name_of(of): uses[of.id] for of in (contest.a, contest.b)}


def _pooled(summary: Summary, seed: int) -> PooledRate | None:
    """Control judges are floors, not opinions: they are left out."""
    judges = [judge.contest for judge in summary.judges if judge.contest.judge_provider != CONTROL]
    if len(judges) < 2:
        return None
    return pooled_over_judges({contest.judge: contest.columns for contest in judges}, seed=seed)


async def _words(store: Store, set_id: str, contest: Contest) -> list[float]:
    counts = {response.dialogue: len(response.text.split()) for response in await store.responses(set_id)}
    return [float(counts[dialogue.key]) for dialogue in contest.dialogues]


# -- as data and as text -------------------------------------------------------------------------------


def with_beside(data: dict[str, Any], of: Beside) -> dict[str, Any]:
    """A summary's data with what stands beside it; nothing is added that was not asked for or cannot be."""
    if of.pooled is not None:
        data["pooled"] = _pooled_data(of.pooled)
    for judge in data["judges"]:
        if judge["judge_id"] in of.groups:
            groups = of.groups[judge["judge_id"]]
            judge["by"] = {"property": of.by, "groups": {name: _rate(one) for name, one in groups.items()}}
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


def _length_data(found: LengthControl | Refusal) -> dict[str, Any]:
    if isinstance(found, Refusal):
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


def told(summary: Summary, of: Beside) -> list[str]:
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
    if of.looks:
        uses = ", ".join(f"{name} {count}" for name, count in of.looks.items())
        lines.append(f"Test-set uses so far: {uses} (distinct opponents and judges, in this database).")
    return lines


def _pooled_line(pooled: PooledRate) -> str:
    span = f"{len(pooled.judges)} judges from {percent(pooled.lowest)} to {percent(pooled.highest)}"
    rate = f"{percent(pooled.rate)} ({between(pooled.low, pooled.high)}), n {pooled.n}"
    warning = f" {pooled.note[0].upper()}{pooled.note[1:]}." if pooled.note else ""
    robust = f"order-robust {between(pooled.order_robust_low, pooled.order_robust_high)}"
    return f"Pooled over judges: {rate}; {robust}; {span}; {pooled.scope}.{warning}"


def _length_line(found: LengthControl | Refusal) -> str:
    if isinstance(found, Refusal):
        return f"{found}."
    return (
        f"at equal length {percent(found.rate)} ({between(found.low, found.high)}), n {found.n}, without "
        f"{percent(found.plain)}; {found.wording} ({found.unit}), which is also an effect of training; A's "
        f"response is the longer in {100 * found.longer:.0f} %, the shorter in {100 * found.shorter:.0f} %."
    )


def _group_lines(judge: JudgeSummary, by: str, groups: Mapping[str, WinRate]) -> list[str]:
    width = max((len(name) for name in groups), default=0)
    lines = [f"{judge.contest.judge}, by {by}:"]
    for name, one in groups.items():
        interval = f"  {between(one.low, one.high)}" if one.low is not None else ""
        robust = f"  order-robust {between(*one.order_robust)}" if one.rate is not None else ""
        note = f"  {one.note}" if one.note else ""
        lines.append(f"  {name:<{width}}  {percent(one.rate):>7}  n {one.n:>4}{interval}{robust}{note}")
    return lines
