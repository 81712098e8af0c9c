"""Types of the JSON documents of contests, judging runs and reports.

`flatten` turns a document into one value per column, for CSV and DataFrames.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict, is_typeddict


class RangeDocument(TypedDict):
    """Two ends of a range.

    Attributes:
        low, high: the ends; null if there is none.
    """

    low: float | None
    high: float | None


class SingleOrderDocument(TypedDict):
    """Win rate of A in one order.

    Attributes:
        win_rate: mean over dialogues; unscored judgments count as 0.
        low, high: interval over dialogues.
        n: number of dialogues with a judgment in this order.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    n: int


class SingleOrdersDocument(TypedDict):
    """Win rates in each order alone.

    Attributes:
        note: what the estimator is.
        a_first: A stands first.
        b_first: B stands first.
    """

    note: str
    a_first: SingleOrderDocument
    b_first: SingleOrderDocument


class SoftDocument(TypedDict):
    """Win rate of A from the judge's probabilities.

    Attributes:
        win_rate: mean score of the complete dialogues.
        low, high: interval over dialogues.
        interval: method of the interval.
        n: number of complete dialogues.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    interval: str
    n: int


class LengthControlDocument(TypedDict):
    """Win rate of A at equal response length; without an estimate, only `not_estimable` has a value.

    Attributes:
        win_rate: fitted rate at equal length.
        low, high: interval over dialogues.
        level: confidence level.
        plain: win rate of the same dialogues without control.
        effect: effect of length, in log-odds.
        longer, shorter: share of dialogues in which A's response is longer, and shorter.
        n: number of complete dialogues.
        wording: how to describe the number.
        unit: unit of length.
        scope: what the interval covers.
        not_estimable: reason why there is no estimate.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    level: float | None
    plain: float | None
    effect: float | None
    longer: float | None
    shorter: float | None
    n: int | None
    wording: str | None
    unit: str | None
    scope: str | None
    not_estimable: str | None


class LengthDocument(TypedDict):
    """Response lengths in words.

    Attributes:
        words_a, words_b: mean number of words.
        a_longer: share of dialogues in which A's response has more words.
        longer_wins: mean score of the longer response; 0.5 is no preference.
        control: win rate at equal length.
    """

    words_a: float | None
    words_b: float | None
    a_longer: float | None
    longer_wins: float | None
    control: LengthControlDocument


class ParserVersionsDocument(TypedDict):
    """Parser versions of the judgments.

    Attributes:
        parser: the current parser.
        read_by: number of judgments by parser.
        outdated: number of judgments of an older parser.
        reread_from: number of judgments parsed again, by the parser before.
        changed, became_scored, became_unscored: what parsing again changed.
    """

    parser: str
    read_by: dict[str, int]
    outdated: int
    reread_from: dict[str, int]
    changed: int
    became_scored: int
    became_unscored: int


class SameFamilyDocument(TypedDict):
    """Author of the judge's model family.

    Attributes:
        author: the author.
        family: the maker.
        why: evidence other than the author's name.
    """

    author: str
    family: str
    why: str


class InterimLookDocument(TypedDict):
    """Confidence sequence at one interim look.

    Attributes:
        dialogues: number of dialogues.
        low, high: the interval.
    """

    dialogues: int
    low: float
    high: float


class StoppingDocument(TypedDict):
    """Early stopping of a contest; the contest's win rate and interval are its confidence sequence.

    Attributes:
        stop_when: stopping rule: "decided", or a half-width.
        estimand: what the interval covers.
        rule_met: whether the rule is met.
        finished: whether the rule is met or every dialogue is judged.
        decided: whether the interval of the population excludes 0.5.
        known_for_these_dialogues: whether the interval of these dialogues excludes 0.5.
        better: "A" or "B" if decided or known, else "".
        exact: whether all dialogues are judged, so that their mean is known exactly.
        n_contests: number of contests that share the error probability.
        dialogues: number of dialogues that entered.
        total_dialogues: number of planned dialogues.
        interim_looks: number of interim looks.
        path: the interim looks.
        judgments: number of judgments requested.
        beyond: number of these after the final look; stored, not counted.
        saved: number of judgments that were not needed.
        saved_usd: their estimated cost; null if unknown.
    """

    stop_when: float | str
    estimand: str
    rule_met: bool
    finished: bool
    decided: bool
    known_for_these_dialogues: bool
    better: str
    exact: bool
    n_contests: int
    dialogues: int
    total_dialogues: int
    interim_looks: int
    path: list[InterimLookDocument]
    judgments: int
    beyond: int
    saved: int
    saved_usd: float | None


class ContestDocument(TypedDict):
    """Contest of author A against author B under one judge; the same from every command and function.

    Attributes:
        a, b: the authors.
        judge: display name of the judge.
        judge_id: content id of the judge.
        win_rate: mean score of A over complete dialogues; null without any.
        low, high: its interval.
        level: confidence level.
        interval: method of the interval.
        scope: what the interval covers.
        n: number of complete dialogues.
        incomplete: number of other dialogues.
        bounds: rate with every missing judgment against A, and for A.
        worst_case: the same bounds with their sampling error.
        order_robust: bounds of the rate that hold for any position bias.
        soft: win rate from probabilities; null unless every verdict has them.
        single_orders: win rate in each order alone.
        length: response lengths and the win rate at equal length.
        ties: share of ties among the verdicts.
        consistency: share of dialogues whose two orders name the same author.
        first_position_rate: share of verdicts for the first response.
        repetition_stability: share of comparisons whose samples all agree; null with one sample.
        unlisted_mass: mean probability outside the allowed answers; null without probabilities.
        expected_judgments: number of judgments of the complete contest.
        unscored: number of judgments without a verdict, by reason.
        not_judged: number of judgments without a completion.
        retried_judgments: number of judgments that needed more than one attempt.
        answering_models: number of completions by the model that answered.
        several_answering_models: whether several models answered under the judge's name.
        answers_left_out: number of completions of excluded models.
        parser_versions: parser versions of the judgments.
        samples: number of samples per comparison.
        temperature: of the judge; null for the provider's default.
        repeatability: what the repetitions measure; "" with one sample.
        cost_usd: cost of all completions; null if unknown.
        unanswered_cost_usd: maximum cost of attempts without a completion.
        emulated: whether the judge is emulated.
        control: whether the judge is a control judge.
        same_family: authors of the judge's model family.
        stopping: early stopping; null for a contest over all dialogues.
        note: why a number is missing, or what is unusual.
    """

    a: str
    b: str
    judge: str
    judge_id: str
    win_rate: float | None
    low: float | None
    high: float | None
    level: float
    interval: str
    scope: str
    n: int
    incomplete: int
    bounds: RangeDocument
    worst_case: RangeDocument
    order_robust: RangeDocument
    soft: SoftDocument | None
    single_orders: SingleOrdersDocument
    length: LengthDocument
    ties: float | None
    consistency: float | None
    first_position_rate: float | None
    repetition_stability: float | None
    unlisted_mass: float | None
    expected_judgments: int
    unscored: dict[str, int]
    not_judged: int
    retried_judgments: int
    answering_models: dict[str, int]
    several_answering_models: bool
    answers_left_out: int
    parser_versions: ParserVersionsDocument
    samples: int
    temperature: float | None
    repeatability: str
    cost_usd: float | None
    unanswered_cost_usd: float
    emulated: bool
    control: bool
    same_family: list[SameFamilyDocument]
    stopping: StoppingDocument | None
    note: str


class RequestCountsDocument(TypedDict):
    """Numbers of requests of one process.

    Attributes:
        made: sent and answered.
        reused: answered by a stored completion.
        retried: sent again after a failure.
        rate_limited: refused by a rate limit.
        failed: without a completion.
    """

    made: int
    reused: int
    retried: int
    rate_limited: int
    failed: int


class InvocationDocument(TypedDict):
    """Work of one process for one judge.

    Attributes:
        judge: display name of the judge.
        requests: numbers of requests.
        stopped: why the endpoint was disabled, or "".
        warning: warning, or "".
    """

    judge: str
    requests: RequestCountsDocument
    stopped: str
    warning: str


class PooledDocument(TypedDict):
    """Win rate of A pooled over judges.

    Attributes:
        judges: the judges.
        win_rate: pooled rate.
        low, high: its interval.
        level: confidence level.
        interval: method of the interval.
        scope: what the interval covers.
        order_robust: bounds of the rate that hold for any position bias.
        n: number of dialogues that every judge completed.
        left_out: number of other dialogues.
        range: lowest and highest rate of a judge.
        disagree: whether the judges disagree.
        disagree_on_sign: whether they disagree on which author is better.
        disagree_by_points: whether their rates lie more than 10 points apart.
        note: what is unusual.
    """

    judges: list[str]
    win_rate: float | None
    low: float | None
    high: float | None
    level: float
    interval: str
    scope: str
    order_robust: RangeDocument
    n: int
    left_out: int
    range: RangeDocument
    disagree: bool
    disagree_on_sign: bool
    disagree_by_points: bool
    note: str


class GroupDocument(TypedDict):
    """Win rate of A over the dialogues of one group.

    Attributes:
        win_rate: mean score of A over complete dialogues.
        low, high: its interval.
        level: confidence level.
        interval: method of the interval.
        scope: what the interval covers.
        order_robust: bounds of the rate that hold for any position bias.
        n: number of complete dialogues.
        incomplete: number of other dialogues.
        note: why a number is missing.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    level: float
    interval: str
    scope: str
    order_robust: RangeDocument
    n: int
    incomplete: int
    note: str


class GroupsDocument(TypedDict):
    """Win rates by a dialogue property.

    Attributes:
        property: the property.
        contests: win rate by judge id and group.
    """

    property: str
    contests: dict[str, dict[str, GroupDocument]]


class JudgingDocument(TypedDict):
    """Judging run.

    Attributes:
        run: id of the run.
        spec: inputs of the run.
        interrupted: whether this process was interrupted.
        emulated: whether any judge is emulated.
        contests: results by judge.
        pooled: win rate pooled over the judges that are models; null with fewer than two.
        group_by: win rates by a dialogue property; null unless requested.
        test_set_uses: number of test-set uses by author, including this run; empty for other splits.
        invocation: what this process did, by judge id.
        adapted: parameters that judges refused, and their replacements.
    """

    document: Literal["judging"]
    run: str
    spec: dict[str, Any]
    interrupted: bool
    emulated: bool
    contests: list[ContestDocument]
    pooled: PooledDocument | None
    group_by: GroupsDocument | None
    test_set_uses: dict[str, int]
    invocation: dict[str, InvocationDocument]
    adapted: list[str]


def flatten(document: Mapping[str, Any] | None, kind: type) -> dict[str, Any]:
    """Return a document as one value per column: `soft: {win_rate}` becomes `soft_win_rate`.

    Args:
        document: the document; None leaves every column None.
        kind: its TypedDict, which determines the columns.
    """
    row: dict[str, Any] = {}
    for name, nested in _fields(kind).items():
        value = None if document is None else document[name]
        if nested is None:
            row[name] = value
        else:
            row |= {f"{name}_{inner}": cell for inner, cell in flatten(value, nested).items()}
    return row


@cache
def _fields(kind: type) -> dict[str, type | None]:
    """Return the fields of a TypedDict: the TypedDict of a nested document, or None for a value."""
    return {name: _nested(hint) for name, hint in get_type_hints(kind).items()}


def _nested(hint: Any) -> type | None:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((option for option in options if is_typeddict(option)), None)
