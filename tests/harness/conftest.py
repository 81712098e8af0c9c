"""A judging run from end to end: the written sample, the emulator in this process, a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from agents.judge import DEFAULT_PROMPT, Judge
from agents.models.registry import Registry
from agents.models.spec import Model
from agents.types import Split
from harness.data import dataset
from harness.data.author_resolver import resolve_author
from harness.emulator.config import EmulatorConfig
from harness.emulator.server import EmulatorServer, serve
from harness.engine.limits import Limits
from harness.engine.retrying_client import RetryPolicy
from harness.engine.run import RequestSettings
from harness.workflows.judge import JudgingPlan, judge_contest, plan_judging
from prompts import Library
from results.analysis.contest_results import JudgingResult
from results.db.store import Store
from tests.results.conftest import count, named, opening, rows

__all__ = ["count", "named", "opening", "rows"]  # fixtures of the store's tests are fixtures here too

GPT = "openai/emulated-gpt-4o"
GEMINI = "google/emulated-gemini-2.0-flash"
CLAUDE = "anthropic/emulated-claude-sonnet-4-5"
KEY = "sk-test-0123456789abcdef"
AT_ONCE = RetryPolicy(initial_backoff_seconds=0.001, max_backoff_seconds=0.01)
SETTINGS = RequestSettings(limits=Limits(max_in_flight=32), policy=AT_ONCE, quiet=True)

Start = Callable[..., Awaitable[EmulatorServer]]


@dataclass(frozen=True)
class Bench:
    """Where a contest is judged: a database, and a server that answers.

    With its `definition` the server is known by content, as `--emulate` knows it: the same calls, and so
    the same faults, whatever port it has.
    """

    store: Store
    root: str
    definition: str = ""

    def registry(self, **keys: str) -> Registry:
        """Every provider at the emulator; `openai="…"` gives it another key."""
        given = dict.fromkeys(("openai", "google", "anthropic"), KEY) | keys
        return Registry(
            None,
            {
                "OPENAI_BASE_URL": self.root + "/v1",
                "OPENAI_API_KEY": given["openai"],
                "GEMINI_BASE_URL": self.root + "/v1beta",
                "GEMINI_API_KEY": given["google"],
                "ANTHROPIC_BASE_URL": self.root,
                "ANTHROPIC_API_KEY": given["anthropic"],
            },
        )

    async def plan(self, *judges: str, samples: int = 1, **asked: Any) -> JudgingPlan:
        """GPT-4 against the human responders, on all dialogues of the sample unless told otherwise."""
        data, registry = dataset.load("sample"), self.registry()
        prompt = Library()[DEFAULT_PROMPT]
        temperature = None if samples > 1 else 0.0
        return plan_judging(
            data,
            await resolve_author("dataset:gpt-4", data, self.store),
            await resolve_author("dataset:human", data, self.store),
            [Judge(self._known(registry.model(name)), prompt, temperature) for name in judges],
            **{"split": Split.ALL, "samples": samples, **asked},
        )

    def _known(self, model: Model) -> Model:
        return replace(model, identity=self.definition) if self.definition and model.base_url else model

    async def judge(
        self,
        plan: JudgingPlan,
        *,
        retry_unscored: bool = False,
        keys: dict[str, str] | None = None,
        **changed: Any,
    ) -> JudgingResult:
        """Judge a plan, with these settings changed."""
        settings = replace(SETTINGS, **changed)
        registry = self.registry(**(keys or {}))
        return await judge_contest(self.store, registry, plan, settings, retry_unscored=retry_unscored)

    async def stats(self) -> dict[str, Any]:
        """The server's books."""
        async with aiohttp.ClientSession() as session, session.get(self.root + "/stats") as answered:
            values: dict[str, Any] = await answered.json()
            return values


@pytest.fixture
async def emulator() -> AsyncIterator[Start]:
    """Starts emulators without latency, in this process."""
    running: list[EmulatorServer] = []

    async def begin(**options: Any) -> EmulatorServer:
        running.append(await serve(EmulatorConfig(**{"latency_ms": 0.0, **options})))
        return running[-1]

    yield begin
    for each in running:
        await each.close()


@pytest.fixture
async def bench(emulator: Start, tmp_path: Any) -> AsyncIterator[Callable[..., Awaitable[Bench]]]:
    """Makes benches over one SQLite file: `await bench(errors_500=0.1)`."""
    stores: list[Store] = []

    async def make(**options: Any) -> Bench:
        stores.append(await Store.open(str(tmp_path / "empathy.sqlite")))
        return Bench(stores[-1], (await emulator(**options)).url, EmulatorConfig(**options).definition_hash)

    yield make
    for store in stores:
        await store.close()
