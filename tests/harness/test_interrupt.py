"""Interrupt: shared by nested listeners, requested by a signal or by a call."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from harness.interrupt import Interrupt, SignalInterrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_requests_and_the_second_cancels(number: signal.Signals) -> None:
    interrupt = SignalInterrupt()

    async def inner() -> None:
        with interrupt.listening():
            await interrupt.wait()
        os.kill(os.getpid(), number)  # the outer listener still receives it
        await asyncio.Event().wait()

    async def outer() -> None:
        with interrupt.listening():
            os.kill(os.getpid(), number)
            await asyncio.gather(interrupt.wait(), inner())

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(outer())
    assert interrupt.requested
    assert signal.getsignal(number) is before


def test_an_interrupt_serves_several_event_loops() -> None:
    interrupt = SignalInterrupt()

    async def listen() -> None:
        with interrupt.listening():
            asyncio.get_running_loop().call_soon(interrupt.request)
            await interrupt.wait()

    asyncio.run(listen())
    asyncio.run(listen())


def test_a_loop_in_another_thread_receives_no_signals() -> None:
    interrupt, ended = SignalInterrupt(), threading.Event()

    async def listen() -> None:
        with interrupt.listening():
            ended.set()

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    thread.join()
    assert ended.is_set()
    assert not interrupt.requested


async def test_a_cancelled_listener_is_not_interrupted() -> None:
    interrupt = Interrupt()

    async def listen() -> None:
        with interrupt.listening():
            await interrupt.wait()

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not interrupt.requested
