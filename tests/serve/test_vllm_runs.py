"""Whole runs with the real vLLM (its CPU build): a crash on the way, and a bench with a tiny judge."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agents.clients.base import ModelRequest
from agents.messages import Completion
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Split
from harness.data.author_resolver import resolve_author
from harness.data.dataset import sample
from harness.engine.limits import Limits
from harness.engine.run import RequestSettings
from harness.serving.backends import InferenceBackend, ServingConfig, open_backend
from harness.serving.checkpoint_resolver import select_served_models
from harness.workflows import generate_students
from harness.workflows.generate_students import respond
from harness.workflows.generation_plan import DialogueSubset
from prompts import Library
from results.db.schema import CompletionRow, table
from results.db.store import Store

pytest.importorskip("vllm")
pytestmark = pytest.mark.vllm

DIALOGUES = 6
COUNT = select(func.count()).select_from(table(CompletionRow))


class Killing:
    """A model's client; after so many answers of all of them the server's processes are killed."""

    left = 3

    def __init__(self, room: InferenceBackend, model: Model) -> None:
        self._room, self._inner = room, room.client(model)

    async def complete(self, call: ModelRequest) -> Completion:
        if Killing.left == 0 and self._room.server is not None:
            Killing.left = -1
            for pid in _below(self._room.server.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        answer = await self._inner.complete(call)
        Killing.left -= 1 if Killing.left > 0 else 0
        return answer

    async def close(self) -> None:
        """The room closes its own."""


async def test_a_crash_in_mid_run_is_repaired_and_nothing_is_lost(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rooms: list[InferenceBackend] = []

    @contextlib.asynccontextmanager
    async def killing(*what: Any) -> AsyncIterator[InferenceBackend]:
        async with open_backend(*what) as room:
            rooms.append(room)
            yield InferenceBackend(lambda model: Killing(room, model), room.died, room.server)

    monkeypatch.setattr(generate_students, "open_backend", killing)
    people = select_served_models(
        ["student:glad", "base"], base=str(tiny.base), students=[tiny.students["glad"]]
    )
    told: list[str] = []
    how = ServingConfig(memory_mib=8000, on_progress=told.append)
    settings = RequestSettings(Limits(max_in_flight=2), quiet=True)
    chosen = DialogueSubset(sample(), Split.TEST, DIALOGUES)
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        summary = await respond(store, Registry(None, {}), chosen, people, how, settings, Library())
        assert [one.responses for one in summary.sets] == [DIALOGUES, DIALOGUES]
        answers = await store.read(lambda connection: connection.execute(COUNT).scalar())
        texts = [(await resolve_author(one.name, sample(), store)).responses for one in summary.sets]
    assert len(rooms) == 2
    assert answers == 2 * DIALOGUES  # each question was answered once
    assert any("the server exited" in line for line in told)
    assert texts[0] != texts[1]
    assert all(room.server is not None and not room.server.is_alive() for room in rooms)


def _below(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in _below(child)]
