"""Progress of training on stderr."""

from __future__ import annotations

import time

from finetune.trainer import TrainingStep
from harness.terminal.output import StatusLine
from results.render.format import format_duration

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Progress of training on stderr: one line that is rewritten on a terminal, otherwise a line now and
    then.
    """

    def __init__(self, every_seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._line = StatusLine()
        self._every = every_seconds
        self._last = float("-inf")

    def __call__(self, step: TrainingStep) -> None:
        """Show a training step if enough time has passed."""
        now, ends = time.monotonic(), step.step >= step.steps
        if not self._line.is_terminal and not ends and now - self._last < self._every:
            return
        self._last = now
        margin = f", margin {step.margin:.3f}" if step.margin is not None else ""
        line = (
            f"{step.stage} {step.step:,}/{step.steps:,}: loss {step.loss:.4f}{margin}, "
            f"{step.tokens_per_second:,.0f} tokens/s, {format_duration(step.seconds_left)} left"
        )
        self._line.show(line, ends=ends)
