"""Event log and counters of a run.

The log is a file `runs/<run>.jsonl` with one JSON object per line for every change of a limit, every retry
and every error. It never contains a prompt, an answer, an API key or a provider's error message (which may
quote them). The kind of failure, the HTTP status and the request key are enough to find the rest in the
database.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import orjson

from agents.errors import Adaptation, UserError


@dataclass(slots=True)
class EndpointStats:
    """Counters of one endpoint in one invocation.

    Attributes:
        total: number of work items, or None if unknown.
        done: work items that are finished, with or without a completion.
        made: requests answered in this invocation.
        reused: requests whose completion was already stored.
        failed: requests without a completion.
        unscored: completions without a readable verdict.
        rate_limited: responses with status 429.
        retried: attempts after the first.
        spent_usd: cost of the completions, where the price is known.
        unanswered_usd: upper bound of the cost of attempts without a completion.
        warning: note about the endpoint to print beside its result, or "".
        adaptation: setting under which a rejected request may be accepted; None if none is known.
        failure: why the most recent failed request got no completion, or "".
        stopped: why the endpoint stopped, or "".
    """

    total: int | None = None
    done: int = 0
    made: int = 0
    reused: int = 0
    failed: int = 0
    unscored: int = 0
    rate_limited: int = 0
    retried: int = 0
    spent_usd: float = 0.0
    unanswered_usd: float = 0.0
    warning: str = ""
    adaptation: Adaptation | None = None
    failure: str = ""
    stopped: str = ""
    started_at: float = field(default_factory=time.monotonic)


class EventLog:
    """Append-only log file, usable as a context manager. With `None` as path nothing is written.

    Raises:
        UserError: the file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("ab", buffering=0)
            except OSError as error:
                raise UserError(
                    "the log file of the run cannot be opened",
                    code="run.log-not-writable",
                    where=str(path),
                    found=str(error),
                    remedy="Run the command in a writable folder.",
                ) from error

    def write(self, event: str, **details: Any) -> None:
        """Append one line with the time (Unix seconds), the event and its details.

        A line that cannot be written (for example on a full disk) is dropped, so that a paid run does not end
        because of its log.
        """
        if self._file is not None:
            line = orjson.dumps({"at": round(time.time(), 3), "event": event, **details}) + b"\n"
            with contextlib.suppress(OSError):
                self._file.write(line)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
