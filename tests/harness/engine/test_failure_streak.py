"""Failure streaks: unusable outcomes are counted by kind, and a usable one resets the counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents.errors import Failure
from agents.generation import ExclusionReason, Generation
from agents.types import Judgment, Preference, Unscored, UnscoredReason, Verdict
from harness.engine.failure_streak import MAX_STREAK, FailureStreak, failure_kind
from tests.harness.engine.conftest import make_request


def judgment(outcome: Verdict | Unscored) -> Judgment:
    return Judgment("call", "judge", "dialogue", "first", "second", 0, 0, "parser", outcome)


def unscored(reason: UnscoredReason) -> Judgment:
    return judgment(Unscored(reason, ""))


def generation(flaw: str) -> Generation:
    return Generation("call", "set", "dialogue", 1, 0, "reader", "", flaw, 0, False, "", None)


VERDICT = judgment(Verdict(Preference.FIRST))
COUNTED = {
    UnscoredReason.TRUNCATED: "truncated",
    UnscoredReason.EMPTY: "empty",
    UnscoredReason.FILTERED: "filtered",
}


@pytest.mark.parametrize("reason", UnscoredReason)
def test_kind_of_a_judgment(reason: UnscoredReason) -> None:
    assert failure_kind(unscored(reason)) == COUNTED.get(reason, "")
    assert failure_kind(VERDICT) is None


@pytest.mark.parametrize("flaw", ["", *ExclusionReason])
def test_kind_of_a_generation(flaw: str) -> None:
    expected = {
        ExclusionReason.EMPTY: "empty",
        ExclusionReason.FILTERED: "filtered",
        ExclusionReason.TRUNCATED: "truncated",
    }
    assert failure_kind(generation(flaw)) == (expected.get(ExclusionReason(flaw)) if flaw else None)


def test_a_base_model_that_reaches_its_limit_is_usable() -> None:
    assert failure_kind(replace(generation(ExclusionReason.TRUNCATED), text="I am so sorry. Human:")) is None


def test_other_values_are_usable() -> None:
    assert failure_kind(None) is None
    assert failure_kind("text") is None


outcomes: some.SearchStrategy[Any] = some.sampled_from([None, "truncated", "empty", "filtered", "other"])


@given(some.lists(outcomes, max_size=80), some.integers(1, 8))
def test_limit_counts_one_kind_since_the_last_usable_outcome(kinds: list[Any], longest: int) -> None:
    readings = {
        None: VERDICT,
        "truncated": unscored(UnscoredReason.TRUNCATED),
        "empty": unscored(UnscoredReason.EMPTY),
        "filtered": unscored(UnscoredReason.FILTERED),
        "other": unscored(UnscoredReason.UNREADABLE),
    }
    streak, request = FailureStreak(longest), make_request(1)
    since: list[Any] = []
    for kind in kinds:
        since = [] if kind is None else [*since, kind]
        error = streak.record_parsed(request, readings[kind])
        expected = kind not in (None, "other") and since.count(kind) >= longest
        assert (error is not None) == expected
        if error is not None:
            assert error.failure is Failure.NO_VERDICTS
            assert kind in str(error)
            assert request.model.id in str(error)


@pytest.mark.parametrize("reason", COUNTED)
def test_error_names_the_remedy(reason: UnscoredReason) -> None:
    streak, request = FailureStreak(), make_request(1, max_tokens=5)
    errors = [streak.record_parsed(request, unscored(reason)) for _ in range(MAX_STREAK)]
    assert errors[:-1] == [None] * (MAX_STREAK - 1)
    message = str(errors[-1])
    assert str(MAX_STREAK) in message
    assert ("filter" if reason is UnscoredReason.FILTERED else "verdict_tokens = 4096") in message
