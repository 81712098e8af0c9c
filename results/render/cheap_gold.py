"""A cheap judge and a gold one as data and in words: the estimate beside either's own. Computes nothing."""

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


def to_dict(done: CheapGoldResult) -> dict[str, Any]:
    """All of it as plain data; rates in [0, 1], money in US dollars."""
    found = done.estimate
    return {
        "estimate": {"refused": str(found)} if isinstance(found, NotEstimable) else asdict(found),
        "saved": {**asdict(done.saved), "saved": done.saved.saved},
        "gold_share": done.share,
        "strata": [asdict(stratum) for stratum in done.strata],
        "cheap": contest.to_dict(done.cheap),
        "gold": contest.to_dict(done.gold),
    }


def lines(done: CheapGoldResult) -> list[str]:
    """The same for people."""
    contests = [summary.judges[0].contest for summary in (done.cheap, done.gold)]
    told = []
    for name, summary in (("cheap", done.cheap), ("gold", done.gold)):
        one = summary.judges[0]
        told.append(
            f"{name}: {one.contest.judge}: {format_percent(one.hard.rate)} "
            f"({format_range(one.hard.low, one.hard.high)}), order-robust {format_range(*one.hard.order_robust)}, "
            f"n = {one.hard.n}, {format_usd(one.contest.cost_usd)}"
        )
    found, gold = done.estimate, contests[1].judge
    if isinstance(found, NotEstimable):
        told.append(str(found))
    else:
        told.append(
            f"What {gold} would have said of all: {format_percent(found.rate)} "
            f"({format_range(found.low, found.high)}), {found.method}"
        )
        told.append(
            f"    {found.n_gold} gold dialogues of {found.n}, worth {found.effective_n:.0f}; "
            f"weight of the cheap judge {found.weight:.2f}; {found.scope}"
        )
        if done.strata:
            told.append(f"    {_strata(done.strata)}")
        if found.note:
            told.append(f"    {found.note}")
        told += _money(done.saved)
    if any(is_emulated(contest.judge_model) for contest in contests):
        told.append(EMULATED_NOTE)
    told += [note for one in contests if (note := one.answering_model_note)]
    told += [f"{note}." for one in contests if (note := self_preference_warning(one.judge, one.same_family))]
    return told


def _strata(strata: Sequence[Stratum]) -> str:
    """Which dialogues were asked about, by how the cheap judge did on them."""
    asked = (f"{one.name} {one.n_gold} of {one.n} ({format_percent(one.probability)})" for one in strata)
    return f"asked of those on which the cheap judge is {', '.join(asked)}"


def _money(saved: CostSaving) -> list[str]:
    if saved.paid is None:
        return []
    told = [
        f"    paid {format_usd(saved.paid)}; gold on every dialogue {format_usd(saved.gold_everywhere)}: "
        f"{format_usd(saved.saved)} saved; gold alone as precise {format_usd(saved.gold_equivalent)}"
    ]
    if saved.gold_equivalent is not None and not saved.is_worth_it:
        told.append("    the cheap judge tells too little of the gold one to be worth its price here")
    return told
