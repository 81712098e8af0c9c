"""Scheduler of the stages of a study.

Runs all stages that are ready, in parallel, until no more can run. A stage holds its resources (the GPU, a
model's endpoint) exclusively. A failed stage blocks only the stages that need it. Stages with the same
session (students of one base model) that are ready at the same time run together. Finished stages are cached
at once, so a killed run continues where it stopped.
"""

from __future__ import annotations

import asyncio
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from agents.errors import EmpathyError, UserError
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
    """Return the status of every stage from stored records alone."""
    known: dict[str, StageStatus] = {}
    for stage in _sort_by_needs(stages):
        known[stage.name] = _status_of(stage, known, memory)
    return list(known.values())


def _status_of(stage: Stage, known: Mapping[str, StageStatus], memory: StageCache) -> StageStatus:
    """Return the status of a stage, given those of the stages that it needs."""
    needs = _needed_records(stage, known)
    if needs is None:
        failed_needs = [
            name for name in stage.needs if known[name].state in (StageState.FAILED, StageState.BLOCKED)
        ]
        if failed_needs and not stage.run_on_partial_inputs:
            return StageStatus(stage, StageState.BLOCKED, why=f"needs {failed_needs[0]}")
        return StageStatus(stage, StageState.WAITING)
    key = stage.key(needs)
    record = memory.done(key)
    if record is not None:
        return StageStatus(stage, StageState.DONE, record)
    why = memory.failed(key)
    return StageStatus(stage, StageState.FAILED if why else StageState.READY, why=why)


def _needed_records(stage: Stage, known: Mapping[str, StageStatus]) -> dict[str, StageRecord] | None:
    """Return the records that a stage needs; None if some are missing.

    A stage that runs on partial inputs takes those that are done once all have ended.
    """
    records = {name: status.record for name in stage.needs if (status := known[name]).record is not None}
    if stage.run_on_partial_inputs:
        ended = all(
            known[name].state in (StageState.DONE, StageState.FAILED, StageState.BLOCKED)
            for name in stage.needs
        )
        return records if ended and records else None
    return records if len(records) == len(stage.needs) else None


def _sort_by_needs(stages: Iterable[Stage]) -> list[Stage]:
    """Sort stages so that each comes after those that it needs."""
    by_name = {stage.name: stage for stage in stages}
    ordered: dict[str, Stage] = {}

    def add(stage: Stage) -> None:
        if stage.name not in ordered:
            for name in stage.needs:
                add(by_name[name])
            ordered[stage.name] = stage

    for stage in by_name.values():
        add(stage)
    return list(ordered.values())


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
            for stage in _sort_by_needs(stages):
                if set(stage.needs) & matching:
                    matching.add(stage.name)
        picked &= matching
    return picked


@dataclass
class _RunningGroup:
    """Running stages that share a session, and their resources."""

    stages: list[Stage]
    uses: frozenset[str] = field(default_factory=frozenset)


class StageScheduler:
    """Scheduler of one run of a study.

    Args:
        stages: all stages of the study.
        memory: cache of finished stages.
        pick: names of the stages that may run; None for all.
        watch: called when a stage begins, ends, or is waited for after an interrupt.
        at_once: maximum number of stages that run in parallel, ≥ 1.
    """

    def __init__(
        self,
        stages: Iterable[Stage],
        memory: StageCache,
        *,
        pick: set[str] | None = None,
        watch: Watch | None = None,
        at_once: int = 8,
    ) -> None:
        self._stages = _sort_by_needs(stages)
        self._memory = memory
        self._pick = {stage.name for stage in self._stages} if pick is None else pick
        self._watch = watch or (lambda what, status, stage: None)
        self._at_once = at_once
        self._known: dict[str, StageStatus] = {}
        self._tasks: dict[asyncio.Task[None], _RunningGroup] = {}
        self._stopping = False

    async def run(self) -> StudyResult:
        """Run all stages that can run and return the result."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._interrupt)
            except (ValueError, NotImplementedError, RuntimeError):  # not the main thread
                break
        try:
            while True:
                self._update_statuses()
                if not self._stopping:
                    self._start_ready()
                if not self._tasks:
                    break
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self._tasks[task]
                    task.result()  # raises unexpected errors only: the task handles failures of stages
        finally:
            await self._cancel_all()
            for number in (signal.SIGINT, signal.SIGTERM):
                try:
                    loop.remove_signal_handler(number)
                except (ValueError, NotImplementedError, RuntimeError):
                    break
        final = [
            self._known.get(status.stage.name, status)
            for status in stage_statuses(self._stages, self._memory)
        ]
        return StudyResult(tuple(final), self._stopping, frozenset(self._pick))

    def _interrupt(self) -> None:
        """Start no more stages. Requests handle the signal themselves; training and serving are cancelled."""
        again, self._stopping = self._stopping, True
        for task, running in self._tasks.items():
            for stage in running.stages:
                if not again and stage.name not in self._known:
                    self._watch("stops", None, stage)
            if again or any(stage.kind in CANCELLED_KINDS for stage in running.stages):
                task.cancel()

    async def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _update_statuses(self) -> None:
        """Update the status of stages that are cached or blocked."""
        for stage in self._stages:
            if stage.name in self._known or self._is_running(stage):
                continue
            needs = _needed_records(stage, self._known) if set(stage.needs) <= set(self._known) else None
            if needs is not None:
                record = self._memory.done(stage.key(needs))
                if record is not None:
                    self._end(stage, StageStatus(stage, StageState.DONE, record))
                    continue
                if stage.name not in self._pick:
                    self._end(
                        stage, StageStatus(stage, StageState.BLOCKED, why="not selected, and not done yet")
                    )
                continue
            failed_needs = [
                name
                for name in stage.needs
                if name in self._known and self._known[name].state in (StageState.FAILED, StageState.BLOCKED)
            ]
            over = all(name in self._known for name in stage.needs)
            if (failed_needs and not stage.run_on_partial_inputs) or (over and stage.run_on_partial_inputs):
                self._end(stage, StageStatus(stage, StageState.BLOCKED, why=f"needs {failed_needs[0]}"))

    def _start_ready(self) -> None:
        """Start every stage that is ready and whose resources are free."""
        used_resources = frozenset[str]().union(*(running.uses for running in self._tasks.values()))
        for stage in self._stages:
            if len(self._tasks) >= self._at_once:
                return
            inputs = self._inputs_if_ready(stage)
            if inputs is None or stage.uses & used_resources:
                continue
            group = [inputs]
            if stage.session_key:
                others = (
                    self._inputs_if_ready(other)
                    for other in self._stages
                    if other.session_key == stage.session_key
                )
                group = [inputs for inputs in others if inputs is not None]
            running = _RunningGroup([inputs.stage for inputs in group], stage.uses)
            self._tasks[asyncio.create_task(self._run_group(group))] = running
            used_resources |= stage.uses

    def _inputs_if_ready(self, stage: Stage) -> StageInputs | None:
        if stage.name in self._known or self._is_running(stage) or stage.name not in self._pick:
            return None
        if not set(stage.needs) <= set(self._known):
            return None
        needs = _needed_records(stage, self._known)
        return None if needs is None else StageInputs(stage, stage.key(needs), needs)

    def _is_running(self, stage: Stage) -> bool:
        return any(stage in running.stages for running in self._tasks.values())

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
            if not self._stopping:
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
        if not self._stopping:
            self._memory.fail(inputs.key, inputs.stage.name, why)
            self._end(inputs.stage, StageStatus(inputs.stage, StageState.FAILED, why=why))

    def _end(self, stage: Stage, status: StageStatus) -> None:
        self._known[stage.name] = status
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
