"""Complete runs with the real vLLM (CPU build), including a crash in the middle."""

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


class KillingClient:
    """Model client that kills the server's processes after three completions of all clients."""

    left = 3

    def __init__(self, backend: InferenceBackend, model: Model) -> None:
        self._backend, self._inner = backend, backend.client(model)

    async def complete(self, call: ModelRequest) -> Completion:
        if KillingClient.left == 0 and self._backend.server is not None:
            KillingClient.left = -1
            for pid in _below(self._backend.server.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        answer = await self._inner.complete(call)
        KillingClient.left -= 1 if KillingClient.left > 0 else 0
        return answer

    async def close(self) -> None:
        """Do nothing; the backend closes its own client."""


async def test_a_server_crash_in_a_run_is_repaired_without_loss(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backends: list[InferenceBackend] = []

    @contextlib.asynccontextmanager
    async def killing(*what: Any) -> AsyncIterator[InferenceBackend]:
        async with open_backend(*what) as backend:
            backends.append(backend)
            yield InferenceBackend(
                lambda model: KillingClient(backend, model), backend.exit_log, backend.server
            )

    monkeypatch.setattr(generate_students, "open_backend", killing)
    people = select_served_models(
        ["student:glad", "base"], base=str(tiny.base), students=[tiny.students["glad"]]
    )
    messages: list[str] = []
    config = ServingConfig(memory_mib=8000, on_progress=messages.append)
    settings = RequestSettings(Limits(max_in_flight=2), quiet=True)
    chosen = DialogueSubset(sample(), Split.TEST, DIALOGUES)
    async with await Store.open(str(tmp_path / "db.sqlite")) as store:
        summary = await respond(store, Registry(None, {}), chosen, people, config, settings, Library())
        assert [response_set.responses for response_set in summary.sets] == [DIALOGUES, DIALOGUES]
        answers = await store.read(lambda connection: connection.execute(COUNT).scalar())
        texts = [
            (await resolve_author(response_set.name, sample(), store)).responses
            for response_set in summary.sets
        ]
    assert len(backends) == 2
    assert answers == 2 * DIALOGUES  # one completion per request
    assert any("the server exited" in line for line in messages)
    assert texts[0] != texts[1]
    assert all(backend.server is not None and not backend.server.is_alive() for backend in backends)


def _below(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [grandchild for child in children for grandchild in _below(child)]
