"""A study as it goes, told on stderr: what begins, how far it is, how it ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from harness.terminal.output import print_progress

if TYPE_CHECKING:
    from harness.study.scheduler import StageStatus
    from harness.study.stage_cache import Stage

SECONDS_BETWEEN_LINES = 5.0  # of one stage's progress
SECONDS_UNTIL_TOLD = 1.0  # a stage that is over sooner is told once, as done


class StudyProgress:
    """Says what happens, a line each, with the time since it began.

    Args:
        quiet: say nothing.
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
        """Names of what there is to do."""
        self._expected = stages

    def tell(self, stage: str, how_far: str) -> None:
        """How far a stage is; said every few seconds."""
        now = time.monotonic()
        if now - self._last.get(stage, float("-inf")) >= SECONDS_BETWEEN_LINES:
            self._last[stage] = now
            self._say(f"{'':12}{stage}: {how_far}")

    def watch(self, what: str, standing: StageStatus | None, stage: Stage) -> None:
        """A stage begins, ends, or is waited for because the user wants to stop."""
        if what == "begins":
            loop = asyncio.get_running_loop()
            line = f"{'':8}…   {stage.name}"
            self._waiting[stage.name] = loop.call_later(SECONDS_UNTIL_TOLD, self._say, line)
        elif what == "stops":
            if not self._stopping:
                self._stopping = True
                self._say("stopping: what is in flight may still arrive; once more cuts it off")
            self._say(f"{'':12}waiting for {stage.name}")
        elif standing is not None:
            self._end(standing)

    def _end(self, standing: StageStatus) -> None:
        name = standing.stage.name
        if name in self._waiting:
            self._waiting.pop(name).cancel()
        self._ended += name in self._expected
        if standing.state.value == "blocked" or (standing.record and not standing.now):
            return  # what could not begin is told in one line at the end; what was done before needs no word
        seconds = f", {standing.record.seconds:.1f} s" if standing.record else ""
        mark = "done" if standing.record else "FAIL"
        count = f"{self._ended}/{len(self._expected)}"
        self._say(f"{count:>7} {mark}  {name}{seconds}{': ' if standing.why else ''}{standing.why}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
            print_progress(f"{minutes:3}:{seconds:02} {line}")
