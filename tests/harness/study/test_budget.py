"""The study's ceiling: what is spent and what is granted together never pass it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.study.budget import StudyBudget


class Bank:
    """What every run has spent."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    async def of(self, run: str) -> float:
        """One run's."""
        await asyncio.sleep(0)
        return self.spent.get(run, 0.0)

    @property
    def total(self) -> float:
        """Everybody's."""
        return sum(self.spent.values())


RUNS = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(RUNS, st.floats(0.5, 30))
def test_the_ceiling_is_never_passed_and_everybody_comes_to_a_turn(
    runs: list[tuple[int, float | None, float]], ceiling: float
) -> None:
    bank = Bank()
    study_budget = StudyBudget(ceiling, Path("/nonexistent"), bank.of)
    study_budget._runs = sorted({f"run {name}" for name, _, _ in runs})  # as they were written down before
    granted: dict[int, float] = {}

    async def one(at: int, name: str, at_most: float | None, share: float) -> None:
        async with study_budget.reserve(name, at_most) as budget:
            assert budget is not None
            left = budget - bank.spent.get(name, 0.0)
            granted[at] = left
            assert bank.total + sum(granted.values()) <= ceiling + 1e-9
            for _ in range(3):
                await asyncio.sleep(0)
            bank.spent[name] = bank.spent.get(name, 0.0) + share * left  # never more than it was granted
            del granted[at]

    async def everybody() -> None:
        # two grants of one run at a time are never asked for: a run is one stage's
        by_run: dict[str, list[tuple[int, float | None, float]]] = {}
        for at, (name, at_most, share) in enumerate(runs):
            by_run.setdefault(f"run {name}", []).append((at, at_most, share))

        async def in_turn(name: str, turns: list[tuple[int, float | None, float]]) -> None:
            for at, at_most, share in turns:
                await one(at, name, at_most, share)

        await asyncio.wait_for(asyncio.gather(*(in_turn(*item) for item in by_run.items())), 600)

    asyncio.run(everybody())
    assert bank.total <= ceiling + 1e-9


def test_what_a_killed_process_spent_counts(tmp_path: Path) -> None:
    async def first() -> None:
        async with StudyBudget(10.0, tmp_path / "runs.json", bank.of).reserve("a", 4.0):
            bank.spent["a"] = 3.0  # and then it was killed: nothing more was written down

    async def second() -> float | None:
        async with StudyBudget(10.0, tmp_path / "runs.json", bank.of).reserve("b", None) as budget:
            return budget

    bank = Bank()
    asyncio.run(first())
    assert asyncio.run(second()) == 7.0


def test_without_a_ceiling_everything_is_granted(tmp_path: Path) -> None:
    async def reserve() -> float | None:
        async with StudyBudget(None, tmp_path / "runs.json", Bank().of).reserve("a", 4.0) as budget:
            return budget

    assert asyncio.run(reserve()) is None
