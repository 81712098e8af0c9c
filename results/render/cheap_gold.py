"""Cheap + gold estimate as JSON data and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.cheap_gold import CheapGoldResult
from results.render import contest
from results.render.format import EMULATED_NOTE, format_percent, format_range, format_usd
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CostSaving
from results.statistics.stratified_ppi import Stratum


def to_dict(result: CheapGoldResult) -> dict[str, Any]:
    """Return the result as JSON data; rates in [0, 1], money in US dollars."""
    estimate = result.estimate
    return {
        "estimate": {"not_estimable": str(estimate)}
        if isinstance(estimate, NotEstimable)
        else asdict(estimate),
        "saved": {**asdict(result.saved), "saved": result.saved.saved},
        "gold_share": result.share,
        "strata": [asdict(stratum) for stratum in result.strata],
        "cheap": contest.to_dict(result.cheap),
        "gold": contest.to_dict(result.gold),
    }


def lines(result: CheapGoldResult) -> list[str]:
    """Return the result as lines of text."""
    contests = [summary.contests[0].contest for summary in (result.cheap, result.gold)]
    text_lines = []
    for name, summary in (("cheap", result.cheap), ("gold", result.gold)):
        judge = summary.contests[0]
        text_lines.append(
            f"{name}: {judge.contest.judge}: {format_percent(judge.hard.rate)} "
            f"({format_range(judge.hard.low, judge.hard.high)}), order-robust "
            f"{format_range(*judge.hard.order_robust)}, "
            f"n = {judge.hard.n}, {format_usd(judge.contest.cost_usd)}"
        )
    estimate, gold = result.estimate, contests[1].judge
    if isinstance(estimate, NotEstimable):
        text_lines.append(str(estimate))
    else:
        text_lines.append(
            f"Estimated win rate by {gold} on all dialogues: {format_percent(estimate.rate)} "
            f"({format_range(estimate.low, estimate.high)}), {estimate.method}"
        )
        text_lines.append(
            f"    {estimate.n_gold} gold dialogues of {estimate.n}, effective n {estimate.effective_n:.0f}; "
            f"weight of the cheap judge {estimate.weight:.2f}; {estimate.scope}"
        )
        if result.strata:
            text_lines.append(f"    {_strata(result.strata)}")
        if estimate.note:
            text_lines.append(f"    {estimate.note}")
        text_lines += _money(result.saved)
    if any(is_emulated(contest.judge_model) for contest in contests):
        text_lines.append(EMULATED_NOTE)
    text_lines += [note for judge in contests if (note := judge.answering_model_note)]
    text_lines += [
        f"{note}." for judge in contests if (note := self_preference_warning(judge.judge, judge.same_family))
    ]
    return text_lines


def _strata(strata: Sequence[Stratum]) -> str:
    """Return the gold share by stratum."""
    shares = (
        f"{stratum.name} {stratum.n_gold} of {stratum.n} ({format_percent(stratum.probability)})"
        for stratum in strata
    )
    return f"gold share where the cheap judge is {', '.join(shares)}"


def _money(saved: CostSaving) -> list[str]:
    """Return what was paid and saved."""
    if saved.paid is None:
        return []
    text_lines = [
        f"    paid {format_usd(saved.paid)}; gold on every dialogue {format_usd(saved.gold_everywhere)}: "
        f"{format_usd(saved.saved)} saved; gold alone as precise {format_usd(saved.gold_equivalent)}"
    ]
    if saved.gold_equivalent is not None and not saved.is_worth_it:
        text_lines.append("    the cheap judge predicts the gold judge too poorly to be worth its price here")
    return text_lines
