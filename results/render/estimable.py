"""An estimate that may be missing, as JSON data."""

from __future__ import annotations

from typing import Generic, TypeVar

from typing_extensions import TypedDict

from results.statistics import NotEstimable

T = TypeVar("T")


class EstimateDocument(TypedDict):
    """A number with its interval.

    Attributes:
        value: the number.
        low, high: ends of the interval; null without a bound.
    """

    value: float
    low: float | None
    high: float | None


class Estimable(TypedDict, Generic[T]):
    """An estimate, or the reason why there is none.

    Attributes:
        result: the estimate; null if it is not estimable.
        not_estimable: why it is not estimable; null if it is.
    """

    result: T | None
    not_estimable: str | None


def estimable(value: T | NotEstimable) -> Estimable[T]:
    """Return a result of `results.statistics` as JSON data."""
    if isinstance(value, NotEstimable):
        return {"result": None, "not_estimable": value.reason}
    return {"result": value, "not_estimable": None}
