"""Scheduler of the stages of a study.

Runs all stages that are ready, in parallel, until no more can run. A stage holds its resources (the GPU, a
model's endpoint) exclusively. A failed stage blocks only the stages that need it. Stages with the same
session (students of one base model) that are ready at the same time run together. Finished stages are cached
at once, so a killed run continues where it stopped.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter

from agents.errors import EmpathyError, UserError
from harness.interrupt import Interrupt
from harness.study.stage_cache import Stage, StageCache, StageInputs, StageOutput, StageRecord


class StageState(StrEnum):
    """State of a stage."""

    DONE = "done"  # in this run or an earlier one
    FAILED = "failed"  # in its last run
    BLOCKED = "blocked"  # a needed stage failed, or is not selected and not done
    READY = "ready"  # all needed stages are done
    WAITING = "waiting"  # a needed stage is not done yet


@dataclass(frozen=True)
class StageStatus:
    """Status of a stage.

    Attributes:
        record: its record if it is done.
        why: the reason if it failed or is blocked.
        now: whether this run finished it.
    """

    stage: Stage
    state: StageState
    record: StageRecord | None = None
    why: str = ""
    now: bool = False


@dataclass(frozen=True)
class StudyResult:
    """Result of a run of a study.

    Attributes:
        stage_statuses: status of every stage.
        interrupted: whether the user interrupted the run.
        picked: names of the stages that were selected.
    """

    stage_statuses: tuple[StageStatus, ...]
    interrupted: bool = False
    picked: frozenset[str] = frozenset()

    def count(self, state: StageState) -> int:
        """Return the number of selected stages in a state."""
        return sum(
            status.state is state for status in self.stage_statuses if status.stage.name in self.picked
        )


Watch = Callable[[str, StageStatus | None, Stage], None]  # "begins", "ends" or "stops"; how it ended; which


def stage_statuses(stages: Iterable[Stage], memory: StageCache) -> list[StageStatus]:
    """Return the status of every stage from stored records alone, in the order of the stages."""
    by_name = {stage.name: stage for stage in stages}
    known: dict[str, StageStatus] = {}
    for name in sort_by_needs(by_name.values()).static_order():
        known[name] = _status_of(by_name[name], known, memory)
    return [known[name] for name in by_name]


def sort_by_needs(stages: Iterable[Stage]) -> TopologicalSorter[str]:
    """Return a sorter of the stages' names by what each stage needs."""
    return TopologicalSorter({stage.name: stage.needs for stage in stages})


def _status_of(stage: Stage, known: Mapping[str, StageStatus], memory: StageCache) -> StageStatus:
    """Return the status of a stage, given those of the stages that it needs."""
    states = [known[name].state for name in stage.needs]
    needs = _finished_needs(stage, known)
    lost = [
        name
        for name, state in zip(stage.needs, states, strict=True)
        if state in (StageState.FAILED, StageState.BLOCKED)
    ]
    if StageState.READY in states or StageState.WAITING in states:
        is_blocked = bool(lost) and not stage.run_on_partial_inputs
        if not is_blocked:
            return StageStatus(stage, StageState.WAITING)
    elif stage.run_on_partial_inputs and needs:
        is_blocked = False
    else:
        is_blocked = bool(lost)
    if is_blocked:
        return StageStatus(stage, StageState.BLOCKED, why=f"needs {lost[0]}")
    key = stage.key(needs)
    record = memory.done(key)
    if record is not None:
        return StageStatus(stage, StageState.DONE, record)
    why = memory.failed(key)
    return StageStatus(stage, StageState.FAILED if why else StageState.READY, why=why)


def _finished_needs(stage: Stage, known: Mapping[str, StageStatus]) -> dict[str, StageRecord]:
    """Return the records of the needed stages that are done."""
    return {name: status.record for name in stage.needs if (status := known[name]).record is not None}


def select_stages(stages: Sequence[Stage], kinds: Sequence[str], only: str, since: str) -> set[str]:
    """Return the names of the selected stages.

    Args:
        kinds: the kinds of stages, in order.
        only: a kind ("judge") or the name of a stage with wildcards * and ?; selects these stages.
        since: likewise; selects these stages and all that depend on them. "" for both selects all stages.

    Raises:
        UserError: if no stage matches.
    """
    picked = {stage.name for stage in stages}
    for pattern, option in ((only, "--only"), (since, "--from")):
        if not pattern:
            continue
        matching = {
            stage.name for stage in stages if pattern == stage.kind or fnmatchcase(stage.name, pattern)
        }
        if not matching:
            existing_kinds = ", ".join(kind for kind in kinds if any(stage.kind == kind for stage in stages))
            remedy = f"Name a kind ({existing_kinds}) or a stage as `empathy status` shows it."
            raise UserError(
                "unknown stage", code="stage.unknown", where=option, found=repr(pattern), remedy=remedy
            )
        if option == "--from":
            needs = {stage.name: stage.needs for stage in stages}
            for name in sort_by_needs(stages).static_order():
                if set(needs[name]) & matching:
                    matching.add(name)
        picked &= matching
    return picked


class StageScheduler:
    """Scheduler of one run of a study.

    Args:
        stages: all stages of the study.
        memory: cache of finished stages.
        pick: names of the stages that may run; None for all.
        watch: called when a stage begins, ends, or is waited for after an interrupt.
        at_once: maximum number of stages that run in parallel, ≥ 1.
        interrupt: once requested, no more stages are started.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        memory: StageCache,
        *,
        pick: set[str] | None = None,
        watch: Watch | None = None,
        at_once: int = 8,
        interrupt: Interrupt | None = None,
    ) -> None:
        self._stages = {stage.name: stage for stage in stages}
        self._memory = memory
        self._pick = set(self._stages) if pick is None else pick
        self._watch = watch or (lambda what, status, stage: None)
        self._at_once = at_once
        self._interrupt = interrupt or Interrupt()
        self._sorter = sort_by_needs(self._stages.values())
        self._known: dict[str, StageStatus] = {}
        self._ready: dict[str, StageInputs] = {}
        self._tasks: dict[asyncio.Task[None], list[Stage]] = {}

    async def run(self) -> StudyResult:
        """Run all stages that can run and return the result."""
        with self._interrupt.listening():
            interrupted = asyncio.ensure_future(self._interrupt.wait())
            try:
                await self._run_all(interrupted)
            finally:
                interrupted.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(interrupted, *self._tasks, return_exceptions=True)
        final = [
            self._known.get(status.stage.name, status)
            for status in stage_statuses(self._stages.values(), self._memory)
        ]
        return StudyResult(tuple(final), self._interrupt.requested, frozenset(self._pick))

    async def _run_all(self, interrupted: asyncio.Future[None]) -> None:
        self._sorter.prepare()
        is_stopping = False
        while True:
            self._find_ready()
            if not is_stopping:
                self._start_ready()
            if not self._tasks:
                return
            waited = {*self._tasks} if is_stopping else {*self._tasks, interrupted}
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._tasks if task in done]:
                del self._tasks[task]
                task.result()  # raises unexpected errors only: the task handles failures of stages
            if interrupted.done() and not is_stopping:
                is_stopping = True
                self._stop()

    def _stop(self) -> None:
        """Announce the stages that are waited for. Runs of requests stop themselves; other stages are
        cancelled.
        """
        for task, stages in self._tasks.items():
            for stage in stages:
                if stage.name not in self._known:
                    self._watch("stops", None, stage)
            if any(stage.kind in CANCELLED_KINDS for stage in stages):
                task.cancel()

    def _find_ready(self) -> None:
        """End the stages that are cached, blocked or not selected; make the others ready."""
        while names := self._sorter.get_ready():
            for name in names:
                stage = self._stages[name]
                status = _status_of(stage, self._known, self._memory)
                if status.state in (StageState.DONE, StageState.BLOCKED):
                    self._end(stage, status)
                elif name not in self._pick:
                    why = "not selected, and not done yet"
                    self._end(stage, StageStatus(stage, StageState.BLOCKED, why=why))
                else:
                    needs = _finished_needs(stage, self._known)
                    self._ready[name] = StageInputs(stage, stage.key(needs), needs)

    def _start_ready(self) -> None:
        """Start every stage that is ready and whose resources are free, in the order of the stages."""
        used: set[str] = {name for stages in self._tasks.values() for stage in stages for name in stage.uses}
        for stage in self._stages.values():
            if len(self._tasks) >= self._at_once:
                return
            if stage.name not in self._ready or stage.uses & used:
                continue
            group = [
                inputs
                for inputs in (self._ready[name] for name in self._stages if name in self._ready)
                if inputs.stage is stage or (stage.session_key == inputs.stage.session_key != "")
            ]
            for inputs in group:
                del self._ready[inputs.stage.name]
            self._tasks[asyncio.create_task(self._run_group(group))] = [inputs.stage for inputs in group]
            used |= stage.uses

    async def _run_group(self, group: list[StageInputs]) -> None:
        """Run a group of stages; an error of their session is an error of each."""
        first = group[0].stage
        for inputs in group:
            self._watch("begins", None, inputs.stage)
        began = time.monotonic()
        try:
            async with first.session(group) if first.session else nullcontext() as opened:
                await asyncio.gather(*(self._run_stage(inputs, opened, began) for inputs in group))
        except asyncio.CancelledError:
            if not self._interrupt.requested:
                raise
        except Exception as error:  # a failure of one stage does not stop the others
            for inputs in group:
                if inputs.stage.name not in self._known:
                    self._fail(inputs, error, time.monotonic() - began)

    async def _run_stage(self, inputs: StageInputs, opened: object, began: float) -> None:
        stage = inputs.stage
        try:
            output = await stage.do(StageInputs(stage, inputs.key, inputs.needs, opened))
        except Exception as error:  # a failure of one stage does not stop the others
            self._fail(inputs, error, time.monotonic() - began)
            return
        record = _make_record(inputs, output, time.monotonic() - began)
        self._memory.keep(record)
        self._end(stage, StageStatus(stage, StageState.DONE, record, now=True))

    def _fail(self, inputs: StageInputs, error: Exception, seconds: float) -> None:
        why = str(error) if isinstance(error, EmpathyError | OSError) else _describe_exception(error)
        if not self._interrupt.requested:
            self._memory.fail(inputs.key, inputs.stage.name, why)
            self._end(inputs.stage, StageStatus(inputs.stage, StageState.FAILED, why=why))

    def _end(self, stage: Stage, status: StageStatus) -> None:
        self._known[stage.name] = status
        self._sorter.done(stage.name)
        self._watch("ends", status, stage)


CANCELLED_KINDS = (
    "base",
    "train",
    "generate",
)  # kinds of stages that do not handle signals and resume from their own saves


def _make_record(inputs: StageInputs, output: StageOutput, seconds: float) -> StageRecord:
    return StageRecord(
        inputs.key,
        inputs.stage.kind,
        inputs.stage.name,
        output.output,
        dict(output.result),
        {name: record.output for name, record in inputs.needs.items()},
        dict(inputs.stage.settings),
        round(seconds, 3),
        round(time.time(), 3),
    )


def _describe_exception(error: Exception) -> str:
    """Describe an unexpected exception with the place where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.name}, line {last.lineno} of {last.filename})"
