"""Cheap + gold estimate of a win rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from agents.models.spec import is_emulated
from results.analysis.cheap_gold import CheapGoldResult
from results.render.columns import columns
from results.render.contest import answering_model_caveats, self_preference_caveats
from results.render.documents import JudgingDocument
from results.render.estimable import Estimable, estimable
from results.render.format import EMULATED_NOTE, format_percent, format_range, format_usd
from results.render.judging import judging_document
from results.render.rendering import Rendering
from results.render.table import Column, Table
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold, CostSaving
from results.statistics.stratified_ppi import Stratum


class CostSavingDocument(TypedDict):
    """Cost of both judges; null where a price is unknown.

    Attributes:
        paid_usd: cost of cheap and gold together.
        gold_everywhere_usd: cost of the gold judge on every dialogue.
        gold_equivalent_usd: cost of gold alone for an equally short interval.
        saved_usd: cost of gold on every dialogue minus what was paid.
    """

    paid_usd: float | None
    gold_everywhere_usd: float | None
    gold_equivalent_usd: float | None
    saved_usd: float | None


class CheapGoldDocument(TypedDict):
    """Contest judged by a cheap judge on all dialogues and a gold judge on a share.

    Attributes:
        estimate: the gold judge's win rate of A over all dialogues.
        cost: cost of both judges.
        gold_share: share of dialogues that the gold judge judged, in (0, 1].
        strata: strata of the share; [] for a simple random share.
        cheap, gold: judging runs of both judges.
    """

    document: Literal["cheap_gold"]
    estimate: Estimable[CheapAndGold]
    cost: CostSavingDocument
    gold_share: float
    strata: list[Stratum]
    cheap: JudgingDocument
    gold: JudgingDocument


def render_cheap_gold(result: CheapGoldResult) -> Rendering:
    """Render the combined estimate and the contest of each judge."""
    contests = [summary.contests[0].contest for summary in (result.cheap, result.gold)]
    caveats = [EMULATED_NOTE] if any(is_emulated(contest.judge_model) for contest in contests) else []
    caveats += answering_model_caveats(contests) + self_preference_caveats(contests)
    return Rendering(
        _data(result), (_table(result),), tuple(_sentences(result, contests[1].judge)), tuple(caveats)
    )


def _data(result: CheapGoldResult) -> CheapGoldDocument:
    """Return the result as JSON data; rates in [0, 1], money in US dollars."""
    return {
        "document": "cheap_gold",
        "estimate": estimable(result.estimate),
        "cost": {
            "paid_usd": result.saved.paid,
            "gold_everywhere_usd": result.saved.gold_everywhere,
            "gold_equivalent_usd": result.saved.gold_equivalent,
            "saved_usd": result.saved.saved,
        },
        "gold_share": result.share,
        "strata": list(result.strata),
        "cheap": judging_document(result.cheap),
        "gold": judging_document(result.gold),
    }


def _table(result: CheapGoldResult) -> Table:
    """Return a row per judge, and one for the gold judge's estimated win rate on all dialogues."""
    role_column = Column("role", " ")
    table = Table(
        columns=columns(role_column, "judge", "win_rate", "interval", "order_robust", "n", "cost_usd")
    )
    for role, summary in (("cheap", result.cheap), ("gold", result.gold)):
        judge = summary.contests[0]
        rate, judged = judge.hard, judge.contest
        table.add_row(
            role, judged.judge, rate.rate, (rate.low, rate.high), rate.order_robust, rate.n, judged.cost_usd
        )
    estimate = result.estimate
    if not isinstance(estimate, NotEstimable):
        table.add_section()
        gold = result.gold.contests[0].contest.judge
        table.add_row("estimate", gold, estimate.rate, (estimate.low, estimate.high), None, estimate.n, None)
    return table


def _sentences(result: CheapGoldResult, gold: str) -> list[str]:
    """Return the estimate in words, and what was saved."""
    estimate = result.estimate
    if isinstance(estimate, NotEstimable):
        return [str(estimate)]
    sentences = [
        f"Estimated win rate by {gold} on all dialogues: {format_percent(estimate.rate)} "
        f"({format_range(estimate.low, estimate.high)}), {estimate.method}; {estimate.n_gold} gold dialogues "
        f"of {estimate.n}, effective n {estimate.effective_n:.0f}; weight of the cheap judge "
        f"{estimate.weight:.2f}; {estimate.scope}"
    ]
    sentences += [_strata(result.strata)] if result.strata else []
    return [*sentences, *([estimate.note] if estimate.note else []), *_money(result.saved)]


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
        f"paid {format_usd(saved.paid)}; gold on every dialogue {format_usd(saved.gold_everywhere)}: "
        f"{format_usd(saved.saved)} saved; gold alone as precise {format_usd(saved.gold_equivalent)}"
    ]
    if saved.gold_equivalent is not None and not saved.is_worth_it:
        text_lines.append("the cheap judge predicts the gold judge too poorly to be worth its price here")
    return text_lines
