"""Runs the stages that are ready, side by side, until nothing more can be run.

What a stage holds alone (the card, a model's lane) is held by one stage at a time; a stage that fails takes
along only what needs it. Stages of one session (students of one base) that are ready together go together.
What is finished is remembered at once, so that a killed run goes on where it was. Knows nothing of what
stages do.
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
    """How a stage stands."""

    DONE = "done"  # now or earlier
    FAILED = "failed"  # its last try did
    BLOCKED = "blocked"  # something that it needs failed, or is left out and not done
    READY = "ready"  # everything that it needs is done
    WAITING = "waiting"  # something that it needs is not done yet


@dataclass(frozen=True)
class StageStatus:
    """A stage as it stands: its state, its record where it is done, why where it is not."""

    stage: Stage
    state: StageState
    record: StageRecord | None = None
    why: str = ""
    now: bool = False  # it was done by this run


@dataclass(frozen=True)
class StudyResult:
    """How a run of a study ended.

    Attributes:
        standings: of every stage.
        picked: names of those that were to run.
    """

    stage_statuses: tuple[StageStatus, ...]
    interrupted: bool = False
    picked: frozenset[str] = frozenset()

    def count(self, state: StageState) -> int:
        """Stages in this state, of those that were to run."""
        return sum(one.state is state for one in self.stage_statuses if one.stage.name in self.picked)


Watch = Callable[[str, StageStatus | None, Stage], None]  # "begins", "ends" or "stops"; how it ended; which


def stage_statuses(stages: Iterable[Stage], memory: StageCache) -> list[StageStatus]:
    """How every stage stands, by what is remembered alone."""
    known: dict[str, StageStatus] = {}
    for stage in _in_order(stages):
        known[stage.name] = _standing(stage, known, memory)
    return list(known.values())


def _standing(stage: Stage, known: Mapping[str, StageStatus], memory: StageCache) -> StageStatus:
    needs = _needs(stage, known)
    if needs is None:
        stuck = [name for name in stage.needs if known[name].state in (StageState.FAILED, StageState.BLOCKED)]
        if stuck and not stage.run_on_partial_inputs:
            return StageStatus(stage, StageState.BLOCKED, why=f"needs {stuck[0]}")
        return StageStatus(stage, StageState.WAITING)
    key = stage.key(needs)
    record = memory.done(key)
    if record is not None:
        return StageStatus(stage, StageState.DONE, record)
    why = memory.failed(key)
    return StageStatus(stage, StageState.FAILED if why else StageState.READY, why=why)


def _needs(stage: Stage, known: Mapping[str, StageStatus]) -> dict[str, StageRecord] | None:
    """The records of what a stage needs; None where some are not there. A patient one takes what is done."""
    records = {name: found.record for name in stage.needs if (found := known[name]).record is not None}
    if stage.run_on_partial_inputs:
        ended = all(
            known[name].state in (StageState.DONE, StageState.FAILED, StageState.BLOCKED)
            for name in stage.needs
        )
        return records if ended and records else None
    return records if len(records) == len(stage.needs) else None


def _in_order(stages: Iterable[Stage]) -> list[Stage]:
    """What is needed before what needs it; else as given."""
    by_name = {stage.name: stage for stage in stages}
    ordered: dict[str, Stage] = {}

    def put(stage: Stage) -> None:
        if stage.name not in ordered:
            for name in stage.needs:
                put(by_name[name])
            ordered[stage.name] = stage

    for stage in by_name.values():
        put(stage)
    return list(ordered.values())


def chosen(stages: Sequence[Stage], kinds: Sequence[str], only: str, since: str) -> set[str]:
    """Names of the stages that may run: all; those that match `only`; or those from `since` on.

    Args:
        kinds: the order of the chain.
        only, since: a kind ("judge"), or a stage's name, which may hold * and ?; "" for all.

    Raises:
        UserError: there is no such stage.
    """
    picked = {stage.name for stage in stages}
    for given, option in ((only, "--only"), (since, "--from")):
        if not given:
            continue
        found = {stage.name for stage in stages if given == stage.kind or fnmatchcase(stage.name, given)}
        if not found:
            there = ", ".join(kind for kind in kinds if any(stage.kind == kind for stage in stages))
            remedy = f"Name a kind ({there}) or a stage as `empathy status` shows it."
            raise UserError(
                "unknown stage", code="stage.unknown", where=option, found=repr(given), remedy=remedy
            )
        if option == "--from":
            for stage in _in_order(stages):
                if set(stage.needs) & found:
                    found.add(stage.name)
        picked &= found
    return picked


@dataclass
class _Going:
    """Stages that go together, and what they hold."""

    stages: list[Stage]
    uses: frozenset[str] = field(default_factory=frozenset)


class StageScheduler:
    """One run of a graph.

    Args:
        stages: all of the study's.
        pick: names of those that may run.
        watch: is told when a stage begins and ends, and which are waited for once the user wants to stop.
        at_once: stages that go on side by side at most, ≥ 1.
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
        self._stages = _in_order(stages)
        self._memory = memory
        self._pick = {stage.name for stage in self._stages} if pick is None else pick
        self._watch = watch or (lambda what, standing, stage: None)
        self._at_once = at_once
        self._known: dict[str, StageStatus] = {}
        self._tasks: dict[asyncio.Task[None], _Going] = {}
        self._stopping = False

    async def run(self) -> StudyResult:
        """Run what can be run; what came of it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._stop)
            except (ValueError, NotImplementedError, RuntimeError):  # not the main thread
                break
        try:
            while True:
                self._settle()
                if not self._stopping:
                    self._begin()
                if not self._tasks:
                    break
                done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self._tasks[task]
                    task.result()  # what a stage raises is its failure; what comes here is a fault of ours
        finally:
            await self._drop()
            for number in (signal.SIGINT, signal.SIGTERM):
                try:
                    loop.remove_signal_handler(number)
                except (ValueError, NotImplementedError, RuntimeError):
                    break
        final = [self._known.get(one.stage.name, one) for one in stage_statuses(self._stages, self._memory)]
        return StudyResult(tuple(final), self._stopping, frozenset(self._pick))

    def _stop(self) -> None:
        """Nothing more begins. Runs of calls hear the signal themselves; a session is cut off."""
        again, self._stopping = self._stopping, True
        for task, going in self._tasks.items():
            for stage in going.stages:
                if not again and stage.name not in self._known:
                    self._watch("stops", None, stage)
            if again or any(stage.kind in CUT_OFF for stage in going.stages):
                task.cancel()

    async def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _settle(self) -> None:
        """Whatever stands fast without running anything."""
        for stage in self._stages:
            if stage.name in self._known or self._goes(stage):
                continue
            needs = _needs(stage, self._known) if set(stage.needs) <= set(self._known) else None
            if needs is not None:
                record = self._memory.done(stage.key(needs))
                if record is not None:
                    self._end(stage, StageStatus(stage, StageState.DONE, record))
                    continue
                if stage.name not in self._pick:
                    self._end(
                        stage, StageStatus(stage, StageState.BLOCKED, why="is left out, and not done yet")
                    )
                continue
            stuck = [
                name
                for name in stage.needs
                if name in self._known and self._known[name].state in (StageState.FAILED, StageState.BLOCKED)
            ]
            over = all(name in self._known for name in stage.needs)
            if (stuck and not stage.run_on_partial_inputs) or (over and stage.run_on_partial_inputs):
                self._end(stage, StageStatus(stage, StageState.BLOCKED, why=f"needs {stuck[0]}"))

    def _begin(self) -> None:
        """Begin whatever is ready and finds free what it holds alone."""
        held = frozenset[str]().union(*(going.uses for going in self._tasks.values()))
        for stage in self._stages:
            if len(self._tasks) >= self._at_once:
                return
            ready = self._ready(stage)
            if ready is None or stage.uses & held:
                continue
            group = [ready]
            if stage.session_key:
                others = (self._ready(one) for one in self._stages if one.session_key == stage.session_key)
                group = [one for one in others if one is not None]
            going = _Going([one.stage for one in group], stage.uses)
            self._tasks[asyncio.create_task(self._go(group))] = going
            held |= stage.uses

    def _ready(self, stage: Stage) -> StageInputs | None:
        if stage.name in self._known or self._goes(stage) or stage.name not in self._pick:
            return None
        if not set(stage.needs) <= set(self._known):
            return None
        needs = _needs(stage, self._known)
        return None if needs is None else StageInputs(stage, stage.key(needs), needs)

    def _goes(self, stage: Stage) -> bool:
        return any(stage in going.stages for going in self._tasks.values())

    async def _go(self, group: list[StageInputs]) -> None:
        """A group of stages from beginning to end; an error of the session is each one's error."""
        first = group[0].stage
        for ready in group:
            self._watch("begins", None, ready.stage)
        began = time.monotonic()
        try:
            async with first.session(group) if first.session else nullcontext() as opened:
                await asyncio.gather(*(self._one(ready, opened, began) for ready in group))
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except Exception as error:  # whatever a stage raises is its own failure: the others go on
            for ready in group:
                if ready.stage.name not in self._known:
                    self._fail(ready, error, time.monotonic() - began)

    async def _one(self, ready: StageInputs, opened: object, began: float) -> None:
        stage = ready.stage
        try:
            made = await stage.do(StageInputs(stage, ready.key, ready.needs, opened))
        except Exception as error:  # likewise
            self._fail(ready, error, time.monotonic() - began)
            return
        record = _record(ready, made, time.monotonic() - began)
        self._memory.keep(record)
        self._end(stage, StageStatus(stage, StageState.DONE, record, now=True))

    def _fail(self, ready: StageInputs, error: Exception, seconds: float) -> None:
        why = str(error) if isinstance(error, EmpathyError | OSError) else _fault(error)
        if not self._stopping:
            self._memory.fail(ready.key, ready.stage.name, why)
            self._end(ready.stage, StageStatus(ready.stage, StageState.FAILED, why=why))

    def _end(self, stage: Stage, standing: StageStatus) -> None:
        self._known[stage.name] = standing
        self._watch("ends", standing, stage)


CUT_OFF = ("base", "train", "generate")  # what hears no signal by itself, and goes on from its own saves


def _record(ready: StageInputs, made: StageOutput, seconds: float) -> StageRecord:
    return StageRecord(
        ready.key,
        ready.stage.kind,
        ready.stage.name,
        made.output,
        dict(made.result),
        {name: record.output for name, record in ready.needs.items()},
        dict(ready.stage.settings),
        round(seconds, 3),
        round(time.time(), 3),
    )


def _fault(error: Exception) -> str:
    """An error that nobody foresaw: with where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.name}, line {last.lineno} of {last.filename})"
