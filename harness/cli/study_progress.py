"""Progress of a study on stderr."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from harness.terminal.output import print_progress

if TYPE_CHECKING:
    from harness.study.scheduler import StageStatus
    from harness.study.stage_cache import Stage

SECONDS_BETWEEN_LINES = 5.0  # between progress lines of one stage
SECONDS_UNTIL_SHOWN = 1.0  # a stage that ends sooner gets only one line


class StudyProgress:
    """Printer of a study's progress: a line for each event, with the time since the start.

    Args:
        quiet: whether to print nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()
        self._last: dict[str, float] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._expected: set[str] = set()
        self._ended = 0
        self._stopping = False

    def expect(self, stages: set[str]) -> None:
        """Set the names of the stages that will run."""
        self._expected = stages

    def tell(self, stage: str, progress: str) -> None:
        """Print the progress of a stage, at most every few seconds."""
        now = time.monotonic()
        if now - self._last.get(stage, float("-inf")) >= SECONDS_BETWEEN_LINES:
            self._last[stage] = now
            self._print(f"{'':12}{stage}: {progress}")

    def watch(self, what: str, status: StageStatus | None, stage: Stage) -> None:
        """Print that a stage begins, ends, or is waited for after an interrupt."""
        if what == "begins":
            loop = asyncio.get_running_loop()
            line = f"{'':8}…   {stage.name}"
            self._waiting[stage.name] = loop.call_later(SECONDS_UNTIL_SHOWN, self._print, line)
        elif what == "stops":
            if not self._stopping:
                self._stopping = True
                self._print("stopping: waiting for requests in flight; press Ctrl-C again to cancel them")
            self._print(f"{'':12}waiting for {stage.name}")
        elif status is not None:
            self._print_end(status)

    def _print_end(self, status: StageStatus) -> None:
        name = status.stage.name
        if name in self._waiting:
            self._waiting.pop(name).cancel()
        self._ended += name in self._expected
        if status.state.value == "blocked" or (status.record and not status.now):
            return  # blocked stages are summed up at the end; stages done earlier are not shown
        seconds = f", {status.record.seconds:.1f} s" if status.record else ""
        mark = "done" if status.record else "FAIL"
        count = f"{self._ended}/{len(self._expected)}"
        self._print(f"{count:>7} {mark}  {name}{seconds}{': ' if status.why else ''}{status.why}")

    def _print(self, line: str) -> None:
        if not self._quiet:
            minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
            print_progress(f"{minutes:3}:{seconds:02} {line}")
