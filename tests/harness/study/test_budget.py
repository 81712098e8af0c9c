"""Budget of a study: spent and reserved amounts together never exceed it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.study.budget import StudyBudget


class Bank:
    """Amounts spent by each run."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    async def spent_by(self, run: str) -> float:
        """Return the amount spent by a run."""
        await asyncio.sleep(0)
        return self.spent.get(run, 0.0)

    @property
    def total(self) -> float:
        """Return the amount spent by all runs."""
        return sum(self.spent.values())


RUNS = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(RUNS, st.floats(0.5, 30))
def test_the_budget_is_never_exceeded_and_every_stage_gets_a_turn(
    runs: list[tuple[int, float | None, float]], ceiling: float
) -> None:
    bank = Bank()
    study_budget = StudyBudget(ceiling, Path("/nonexistent"), bank.spent_by)
    study_budget._runs = sorted({f"run {name}" for name, _, _ in runs})  # as recorded before
    granted: dict[int, float] = {}

    async def reserve_once(number: int, name: str, at_most: float | None, share: float) -> None:
        async with study_budget.reserve(name, at_most) as budget:
            assert budget is not None
            left = budget - bank.spent.get(name, 0.0)
            granted[number] = left
            assert bank.total + sum(granted.values()) <= ceiling + 1e-9
            for _ in range(3):
                await asyncio.sleep(0)
            bank.spent[name] = bank.spent.get(name, 0.0) + share * left  # at most the granted amount
            del granted[number]

    async def reserve_all() -> None:
        # a run belongs to one stage, which reserves one amount at a time
        by_run: dict[str, list[tuple[int, float | None, float]]] = {}
        for number, (name, at_most, share) in enumerate(runs):
            by_run.setdefault(f"run {name}", []).append((number, at_most, share))

        async def in_turn(name: str, turns: list[tuple[int, float | None, float]]) -> None:
            for number, at_most, share in turns:
                await reserve_once(number, name, at_most, share)

        await asyncio.wait_for(asyncio.gather(*(in_turn(*item) for item in by_run.items())), 600)

    asyncio.run(reserve_all())
    assert bank.total <= ceiling + 1e-9


def test_spending_of_a_killed_process_counts(tmp_path: Path) -> None:
    async def first() -> None:
        async with StudyBudget(10.0, tmp_path / "runs.json", bank.spent_by).reserve("a", 4.0):
            bank.spent["a"] = 3.0  # then the process was killed without a further record

    async def second() -> float | None:
        async with StudyBudget(10.0, tmp_path / "runs.json", bank.spent_by).reserve("b", None) as budget:
            return budget

    bank = Bank()
    asyncio.run(first())
    assert asyncio.run(second()) == 7.0


def test_without_a_budget_every_request_is_granted(tmp_path: Path) -> None:
    async def reserve() -> float | None:
        async with StudyBudget(None, tmp_path / "runs.json", Bank().spent_by).reserve("a", 4.0) as budget:
            return budget

    assert asyncio.run(reserve()) is None
