"""What happened during a run, as structured lines and as counters.

One JSON object a line in `runs/<run>.jsonl`: every change of a limit, every retry, every error. Never a
prompt, an answer, a key or a provider's own message (which may quote them): the kind, the status and the
call's key say enough to look the rest up in the database.
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
    """Counters of one lane in one invocation.

    Attributes:
        total: items to do, or None while it is not known.
        done: items that are over, however.
        made: calls that were asked and answered; reused: calls that were answered already.
        failed: calls that got no answer; unscored: answers that no verdict could be read from.
        rate_limited: answers of 429; retried: tries after the first.
        spent_usd: cost of the answers, where the price is known.
        unanswered_usd: the most that attempts without an answer may have cost.
        warning: what is to be said of the endpoint beside its result, or "".
        adaptation: the setting under which a refused request may be accepted; None where none is known.
        failure: why the last of those that got no answer got none, or "".
        stopped: why the lane stopped, or "".
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
    """Appends events to a file, line by line; a context manager. `None` as path keeps nothing.

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
                    "the run's log cannot be written",
                    where=str(path),
                    found=str(error),
                    remedy="Run the command in a folder that may be written to.",
                ) from error

    def write(self, event: str, **details: Any) -> None:
        """One line: the time (seconds since 1970), the event and its details.

        What cannot be written (a full disk) is left out: a run that is paid for does not end for its log.
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
