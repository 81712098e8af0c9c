"""Timeouts of many tasks with one time limit."""

from __future__ import annotations

import asyncio

import pytest

from agents.clients.timeout import SharedTimeout

SOON = 0.01
NEVER = 3600.0


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def within(patience: SharedTimeout, coroutine: asyncio.Future[str] | None = None) -> str:
    with patience:
        if coroutine is None:
            await forever()
            return "never"
        return await coroutine


async def test_a_block_within_the_limit_completes() -> None:
    patience = SharedTimeout(NEVER)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asking = [asyncio.ensure_future(within(patience, answer)) for _ in range(3)]
    await asyncio.sleep(0)
    answer.set_result("yes")
    assert await asyncio.gather(*asking) == ["yes"] * 3


async def test_a_task_over_the_limit_gets_a_timeout_and_can_continue() -> None:
    patience = SharedTimeout(SOON)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await within(patience)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_many_tasks_time_out_independently() -> None:
    patience = SharedTimeout(SOON)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    answer.set_result("yes")
    asking = [within(patience, answer if at % 3 == 0 else None) for at in range(12)]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [outcome == "yes" for outcome in outcomes] == [at % 3 == 0 for at in range(12)]
    assert sum(isinstance(outcome, TimeoutError) for outcome in outcomes) == 8


async def test_later_tasks_are_checked_later() -> None:
    patience = SharedTimeout(SOON)
    with pytest.raises(TimeoutError):
        await within(patience)
    first = asyncio.ensure_future(within(patience))
    await asyncio.sleep(SOON / 2)
    second = asyncio.ensure_future(within(patience))
    with pytest.raises(TimeoutError):
        await first
    with pytest.raises(TimeoutError):
        await second


async def test_a_cancelled_task_stays_cancelled() -> None:
    asking = asyncio.ensure_future(within(SharedTimeout(NEVER)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_cancellation_at_the_time_limit_is_a_cancellation() -> None:
    patience = SharedTimeout(SOON)

    async def both() -> None:
        task = asyncio.current_task()
        assert task is not None
        with patience:
            try:
                await forever()
            except asyncio.CancelledError:
                task.cancel()  # somebody else's, while it is on its way out
                raise

    asking = asyncio.ensure_future(both())
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_error_after_the_limit_is_raised_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), SharedTimeout(SOON):
        try:
            await forever()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_within_the_limit_is_raised_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), SharedTimeout(NEVER):
        raise ZeroDivisionError
