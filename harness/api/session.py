"""Synchronous session: the methods of `AsyncSession`, run on an event loop in a thread.

It works in scripts, and in notebooks, whose own event loop is running already.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from harness.api.async_session import AsyncSession
from harness.interrupt import Interrupt
from results.db import DEFAULT_DB

P = ParamSpec("P")
R = TypeVar("R")


class _EventLoopThread:
    """Event loop that runs in a daemon thread."""

    def __init__(self) -> None:
        self.loop = _new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="harness", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, R], interrupt: Interrupt) -> R:
        """Run a coroutine and return its result.

        The first Ctrl-C requests an interrupt, which stores what is in flight; the second one cancels.

        Raises:
            KeyboardInterrupt: after an interrupt.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            self.loop.call_soon_threadsafe(interrupt.request)
            try:
                future.result()
            except KeyboardInterrupt:
                future.cancel()
            raise

    def stop(self) -> None:
        """Stop the loop and its thread. Idempotent."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop, of uvloop if it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _blocking(
    method: Callable[Concatenate[AsyncSession, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Session, P], R]:
    """Return a method that waits for the result of a coroutine method."""

    def wait(self: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._wait(method(self._session, *args, **kwargs))

    update_wrapper(wait, method)
    return wait


class Session:
    """Open database, dataset and prompts, for scripts and notebooks; close it, or use `with`.

    Answers are stored as they arrive; the same call requests only what is missing. Ctrl-C stops sending,
    stores what is in flight, and raises KeyboardInterrupt.

    Args:
        db: path of the database for SQLite, or `postgresql://USER@HOST/NAME`; created when first written.
        data: CSV file of the dataset, or "sample"; None for the default path.
        prompts: folder of prompts that replace the included ones of the same name.
        warn: called with each warning; None to ignore them.
    """

    def __init__(
        self,
        db: str | Path = DEFAULT_DB,
        *,
        data: str | Path | None = None,
        prompts: str | Path | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._session = AsyncSession(db, data=data, prompts=prompts, warn=warn)
        self._thread = _EventLoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and end the thread. Idempotent."""
        if not self._thread.loop.is_closed():
            self._wait(self._session.close())
            self._thread.stop()

    def _wait(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine of the session and return its result."""
        interrupt = Interrupt()
        self._session.interrupt = lambda: interrupt
        return self._thread.run(coroutine, interrupt)

    audit = _blocking(AsyncSession.audit)
    bench = _blocking(AsyncSession.bench)
    build_training_set = _blocking(AsyncSession.build_training_set)
    compare = _blocking(AsyncSession.compare)
    compare_all = _blocking(AsyncSession.compare_all)
    diagnose = _blocking(AsyncSession.diagnose)
    estimate = _blocking(AsyncSession.estimate)
    export = _blocking(AsyncSession.export)
    export_leaderboard = _blocking(AsyncSession.export_leaderboard)
    improve = _blocking(AsyncSession.improve)
    judge = _blocking(AsyncSession.judge)
    judge_cheap_gold = _blocking(AsyncSession.judge_cheap_gold)
    judgments = _blocking(AsyncSession.judgments)
    leaderboard = _blocking(AsyncSession.leaderboard)
    plan_study = _blocking(AsyncSession.plan_study)
    profile = _blocking(AsyncSession.profile)
    rejudge = _blocking(AsyncSession.rejudge)
    reparse = _blocking(AsyncSession.reparse)
    report = _blocking(AsyncSession.report)
    respond = _blocking(AsyncSession.respond)
    responses = _blocking(AsyncSession.responses)
    run_study = _blocking(AsyncSession.run_study)
    runs = _blocking(AsyncSession.runs)
    study_status = _blocking(AsyncSession.study_status)
    train = _blocking(AsyncSession.train)
    variance = _blocking(AsyncSession.variance)
    win_rates = _blocking(AsyncSession.win_rates)


def open_session(
    db: str | Path = DEFAULT_DB,
    *,
    data: str | Path | None = None,
    prompts: str | Path | None = None,
    warn: Callable[[str], None] | None = None,
) -> Session:
    """Open a session: `with harness.open() as session`.

    Args:
        db, data, prompts, warn: see `Session`.
    """
    return Session(db, data=data, prompts=prompts, warn=warn)
