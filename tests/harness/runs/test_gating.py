"""Gates: passed above, failed below, undecided between; and by what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.errors import UserError
from harness.runs.gating import Decision, Requirement, all_of, decide, requirement_of
from results.statistics import WinRate

SHARES = st.floats(0.01, 0.99)


def rate(low: float, high: float, **more: object) -> WinRate:
    """A win rate that has these and no other numbers."""
    made = object.__new__(WinRate)
    told = {
        "low": low,
        "high": high,
        "rate": (low + high) / 2,
        "incomplete": 0,
        "bound_low": low,
        "bound_high": high,
    }
    for name, value in {**told, **more}.items():
        object.__setattr__(made, name, value)
    return made


@given(SHARES, SHARES, SHARES)
def test_one_judge(one: float, other: float, bound: float) -> None:
    low, high = sorted((one, other))
    decision = decide(bound, {"j": rate(low, high)})
    assert (decision is Decision.PASSED) == (low > bound)
    assert (decision is Decision.FAILED) == (high < bound)


def test_every_judge_counts() -> None:
    good, bad, open_ = rate(0.6, 0.7), rate(0.3, 0.4), rate(0.4, 0.6)
    assert decide(0.5, {"a": good, "b": good}) is Decision.PASSED
    assert decide(0.5, {"a": good, "b": open_}) is Decision.UNDECIDED
    assert decide(0.5, {"a": good, "b": open_, "c": bad}) is Decision.FAILED
    assert decide(0.5, {}) is Decision.UNDECIDED
    assert all_of([]) is Decision.PASSED
    assert (int(Decision.PASSED), int(Decision.FAILED), int(Decision.UNDECIDED)) == (0, 1, 3)


def test_what_is_missing_could_decide_otherwise() -> None:
    assert decide(0.5, {"j": rate(0.6, 0.7, incomplete=9, bound_low=0.45)}) is Decision.UNDECIDED
    assert decide(0.5, {"j": rate(0.3, 0.4, incomplete=9, bound_high=0.55)}) is Decision.UNDECIDED
    assert decide(0.5, {"j": rate(0.6, 0.7, incomplete=1, bound_low=0.58)}) is Decision.PASSED


def test_as_users_write_it() -> None:
    opponents = ("base", "openai/gpt-4o", "dataset:human")
    assert requirement_of("win_rate>0.55", opponents) == Requirement("base", 0.55)
    assert requirement_of(" win_rate > .5 ", opponents) == Requirement("base", 0.5)
    assert requirement_of("openai/gpt-4o.win_rate>0.3", opponents) == Requirement("openai/gpt-4o", 0.3)
    assert requirement_of("openai/gpt-4o.deficit < 0.03", opponents).bound == pytest.approx(0.485)
    for each in (
        Requirement("base", 0.55),
        Requirement("openai/gpt-4o", 0.3),
        requirement_of("deficit<.1", opponents),
        requirement_of("openai/gpt-4o.deficit<0.03", opponents),
    ):
        assert requirement_of(str(each), opponents) == each


@pytest.mark.parametrize(
    "written",
    [
        *("", "win_rate", "win_rate<0.5", "win_rate>1.5", "win_rate>0", "x.win_rate>0.5"),
        *("deficit", "deficit>0.03", "deficit<0", "deficit<1", "deficit<-0.1", "x.deficit<0.03"),
    ],
)
def test_what_is_none(written: str) -> None:
    with pytest.raises(UserError, match="--require"):
        requirement_of(written, ("base",))
