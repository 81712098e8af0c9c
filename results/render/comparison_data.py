"""A comparison as data: what `--json` prints. Rates in [0, 1], differences in [−1, 1]; computes nothing."""

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
    """ "first", "second", "undecided", or "" where nothing could be compared; after Holm."""
    if test.difference is None or test.p_adjusted is None:
        return ""
    if test.p_adjusted > 1.0 - level or test.difference == 0.0:
        return "undecided"
    return "first" if test.difference > 0 else "second"


def compared_data(of: PairComparison) -> dict[str, Any]:
    """Two authors compared, as plain data; rates in [0, 1], differences in [−1, 1]."""
    return {
        **_head(of.selection, of.seed, soft=of.soft),
        "family_size": of.family_size,
        "level": of.level,
        "scope": scope_of(of.selection),
        "group_by": of.by,
        "disagree": of.disagree,
        "judges": [_answer_data(one, of.level) for one in of.judges],
    }


def _head(selection: ContestSelection, seed: int, *, soft: bool) -> dict[str, Any]:
    return {
        "authors": [name_of(of) for of in selection.authors],
        "response_sets": [of.id for of in selection.authors],
        "opponent": name_of(selection.opponent),
        "split": selection.split,
        "seed": seed,
        "soft": soft,
        "emulated": is_any_emulated(selection),
        "excluded_same_family": list(selection.left_out),
        "test_set_uses": test_set_uses_by_author(selection),
    }


def scope_of(selection: ContestSelection) -> str:
    """What the intervals cover; where students are compared, that these are checkpoints and no strategies."""
    if not has_students(selection):
        return SCOPE
    these = "these two checkpoints" if len(selection.authors) == 2 else "these checkpoints"
    return SCOPE.replace("this training", these)


def has_students(selection: ContestSelection) -> bool:
    """Whether any of the compared is a student."""
    return any(of.author.startswith("student:") for of in selection.authors)


def is_any_emulated(selection: ContestSelection) -> bool:
    """Whether any judge is the emulator's."""
    return any(is_emulated(judge_contests.model) for judge_contests in selection.judges)


def test_set_uses_by_author(selection: ContestSelection) -> dict[str, int]:
    """Each author's test-set uses."""
    return {name_of(of): selection.contest_index.test_set_uses(of) for of in selection.authors}


def _answer_data(one: JudgeComparison, level: float) -> dict[str, Any]:
    answer = one.answer
    return {
        **_judge(one.judge_contests),
        "verdict": verdict(answer.answer, level),
        "primary": answer.primary,
        "saturated": answer.saturated,
        "rates": [answer.rate_first, answer.rate_second],
        "order_robust": [None if bounds is None else list(bounds) for bounds in answer.order_robust],
        "against_opponent": difference_data(answer.against_opponent),
        "head_to_head": None if answer.head_to_head is None else difference_data(answer.head_to_head),
        "single_orders": [_mcnemar_data(test) for test in one.single_orders],
        "groups": {name: difference_data(test) for name, test in one.groups.items()},
        "unshared": one.unshared,
        "required_sample_size": _needed_data(answer.required_sample_size),
        "note": answer.note,
    }


def _judge(judge_contests: JudgeContests) -> dict[str, Any]:
    author_contests = [*judge_contests.author_contests.values(), *judge_contests.direct.values()]
    return {
        "judge": judge_contests.judge,
        "judge_id": judge_contests.judge_id,
        "runs": sorted({one.entry.run_id for one in author_contests}),
        "same_family": [one.to_dict() for one in judge_contests.same_family],
        "answering_models": judge_contests.answerers,
        "several_answering_models": len(judge_contests.answerers) > 1,
    }


def difference_data(test: PairedDifference) -> dict[str, Any]:
    """One test as plain data."""
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


def _mcnemar_data(one: SingleOrderTest) -> dict[str, Any]:
    if isinstance(one.test, NotEstimable):
        return {"order": one.order, "p": None, "refused": one.test.reason}
    return {
        "order": one.order,
        "p": one.test.p,
        "p_adjusted": one.p_adjusted,
        "only_first": one.test.only_first,
        "only_second": one.test.only_second,
        "n": one.test.n,
        "refused": None,
    }


def _needed_data(found: SampleSize | None) -> dict[str, Any] | None:
    if found is None:
        return None
    names = ("difference", "dialogues", "more_dialogues", "samples", "power", "level")
    return {name: getattr(found, name) for name in names}


def multi_comparison_data(of: MultiComparison) -> dict[str, Any]:
    """Every author against one opponent, as plain data."""
    return {
        **_head(of.selection, of.seed, soft=of.soft),
        "pairwise": of.pairwise,
        "family_size": of.family_size,
        "level": of.level,
        "scope": scope_of(of.selection),
        "saturated": {judge: list(names) for judge, names in of.saturated.items()},
        "answering_models": {
            judge_contests.judge: judge_contests.answerers for judge_contests in of.selection.judges
        },
        "same_family": {
            judge_contests.judge: [one.to_dict() for one in judge_contests.same_family]
            for judge_contests in of.selection.judges
            if judge_contests.same_family
        },
        "rows": [_place_data(place, of.level) for place in of.places],
    }


def _place_data(place: ComparisonRow, level: float) -> dict[str, Any]:
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


def strategies_data(of: SeedComparison) -> dict[str, Any]:
    """A strategy's win rate, or two strategies' difference, as plain data."""
    rows = []
    for judge_contests in of.selection.judges:
        found = of.estimates[judge_contests.judge]
        row: dict[str, Any] = {**_judge(judge_contests), "refused": None}
        if isinstance(found, StrategyEstimate):
            names = ("estimate", "low", "high", "level", "p", "p_adjusted", "family_size", "n", "left_out")
            more = ("degrees", "between_seeds", "spread_log_odds", "order_robust_low", "order_robust_high")
            named = (*names, *more, "method", "scope")
            row |= {name: getattr(found, name) for name in named} | {"seeds": list(found.seeds)}
        else:
            row["refused"] = found.reason
        rows.append(row)
    return {
        **_head(of.selection, of.seed, soft=of.soft),
        "strategies": [[name_of(one) for one in group] for group in of.groups],
        "family_size": of.family_size,
        "level": of.level,
        "saturated": {judge: list(names) for judge, names in of.saturated.items()},
        "judges": rows,
    }
