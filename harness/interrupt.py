"""Interrupt of a command, passed down from its entry point to everything that can stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Request to stop: nothing new is started, and what is in flight is finished and stored.

    Attributes:
        requested: whether to stop.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting: set[asyncio.Future[None]] = set()

    def request(self) -> None:
        """Request to stop; call it in the thread of the event loop."""
        self.requested = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait until it is requested."""
        if self.requested:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Receive requests from outside the event loop while the block of the current task runs."""
        yield


class SignalInterrupt(Interrupt):
    """Interrupt by SIGINT and SIGTERM: the second signal cancels the outermost listener.

    Without a listener, signals have their usual effect. Outside the main thread none are received.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_listening = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Receive signals while the block of the current task runs.

        Raises:
            KeyboardInterrupt: at the second signal.
        """
        if self._is_listening:  # the outermost listener receives them
            yield
            return
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        forced = False

        def receive() -> None:
            nonlocal forced
            if self.requested and task is not None:
                forced = True
                task.cancel()
            self.request()

        handled = []
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):  # not in the main thread
            for number in SIGNALS:
                loop.add_signal_handler(number, receive)
                handled.append(number)
        self._is_listening = True
        try:
            yield
        except asyncio.CancelledError:
            if forced:
                raise KeyboardInterrupt from None
            raise
        finally:
            self._is_listening = False
            for number in handled:
                loop.remove_signal_handler(number)
