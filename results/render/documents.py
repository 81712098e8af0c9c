"""Types of the JSON documents of results; rates and shares lie in [0, 1], money is in US dollars.

`flatten` turns a document into one value per column, for CSV and DataFrames.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict


class RangeDocument(TypedDict):
    """Two ends; None if unknown."""

    low: float | None
    high: float | None


class SingleOrderDocument(TypedDict):
    """Win rate in one order."""

    win_rate: float | None
    low: float | None
    high: float | None
    n: int


class SingleOrdersDocument(TypedDict):
    """Win rates in each order, and what they are."""

    note: str
    a_first: SingleOrderDocument
    b_first: SingleOrderDocument


class SoftDocument(TypedDict):
    """Win rate of soft verdicts."""

    win_rate: float | None
    low: float | None
    high: float | None
    interval: str
    n: int


class LengthControlDocument(TypedDict):
    """Win rate at equal response length; all None except `not_estimable`, the reason, without an estimate."""

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
    """Response lengths in words, and verdicts for the longer response."""

    words_a: float | None
    words_b: float | None
    a_longer: float | None
    longer_wins: float | None
    control: LengthControlDocument


class ParserVersionsDocument(TypedDict):
    """Number of judgments by parser version, and what parsing again changed."""

    parser: str
    read_by: dict[str, int]
    outdated: int
    reread_from: dict[str, int]
    changed: int
    became_scored: int
    became_unscored: int


class SameFamilyDocument(TypedDict):
    """Author of the judge's model family."""

    author: str
    family: str
    why: str


class InterimLookDocument(TypedDict):
    """Confidence sequence at one interim look."""

    dialogues: int
    low: float
    high: float


class StoppingDocument(TypedDict):
    """Early stopping of a contest; the contest's `win_rate`, `low` and `high` are its confidence sequence."""

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
    """A contest under one judge: the same from every command, the report and the Python API."""

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
    """Numbers of requests of one process."""

    made: int
    reused: int
    retried: int
    rate_limited: int
    failed: int


class InvocationDocument(TypedDict):
    """What one process did for one judge."""

    judge: str
    requests: RequestCountsDocument
    stopped: str
    warning: str


class PooledDocument(TypedDict):
    """Win rate pooled over judges."""

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
    """Win rate over the dialogues of one group."""

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
    """Win rates by a dialogue property: judge id → group → win rate."""

    property: str
    contests: dict[str, dict[str, GroupDocument]]


class JudgingDocument(TypedDict):
    """A judging run; `invocation` has what this process did, by judge id."""

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


class AnswerDocument(TypedDict):
    """Conclusion of a report: one sentence and its necessary remarks."""

    sentence: str
    also: list[str]


class ReportDocument(TypedDict):
    """Report of a run or a study."""

    title: str
    run: str
    emulated: bool
    tiny: bool
    notes: list[str]
    answer: AnswerDocument | None
    contests: list[ContestDocument]
    table_1: dict[str, Any] | None
    training_seeds: list[dict[str, Any]]
    agreement: list[dict[str, Any]]
    alpha: float | str | None
    audits: list[dict[str, Any]]
    authors: list[dict[str, Any]]
    students: list[dict[str, Any]]
    spending: dict[str, Any]
    failures: list[dict[str, Any]]
    examples: list[dict[str, Any]]
    manifest: dict[str, Any]


def flatten(document: Mapping[str, Any] | None, kind: type) -> dict[str, Any]:
    """Return a document as one value per column: `soft.win_rate` becomes `soft_win_rate`.

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
    """Return the fields of a TypedDict; the TypedDict of a nested document, None for a value."""
    return {name: _nested(hint) for name, hint in get_type_hints(kind).items()}


def _nested(hint: Any) -> type | None:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((option for option in options if is_typeddict(option)), None)
