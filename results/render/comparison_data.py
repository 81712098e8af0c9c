"""Comparisons as JSON data. Rates lie in [0, 1], differences in [−1, 1]."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from agents.author_names import AuthorKind, AuthorName
from agents.models.spec import is_emulated
from results.analysis.comparison import JudgeComparison, PairComparison, SingleOrderTest
from results.analysis.contest_selection import ContestSelection, JudgeContests
from results.analysis.multi_comparison import ComparisonRow, MultiComparison
from results.analysis.training_seeds import SeedComparison
from results.queries.contest_index import name_of
from results.render.contest import range_document, same_family_documents
from results.render.documents import RangeDocument, SameFamilyDocument
from results.render.estimable import Estimable, estimable
from results.statistics import (
    SCOPE,
    McNemarTest,
    NonInferiority,
    PairedDifference,
    SampleSize,
    StrategyEstimate,
    WinnerEstimate,
)


class JudgeIdentity(TypedDict):
    """Judge of a comparison and the contests that it judged.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        runs: ids of the runs that judged the contests.
        same_family: authors of the judge's model family.
        answering_models: number of completions by the model that answered.
        several_answering_models: whether several models answered under the judge's name.
    """

    judge: str
    judge_id: str
    runs: list[str]
    same_family: list[SameFamilyDocument]
    answering_models: dict[str, int]
    several_answering_models: bool


class ComparisonHead(TypedDict):
    """Fields of every comparison of authors.

    Attributes:
        authors: the compared authors.
        response_sets: ids of their response sets, in the same order.
        opponent: the common opponent.
        split: the split.
        seed: seed of the resampling.
        soft: whether the judges' probabilities are used instead of their verdicts.
        emulated: whether any judge is emulated.
        excluded_same_family: judges left out because they are of an author's model family.
        test_set_uses: number of test-set uses by author.
    """

    authors: list[str]
    response_sets: list[str]
    opponent: str
    split: str
    seed: int
    soft: bool
    emulated: bool
    excluded_same_family: list[str]
    test_set_uses: dict[str, int]


class DifferenceDocument(TypedDict):
    """Difference of two authors' win rates: the first minus the second.

    Attributes:
        kind: against a common opponent, or head to head.
        difference: in [-1, 1]; null without dialogues complete for both.
        low, high: its interval, simultaneous over the family.
        interval: method of the interval.
        p: two-sided p-value.
        p_adjusted: p-value after Holm's correction over the family.
        test: name of the test.
        family_size: number of tests that are corrected together.
        win_rates: win rate of the first and of the second author.
        n: number of dialogues complete for both.
        left_out: number of other dialogues.
        bounds: what missing judgments could make of the difference.
        discordant: share of dialogues with different scores.
        mde: minimum detectable effect at 80 % power.
        scope: what the interval covers.
        note: why a number is missing, or what is unusual.
    """

    kind: str
    difference: float | None
    low: float | None
    high: float | None
    interval: str
    p: float | None
    p_adjusted: float | None
    test: str
    family_size: int
    win_rates: tuple[float | None, float | None]
    n: int
    left_out: int
    bounds: RangeDocument
    discordant: float | None
    mde: float | None
    scope: str
    note: str


class SingleOrderTestDocument(Estimable[McNemarTest]):
    """Exact McNemar test on the verdicts of one order.

    Attributes:
        order: the order.
        p_adjusted: p-value after Holm's correction over the family.
    """

    order: str
    p_adjusted: float | None


class JudgeComparisonDocument(JudgeIdentity):
    """One judge's comparison of two authors.

    Attributes:
        verdict: "first" or "second" if better after Holm's correction, "undecided", or "" without a result.
        primary: the comparison that decides: against the common opponent, or head to head.
        saturated: whether a rate over 0.9 makes the comparison by the common opponent insensitive.
        win_rates: win rate of the first and of the second author against the opponent.
        order_robust: bounds of both rates that hold for any position bias; null without a contest.
        against_opponent: difference of the rates against the opponent.
        head_to_head: difference from the authors' own contest; null without one.
        single_orders: tests on one order each; [] unless requested.
        groups: primary comparison by group of dialogues; descriptive.
        unshared: number of dialogues that only one contest has.
        required_sample_size: dialogues that show the smallest relevant difference; null if unknown.
        note: what is unusual.
    """

    verdict: Literal["first", "second", "undecided", ""]
    primary: str
    saturated: bool
    win_rates: tuple[float | None, float | None]
    order_robust: list[RangeDocument | None]
    against_opponent: DifferenceDocument
    head_to_head: DifferenceDocument | None
    single_orders: list[SingleOrderTestDocument]
    groups: dict[str, DifferenceDocument]
    unshared: int
    required_sample_size: SampleSize | None
    note: str


class NonInferiorityJudgeDocument(Estimable[NonInferiority]):
    """One judge's non-inferiority test.

    Attributes:
        comparison_kind: against a common opponent, or head to head; "" if not estimable.
    """

    comparison_kind: str


class NonInferiorityDocument(TypedDict):
    """Whether the first author is as good as the second within a margin.

    Attributes:
        margin: of the win rate, in (0, 1).
        first, second: the authors; the second is the reference.
        judges: test by judge.
    """

    margin: float
    first: str
    second: str
    judges: dict[str, NonInferiorityJudgeDocument]


class ComparisonDocument(ComparisonHead):
    """Comparison of two authors by their win rates against an opponent.

    Attributes:
        family_size: number of tests that are corrected together.
        level: confidence level.
        scope: what the intervals cover.
        group_by: dialogue property of the groups, or "".
        disagree: how the judges disagree, or "".
        judges: comparison by each judge.
        non_inferiority: non-inferiority tests; null without a margin.
    """

    document: Literal["comparison"]
    family_size: int
    level: float
    scope: str
    group_by: str
    disagree: str
    judges: list[JudgeComparisonDocument]
    non_inferiority: NonInferiorityDocument | None


class UnadjustedRateDocument(TypedDict):
    """Win rate of one author against the opponent, without correction for several comparisons.

    Attributes:
        win_rate: mean score over complete dialogues.
        low, high: its interval.
        level: confidence level.
        n: number of complete dialogues.
        scope: what the interval covers.
        order_robust: bounds of the rate that hold for any position bias.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    scope: str
    order_robust: RangeDocument


class MultiComparisonRow(DifferenceDocument):
    """Comparison of one author with the opponent, or of a pair of authors.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        first, second: the authors.
        verdict: "first" or "second" if better after Holm's correction, "undecided", or "" without a result.
        unadjusted: win rate of the first author; null for a pair of authors.
    """

    judge: str
    judge_id: str
    first: str
    second: str
    verdict: Literal["first", "second", "undecided", ""]
    unadjusted: UnadjustedRateDocument | None


class BestAuthorDocument(Estimable[WinnerEstimate]):
    """Best author, corrected for selection.

    Attributes:
        author: the author; null if not estimable.
    """

    author: str | None


class MultiComparisonDocument(ComparisonHead):
    """Comparison of every author with one opponent.

    Attributes:
        pairwise: whether pairs of authors are compared.
        family_size: number of tests that are corrected together.
        level: confidence level.
        scope: what the intervals cover.
        saturated: authors with a rate over 0.9, by judge.
        judges: the judges.
        rows: one comparison per judge and author or pair.
        best: best author by judge; empty for pairs.
    """

    document: Literal["multi_comparison"]
    pairwise: bool
    family_size: int
    level: float
    scope: str
    saturated: dict[str, list[str]]
    judges: list[JudgeIdentity]
    rows: list[MultiComparisonRow]
    best: dict[str, BestAuthorDocument]


class JudgeStrategyDocument(JudgeIdentity, Estimable[StrategyEstimate]):
    """One judge's win rate of a strategy, or difference of two strategies."""


class TrainingSeedsDocument(ComparisonHead):
    """Win rate of a strategy, or difference of two strategies, over their training seeds.

    Attributes:
        strategies: checkpoints of each strategy.
        family_size: number of estimates that are corrected together.
        level: confidence level.
        saturated: checkpoints with a rate over 0.9, by judge.
        judges: estimate of each judge.
        non_inferiority: non-inferiority tests; null without a margin.
    """

    document: Literal["training_seeds"]
    strategies: list[list[str]]
    family_size: int
    level: float
    saturated: dict[str, list[str]]
    judges: list[JudgeStrategyDocument]
    non_inferiority: NonInferiorityDocument | None


def verdict(test: PairedDifference, level: float = 0.95) -> Literal["first", "second", "undecided", ""]:
    """Return "first", "second", "undecided", or "" without a result; uses Holm-adjusted p-values."""
    if test.difference is None or test.p_adjusted is None:
        return ""
    if test.p_adjusted > 1.0 - level or test.difference == 0.0:
        return "undecided"
    return "first" if test.difference > 0 else "second"


def comparison_to_dict(comparison: PairComparison) -> ComparisonDocument:
    """Return the comparison of two authors as JSON data."""
    return {
        "document": "comparison",
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "family_size": comparison.family_size,
        "level": comparison.level,
        "scope": scope_of(comparison.selection),
        "group_by": comparison.by,
        "disagree": comparison.disagree,
        "judges": [_judge_comparison_data(judge, comparison.level) for judge in comparison.judges],
        "non_inferiority": None,
    }


def _head(selection: ContestSelection, seed: int, *, soft: bool) -> ComparisonHead:
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
    return any(AuthorName.parse(author.author).kind is AuthorKind.STUDENT for author in selection.authors)


def is_any_emulated(selection: ContestSelection) -> bool:
    """Return whether any judge is emulated."""
    return any(is_emulated(judge_contests.model) for judge_contests in selection.judges)


def test_set_uses_by_author(selection: ContestSelection) -> dict[str, int]:
    """Return the test-set uses of each author."""
    return {name_of(author): selection.contest_index.test_set_uses(author) for author in selection.authors}


def _judge_comparison_data(judge: JudgeComparison, level: float) -> JudgeComparisonDocument:
    """Return one judge's comparison as JSON data."""
    answer = judge.answer
    return {
        **_judge(judge.judge_contests),
        "verdict": verdict(answer.primary_difference, level),
        "primary": answer.primary,
        "saturated": answer.saturated,
        "win_rates": (answer.rate_first, answer.rate_second),
        "order_robust": [
            None if bounds is None else range_document(*bounds) for bounds in answer.order_robust
        ],
        "against_opponent": difference_data(answer.against_opponent),
        "head_to_head": None if answer.head_to_head is None else difference_data(answer.head_to_head),
        "single_orders": [_mcnemar_data(test) for test in judge.single_orders],
        "groups": {name: difference_data(test) for name, test in judge.groups.items()},
        "unshared": judge.unshared,
        "required_sample_size": answer.required_sample_size,
        "note": answer.note,
    }


def _judge(judge_contests: JudgeContests) -> JudgeIdentity:
    """Return the identity of a judge."""
    author_contests = [*judge_contests.author_contests.values(), *judge_contests.direct.values()]
    return {
        "judge": judge_contests.judge,
        "judge_id": judge_contests.judge_id,
        "runs": sorted({item.entry.run_id for item in author_contests}),
        "same_family": same_family_documents(judge_contests.same_family),
        "answering_models": judge_contests.answering_models,
        "several_answering_models": len(judge_contests.answering_models) > 1,
    }


def difference_data(test: PairedDifference) -> DifferenceDocument:
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
        "win_rates": (test.rate_first, test.rate_second),
        "n": test.n,
        "left_out": test.left_out,
        "bounds": range_document(test.bound_low, test.bound_high),
        "discordant": test.discordant,
        "mde": test.mde,
        "scope": test.scope,
        "note": test.note,
    }


def _mcnemar_data(order: SingleOrderTest) -> SingleOrderTestDocument:
    """Return one single-order test as JSON data."""
    return {"order": order.order, "p_adjusted": order.p_adjusted, **estimable(order.test)}


def multi_comparison_to_dict(comparison: MultiComparison) -> MultiComparisonDocument:
    """Return the comparison of all authors with one opponent as JSON data."""
    return {
        "document": "multi_comparison",
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "pairwise": comparison.pairwise,
        "family_size": comparison.family_size,
        "level": comparison.level,
        "scope": scope_of(comparison.selection),
        "saturated": {judge: list(names) for judge, names in comparison.saturated.items()},
        "judges": [_judge(judge_contests) for judge_contests in comparison.selection.judges],
        "rows": [_place_data(place, comparison.level) for place in comparison.rows],
        "best": {},
    }


def _place_data(place: ComparisonRow, level: float) -> MultiComparisonRow:
    """Return one row of a multi-comparison as JSON data."""
    rate = place.rate
    own: UnadjustedRateDocument | None = None
    if rate is not None:
        own = {
            "win_rate": rate.rate,
            "low": rate.low,
            "high": rate.high,
            "level": rate.level,
            "n": rate.n,
            "scope": rate.scope,
            "order_robust": range_document(*rate.order_robust),
        }
    return {
        "judge": place.judge_contests.judge,
        "judge_id": place.judge_contests.judge_id,
        "first": place.first,
        "second": place.second,
        "verdict": verdict(place.test, level),
        "unadjusted": own,
        **difference_data(place.test),
    }


def strategies_to_dict(comparison: SeedComparison) -> TrainingSeedsDocument:
    """Return a strategy's win rate, or the difference of two strategies, as JSON data."""
    return {
        "document": "training_seeds",
        **_head(comparison.selection, comparison.seed, soft=comparison.soft),
        "strategies": [[name_of(author) for author in group] for group in comparison.groups],
        "family_size": comparison.family_size,
        "level": comparison.level,
        "saturated": {judge: list(names) for judge, names in comparison.saturated.items()},
        "judges": [
            {**_judge(judge_contests), **estimable(comparison.estimates[judge_contests.judge])}
            for judge_contests in comparison.selection.judges
        ],
        "non_inferiority": None,
    }
