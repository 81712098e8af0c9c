"""Comparisons as JSON data. Rates lie in [0, 1], differences in [−1, 1]."""

from __future__ import annotations

from typing import Any

from agents.models.spec import is_emulated
from results.analysis.comparison import JudgeComparison, PairComparison, SingleOrderTest
from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.analysis.multi_comparison import ComparisonRow, MultiComparison
from results.analysis.training_seeds import SeedComparison
from results.queries.contest_index import name_of
from results.statistics import SCOPE, NotEstimable, PairedDifference, SampleSize, StrategyEstimate


def verdict(test: PairedDifference, level: float = 0.95) -> str:
    """Return "first", "second", "undecided", or "" without a result; uses Holm-adjusted p-values."""
    if test.difference is None or test.p_adjusted is None:
        return ""
    if test.p_adjusted > 1.0 - level or test.difference == 0.0:
        return "undecided"
    return "first" if test.difference > 0 else "second"


def comparison_to_dict(comparison: PairComparison) -> dict[str, Any]:
    """Return the comparison of two authors as JSON data."""
    return {
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "family_size": comparison.family_size,
        "level": comparison.level,
        "scope": scope_of(comparison.selection),
        "group_by": comparison.by,
        "disagree": comparison.disagree,
        "judges": [_judge_comparison_data(judge, comparison.level) for judge in comparison.judges],
    }


def _head(selection: ContestSelection, seed: int, *, soft: bool) -> dict[str, Any]:
    """Return the fields that all comparisons share."""
    return {
        "authors": [name_of(author) for author in selection.authors],
        "response_sets": [author.id for author in selection.authors],
        "opponent": name_of(selection.opponent),
        "split": selection.split,
        "seed": seed,
        "soft": soft,
        "emulated": is_any_emulated(selection),
        "excluded_same_family": list(selection.left_out),
        "test_set_uses": test_set_uses_by_author(selection),
    }


def scope_of(selection: ContestSelection) -> str:
    """Return what the intervals cover; for students it names checkpoints instead of strategies."""
    if not has_students(selection):
        return SCOPE
    checkpoints = "these two checkpoints" if len(selection.authors) == 2 else "these checkpoints"
    return SCOPE.replace("this training", checkpoints)


def has_students(selection: ContestSelection) -> bool:
    """Return whether any author is a student."""
    return any(author.author.startswith("student:") for author in selection.authors)


def is_any_emulated(selection: ContestSelection) -> bool:
    """Return whether any judge is emulated."""
    return any(is_emulated(judge_contests.model) for judge_contests in selection.judges)


def test_set_uses_by_author(selection: ContestSelection) -> dict[str, int]:
    """Return the test-set uses of each author."""
    return {name_of(author): selection.contest_index.test_set_uses(author) for author in selection.authors}


def _judge_comparison_data(judge: JudgeComparison, level: float) -> dict[str, Any]:
    """Return one judge's comparison as JSON data."""
    answer = judge.answer
    return {
        **_judge(judge.judge_contests),
        "verdict": verdict(answer.primary_difference, level),
        "primary": answer.primary,
        "saturated": answer.saturated,
        "rates": [answer.rate_first, answer.rate_second],
        "order_robust": [None if bounds is None else list(bounds) for bounds in answer.order_robust],
        "against_opponent": difference_data(answer.against_opponent),
        "head_to_head": None if answer.head_to_head is None else difference_data(answer.head_to_head),
        "single_orders": [_mcnemar_data(test) for test in judge.single_orders],
        "groups": {name: difference_data(test) for name, test in judge.groups.items()},
        "unshared": judge.unshared,
        "required_sample_size": _sample_size_data(answer.required_sample_size),
        "note": answer.note,
    }


def _judge(judge_contests: JudgeContests) -> dict[str, Any]:
    """Return the identity of a judge."""
    author_contests = [*judge_contests.author_contests.values(), *judge_contests.direct.values()]
    return {
        "judge": judge_contests.judge,
        "judge_id": judge_contests.judge_id,
        "runs": sorted({item.entry.run_id for item in author_contests}),
        "same_family": [item.to_dict() for item in judge_contests.same_family],
        "answering_models": judge_contests.answering_models,
        "several_answering_models": len(judge_contests.answering_models) > 1,
    }


def difference_data(test: PairedDifference) -> dict[str, Any]:
    """Return one test as JSON data."""
    return {
        "kind": test.kind,
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
        "interval": test.interval_method,
        "p": test.p,
        "p_adjusted": test.p_adjusted,
        "test": test.test,
        "family_size": test.family_size,
        "rates": [test.rate_first, test.rate_second],
        "n": test.n,
        "left_out": test.left_out,
        "bounds": [test.bound_low, test.bound_high],
        "discordant": test.discordant,
        "mde": test.mde,
        "scope": test.scope,
        "note": test.note,
    }


def _mcnemar_data(order: SingleOrderTest) -> dict[str, Any]:
    """Return one single-order test as JSON data."""
    if isinstance(order.test, NotEstimable):
        return {"order": order.order, "p": None, "not_estimable": order.test.reason}
    return {
        "order": order.order,
        "p": order.test.p,
        "p_adjusted": order.p_adjusted,
        "only_first": order.test.only_first,
        "only_second": order.test.only_second,
        "n": order.test.n,
        "not_estimable": None,
    }


def _sample_size_data(required: SampleSize | None) -> dict[str, Any] | None:
    """Return the required sample size as JSON data."""
    if required is None:
        return None
    names = ("difference", "dialogues", "more_dialogues", "samples", "power", "level")
    return {name: getattr(required, name) for name in names}


def multi_comparison_to_dict(comparison: MultiComparison) -> dict[str, Any]:
    """Return the comparison of all authors with one opponent as JSON data."""
    return {
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "pairwise": comparison.pairwise,
        "family_size": comparison.family_size,
        "level": comparison.level,
        "scope": scope_of(comparison.selection),
        "saturated": {judge: list(names) for judge, names in comparison.saturated.items()},
        "answering_models": {
            judge_contests.judge: judge_contests.answering_models
            for judge_contests in comparison.selection.judges
        },
        "same_family": {
            judge_contests.judge: [match.to_dict() for match in judge_contests.same_family]
            for judge_contests in comparison.selection.judges
            if judge_contests.same_family
        },
        "rows": [_place_data(place, comparison.level) for place in comparison.rows],
    }


def _place_data(place: ComparisonRow, level: float) -> dict[str, Any]:
    """Return one row of a multi-comparison as JSON data."""
    rate = place.rate
    own = None
    if rate is not None:
        names = ("low", "high", "level", "n", "scope")
        own = {"win_rate": rate.rate, **{name: getattr(rate, name) for name in names}}
        own["order_robust"] = list(rate.order_robust)
    return {
        "judge": place.judge_contests.judge,
        "judge_id": place.judge_contests.judge_id,
        "first": place.first,
        "second": place.second,
        "verdict": verdict(place.test, level),
        "unadjusted": own,
        **difference_data(place.test),
    }


def strategies_to_dict(comparison: SeedComparison) -> dict[str, Any]:
    """Return a strategy's win rate, or the difference of two strategies, as JSON data."""
    rows = []
    for judge_contests in comparison.selection.judges:
        estimate = comparison.estimates[judge_contests.judge]
        row: dict[str, Any] = {**_judge(judge_contests), "not_estimable": None}
        if isinstance(estimate, StrategyEstimate):
            names = ("estimate", "low", "high", "level", "p", "p_adjusted", "family_size", "n", "left_out")
            more = ("degrees", "between_seeds", "spread_log_odds", "order_robust_low", "order_robust_high")
            named = (*names, *more, "method", "scope")
            row |= {name: getattr(estimate, name) for name in named} | {"seeds": list(estimate.seeds)}
        else:
            row["not_estimable"] = estimate.reason
        rows.append(row)
    return {
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "strategies": [[name_of(author) for author in group] for group in comparison.groups],
        "family_size": comparison.family_size,
        "level": comparison.level,
        "saturated": {judge: list(names) for judge, names in comparison.saturated.items()},
        "judges": rows,
    }
