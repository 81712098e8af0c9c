"""Scheduler: stages run once and in order, concurrently unless exclusive; failures block dependents."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.errors import UserError
from harness.interrupt import Interrupt, SignalInterrupt
from harness.study.scheduler import StageScheduler, StageState, StudyResult, select_stages, stage_statuses
from harness.study.stage_cache import Stage, StageCache, StageInputs, StageOutput
from tests.errors import user_error

StudyGraph = dict[int, set[int]]


@st.composite
def graphs(draw: st.DrawFn) -> StudyGraph:
    """Draw the inputs of each stage: only earlier stages."""
    size = draw(st.integers(1, 7))
    return {number: draw(st.sets(st.integers(0, number - 1))) if number else set() for number in range(size)}


def after(graph: StudyGraph, begun: set[int]) -> set[int]:
    """Return these stages and all that depend on them."""
    dependents = set(begun)
    for number in sorted(graph):
        if graph[number] & dependents:
            dependents.add(number)
    return dependents


def build(kitchen: Any, graph: StudyGraph, values: dict[int, int], lanes: Sequence[str] = ()) -> list[Stage]:
    return [
        kitchen.stage(
            str(number),
            values.get(number, number),
            map(str, needs),
            uses=frozenset(lanes[number : number + 1]),
        )
        for number, needs in graph.items()
    ]


@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_each_stage_runs_once_after_its_inputs(
    kitchen_type: Any, graph: StudyGraph, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        kitchen = kitchen_type(Path(folder))
        stages = build(kitchen, graph, {})
        order = data.draw(st.permutations(stages))
        ended = kitchen.run(order)
        assert sorted(kitchen.ran) == sorted(map(str, graph))
        assert all(
            kitchen.ran.index(str(need)) < kitchen.ran.index(str(number))
            for number in graph
            for need in graph[number]
        )
        assert ended.count(StageState.DONE) == len(graph)
        again = kitchen.run(stages)
        assert kitchen.ran == []
        assert kitchen.outputs(again) == kitchen.outputs(ended)


@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_a_changed_setting_reruns_exactly_the_dependent_stages(
    kitchen_type: Any, graph: StudyGraph, data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(sorted(graph)))
    with TemporaryDirectory() as folder, TemporaryDirectory() as other:
        kitchen = kitchen_type(Path(folder))
        kitchen.run(build(kitchen, graph, {}))
        ended = kitchen.run(build(kitchen, graph, {changed: 100}))
        assert set(kitchen.ran) == {str(number) for number in after(graph, {changed})}
        anew = kitchen_type(Path(other))
        assert kitchen.outputs(ended) == anew.outputs(anew.run(build(anew, graph, {changed: 100})))
        kitchen.run(build(kitchen, graph, {}))
        assert kitchen.ran == []  # the first results are still cached


@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_a_failure_blocks_only_the_dependent_stages(
    kitchen_type: Any, graph: StudyGraph, data: st.DataObject
) -> None:
    broken = data.draw(st.sampled_from(sorted(graph)))
    with TemporaryDirectory() as folder:
        kitchen = kitchen_type(Path(folder))
        stages = build(kitchen, graph, {})
        stages[broken] = kitchen.failing(str(broken), map(str, graph[broken]))
        ended = {int(status.stage.title): status for status in kitchen.run(stages).stage_statuses}
        lost = after(graph, {broken})
        assert {number for number, status in ended.items() if status.state is not StageState.DONE} == lost
        assert ended[broken].state is StageState.FAILED
        assert "out of salt" in ended[broken].why
        assert all(ended[number].state is StageState.BLOCKED for number in lost - {broken})
        kitchen.run(build(kitchen, graph, {}))
        assert set(kitchen.ran) == {
            str(number) for number in lost
        }  # after the repair only unfinished stages run


@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_an_exclusive_resource_has_one_user(
    kitchen_type: Any, graph: StudyGraph, data: st.DataObject
) -> None:
    lanes = data.draw(st.lists(st.sampled_from(["card", "gpt"]), min_size=len(graph), max_size=len(graph)))
    with TemporaryDirectory() as folder:
        kitchen = kitchen_type(Path(folder))
        kitchen.run(build(kitchen, graph, {}, lanes))
        for session_key in kitchen.at_once:
            held = [lanes[int(name)] for name in session_key]
            assert len(held) == len(set(held))


@pytest.fixture(scope="module")
def kitchen_type() -> Any:
    """Return the kitchen class, for examples that each need a folder."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("kitchens", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.StageRecorder


def test_an_unchanged_output_reruns_no_dependent_stage(kitchen: Any) -> None:
    """Early cut-off: a changed stage with an unchanged output reruns nothing."""
    first = [kitchen.stage("a", 3), kitchen.stage("b", 0, ["a"])]
    kitchen.run(first)
    kitchen.run([kitchen.stage("zero", 0), kitchen.stage("a", 3, ["zero"]), kitchen.stage("b", 0, ["a"])])
    assert kitchen.ran == ["zero", "a"]


def test_independent_stages_run_concurrently(kitchen: Any) -> None:
    kitchen.run([kitchen.stage(name, 1) for name in "abc"])
    assert {"a", "b", "c"} in kitchen.at_once


def test_a_stage_with_optional_inputs_uses_the_finished_ones(kitchen: Any) -> None:
    stages = [
        kitchen.stage("good", 5),
        kitchen.failing("bad"),
        kitchen.stage("after", 1, ["bad"]),
        kitchen.stage("report", 0, ["good", "after"], run_on_partial_inputs=True),
    ]
    ended = kitchen.run(stages)
    assert kitchen.outputs(ended) == {"good": "5", "report": "5"}
    alone = kitchen.run(
        [kitchen.failing("bad"), kitchen.stage("report", 0, ["bad"], run_on_partial_inputs=True)]
    )
    assert [status.state for status in alone.stage_statuses] == [StageState.FAILED, StageState.BLOCKED]


def test_a_session_is_opened_once_for_all_ready_stages(kitchen: Any) -> None:
    opened: list[list[str]] = []

    @asynccontextmanager
    async def session(group: Sequence[StageInputs]) -> AsyncIterator[str]:
        opened.append([ready.stage.title for ready in group])
        yield "the server"

    more = {"uses": frozenset({"card"}), "session_key": "base", "session": session}
    stages = [kitchen.stage(name, 1, **more) for name in "abc"] + [kitchen.stage("late", 1, ["a"], **more)]
    ended = kitchen.run(stages)
    assert opened == [["a", "b", "c"], ["late"]]
    assert ended.count(StageState.DONE) == 4


def test_a_session_that_cannot_open_fails_all_its_stages(kitchen: Any) -> None:
    @asynccontextmanager
    async def session(group: Sequence[StageInputs]) -> AsyncIterator[str]:
        raise UserError("no card", code="test.error")
        yield ""

    stages = [kitchen.stage(name, 1, session_key="base", session=session) for name in "ab"]
    ended = kitchen.run([*stages, kitchen.stage("free", 1)])
    assert [status.state for status in ended.stage_statuses] == [
        StageState.FAILED,
        StageState.FAILED,
        StageState.DONE,
    ]
    assert "no card" in ended.stage_statuses[0].why


def test_only_and_from(kitchen: Any) -> None:
    stages = [kitchen.stage("a", 1), kitchen.stage("b", 1, ["a"]), kitchen.stage("c", 1, ["b"])]
    kinds = ("sum",)
    assert select_stages(stages, kinds, "", "") == {"sum a", "sum b", "sum c"}
    assert select_stages(stages, kinds, "sum b", "") == {"sum b"}
    assert select_stages(stages, kinds, "", "sum b") == {"sum b", "sum c"}
    with user_error("stage.unknown", where="--only", found="'sing'"):
        select_stages(stages, kinds, "sing", "")
    ended = kitchen.run(stages, pick={"sum b", "sum c"})
    assert kitchen.ran == []
    assert [status.state for status in ended.stage_statuses] == [
        StageState.BLOCKED,
        StageState.BLOCKED,
        StageState.BLOCKED,
    ]
    kitchen.run(stages, pick={"sum a"})
    kitchen.run(stages, pick={"sum b"})
    assert kitchen.ran == ["b"]


def states(stages: Sequence[Stage], memory: StageCache) -> list[StageState]:
    return [status.state for status in stage_statuses(stages, memory)]


def test_stage_states_are_reported_without_running(kitchen: Any) -> None:
    stages = [kitchen.stage("a", 1), kitchen.failing("b", ["a"]), kitchen.stage("c", 1, ["b"])]
    assert [status.state for status in stage_statuses(stages, kitchen.memory)] == [
        StageState.READY,
        StageState.WAITING,
        StageState.WAITING,
    ]
    kitchen.run(stages)
    kitchen.ran = []
    assert [status.state for status in stage_statuses(stages, kitchen.memory)] == [
        StageState.DONE,
        StageState.FAILED,
        StageState.BLOCKED,
    ]
    assert kitchen.ran == []


def test_a_stage_with_a_missing_file_runs_again(kitchen: Any) -> None:
    folder = kitchen.memory.folder
    folder.mkdir()

    async def write(ready: StageInputs) -> StageOutput:
        kitchen.ran.append("written")
        (folder / "page.html").write_text("hello")
        return StageOutput("same", {"file": "page.html"})

    stage = Stage("report", "page", {}, write)
    kitchen.run([stage])
    kitchen.run([stage])
    assert kitchen.ran == []
    (folder / "page.html").unlink()
    kitchen.run([stage])
    assert kitchen.ran == ["written"]


def test_a_truncated_record_is_ignored(kitchen: Any) -> None:
    stages = [kitchen.stage("a", 1)]
    kitchen.run(stages)
    (record,) = (kitchen.memory.folder / "stages").glob("*.json")
    record.write_text(record.read_text()[:20])
    kitchen.run(stages)
    assert kitchen.ran == ["a"]


def test_one_process_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with (
        StageCache(tmp_path).lock(),
        user_error("study.locked", where=str(tmp_path)),
        StageCache(tmp_path).lock(),
    ):
        pass
    with StageCache(tmp_path).lock():
        pass


def run_interruptibly(stages: Sequence[Stage], memory: StageCache, interrupt: Interrupt) -> StudyResult:
    return asyncio.run(StageScheduler(stages, memory, at_once=4, interrupt=interrupt).run())


def test_an_interrupt_stops_all_stages_cleanly_and_the_next_run_resumes(kitchen: Any) -> None:
    """Two stages that share the interrupt both finish what they are doing."""
    finished: list[str] = []
    interrupt = SignalInterrupt()

    def asking(name: str) -> Stage:
        async def ask(ready: StageInputs) -> StageOutput:
            with interrupt.listening():
                if name == "b":
                    os.kill(os.getpid(), signal.SIGINT)
                await interrupt.wait()
            finished.append(name)
            raise UserError("interrupted", code="test.error")

        return Stage("ask", name, {}, ask)

    stages = [
        asking("a"),
        asking("b"),
        kitchen.stage("c", 1, uses=frozenset("x")),
        kitchen.stage("d", 1, ["c"]),
    ]
    ended = run_interruptibly(stages, kitchen.memory, interrupt)
    assert ended.interrupted
    assert sorted(finished) == ["a", "b"]
    assert ended.count(StageState.FAILED) == 0  # interrupted stages have not failed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_ends_a_training(kitchen: Any) -> None:
    async def train(ready: StageInputs) -> StageOutput:
        interrupt.request()
        await asyncio.Event().wait()
        raise AssertionError("never")

    interrupt = Interrupt()
    ended = run_interruptibly([Stage("train", "long", {}, train)], kitchen.memory, interrupt)
    assert ended.interrupted
    assert [status.state for status in ended.stage_statuses] == [StageState.READY]


def test_a_second_signal_cancels_all_stages(kitchen: Any) -> None:
    async def ask(ready: StageInputs) -> StageOutput:
        os.kill(os.getpid(), signal.SIGINT)
        await interrupt.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError("never")

    interrupt = SignalInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_interruptibly([Stage("ask", "slow", {}, ask)], kitchen.memory, interrupt)
