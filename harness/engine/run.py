"""One run of calls: the store, the lanes, the pump, the progress and the signals, put together once.

Whoever has work (judging, improving, responding) says what it is about and hands over a lazy source of work
per model; everything else that a long, costly, interruptible run needs is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from agents.clients.base import ModelClient
from agents.clients.control_judge import ControlClient
from agents.clients.http import HttpClient, open_session
from agents.clients.proxy import check_proxies
from agents.clients.sdk import SdkClient
from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.retirement import real_model_id
from agents.models.spec import ApiProtocol, Model
from harness import provenance
from harness.engine.budget import Price, RunBudget, lookup_price
from harness.engine.dispatcher import dispatch
from harness.engine.endpoint import Endpoint
from harness.engine.event_log import EventLog
from harness.engine.limits import Limits
from harness.engine.progress import shown
from harness.engine.request_tracker import RequestTracker
from harness.engine.response_model_client import ResponseModelClient
from harness.engine.retry import RetryPolicy
from harness.engine.sources import RequestSource, add_shutdown_dates, check_retired_models
from results.analysis.endpoint_report import EndpointReport, RunReport
from results.db.store import Store

DEFAULT_TIMEOUT_SECONDS = 120.0
THINKING_TIMEOUT_SECONDS = 600.0
THINKING_VERDICT_TOKENS = 1024  # whoever is given so much for a verdict may think before it
__all__ = ["RequestSettings", "RequestSource", "run_requests"]


@dataclass(frozen=True)
class RequestSettings:
    """How calls are made: none of it decides what is asked.

    Attributes:
        limits: of every lane (per model, where `endpoint_limits` names one).
        budget_usd: ceiling of the run, > 0; None for none.
        prices: the user's own, by model id.
        client: "http" or "sdk".
        timeout_seconds: of one request; None for 120, and 600 where the model may think.
        grace_seconds: how long what is in flight may take after an interrupt.
        quiet: no progress on stderr.
        adapt: whether a judge that refuses a parameter is asked without it, as another judge.
        events: folder of the runs' event logs; None keeps none.
        own: clients that are there already, by model (of a server that we started, of an engine in this
            process); they are closed by whoever made them.
        allow_retired: whether models that have retired are asked all the same.
        require_one_model: whether an endpoint stops where its answering model changes, wherever it is asked.
        warn: is told, in a sentence, what the user should know before or while models are asked.
    """

    limits: Limits = field(default_factory=Limits)
    endpoint_limits: Mapping[str, Limits] = field(default_factory=dict)
    budget_usd: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    client: str = "http"
    timeout_seconds: float | None = None
    grace_seconds: float = 30.0
    quiet: bool = False
    adapt: bool = True
    events: Path | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    own: Mapping[Model, ModelClient] = field(default_factory=dict)
    allow_retired: bool = False
    require_one_model: bool = False
    warn: Callable[[str], None] = field(default=lambda _: None, compare=False)

    def request_timeout(self, model: Model) -> float:
        """Seconds for one request to a model: one that may think needs longer."""
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        may_think = (
            model.capabilities.thinking or model.capabilities.verdict_tokens >= THINKING_VERDICT_TOKENS
        )
        return THINKING_TIMEOUT_SECONDS if may_think else DEFAULT_TIMEOUT_SECONDS

    def limits_of(self, model: Model) -> Limits:
        """The limits of a model's lane; a control judge answers at once and needs none."""
        if model.protocol is ApiProtocol.CONTROL:
            return Limits(max_in_flight=64)
        return self.endpoint_limits.get(model.id, self.limits)


async def run_requests(
    store: Store,
    registry: Registry,
    settings: RequestSettings,
    kind: str,
    spec: Mapping[str, Any],
    describe: Callable[[str], Awaitable[None]],
    sources: Sequence[RequestSource],
) -> RunReport:
    """Make every call of every source that is not answered yet.

    Args:
        kind, spec: what the run is: the same again is the same run, gone on with.
        describe: stores what the run is about, given its id, before anything is asked.
        sources: one for each model.

    Raises:
        UserError: a retired model would be asked, keys are missing, a price is not known and there is a
            budget, the database fails.
    """
    await check_retired_models(store, sources, settings.allow_retired)
    keys = registry.keys(source.model for source in sources)
    check_proxies([model.base_url for model in keys if model.base_url and model not in settings.own])
    sources = await add_shutdown_dates(sources, keys, settings.warn)
    await check_retired_models(store, sources, settings.allow_retired)
    prices = {source.model: lookup_price(source.model, dict(settings.prices)) for source in sources}
    if settings.budget_usd is not None:
        _check_prices(prices)
    context = provenance.context(limits=str(settings.limits), budget_usd=settings.budget_usd)
    run_id, invocation_id = await store.start_run(
        kind, spec, command=provenance.redacted_command_line(), context=context
    )
    interrupted = asyncio.Event()
    endpoints: list[Endpoint] = []
    answerers: list[ResponseModelClient] = []
    watched = gc.get_threshold()
    gc.freeze()  # what is there now stays: looking through it again and again cost a tenth of a run's CPU
    gc.set_threshold(20_000, 20, 50)  # and calls make little that only the collector could free
    try:
        async with store.transaction():
            await describe(run_id)
        writer = store.writer(invocation_id)
        tracker = RequestTracker(store, writer, invocation_id)
        run_budget = _purse(store, settings, run_id, invocation_id)
        async with _opened(keys, settings) as clients:
            with _events(settings, run_id) as events, _signals(interrupted):
                for source in sources:
                    most_output = (
                        await store.longest_output_tokens(run_id, source.model.id) if run_budget else 0
                    )
                    answerer = ResponseModelClient(
                        clients[source.model],
                        source.model,
                        expected=source.answerer,
                        require_one=settings.require_one_model,
                        allow_retired=settings.allow_retired,
                        hint=registry.hint(real_model_id(source.model)),
                        warn=settings.warn,
                    )
                    answerers.append(answerer)
                    endpoint = Endpoint(
                        source.model,
                        answerer,
                        tracker,
                        limits=settings.limits_of(source.model),
                        policy=settings.policy,
                        price=prices[source.model],
                        run_budget=run_budget,
                        longest_output_tokens=most_output,
                        events=events,
                    )
                    endpoint.stats.total = source.total
                    endpoint.rate_limiter.uncommitted = lambda: writer.pending
                    endpoints.append(endpoint)
                writer.watch(
                    partial(_is_idle, endpoints), partial(_committed, endpoints, tracker, run_budget)
                )
                try:
                    with shown(endpoints, settings.quiet):
                        works = [
                            (endpoint, source.work())
                            for endpoint, source in zip(endpoints, sources, strict=True)
                        ]
                        await dispatch(works, interrupted, settings.grace_seconds)
                finally:
                    for endpoint in endpoints:
                        await endpoint.close()
                    await writer.close()
                    await tracker.close()
    finally:
        gc.set_threshold(*watched)
        gc.unfreeze()
        await store.finish_run(invocation_id)
    reports = {
        endpoint.model.id: _report(endpoint, prices[endpoint.model], answerer.answers)
        for endpoint, answerer in zip(endpoints, answerers, strict=True)
    }
    return RunReport(run_id, reports, interrupted.is_set())


def _is_idle(endpoints: Sequence[Endpoint]) -> bool:
    """Whether nothing is in flight. Asked after every answer."""
    for endpoint in endpoints:  # noqa: SIM110  (a generator costs three times as much)
        if endpoint.rate_limiter.in_flight:
            return False
    return True


def _committed(
    endpoints: Sequence[Endpoint],
    tracker: RequestTracker,
    run_budget: RunBudget | None,
    cost_usd: float,
    keys: Sequence[str],
) -> None:
    """A batch is safe: it is the database's business now, and there is room for what comes next."""
    tracker.committed(keys)
    if run_budget is not None:
        run_budget.committed(cost_usd)
    for endpoint in endpoints:
        endpoint.rate_limiter.wake()


def _report(endpoint: Endpoint, price: Price | None, answers: Mapping[str, int]) -> EndpointReport:
    stats = endpoint.stats
    return EndpointReport(
        made=stats.made,
        reused=stats.reused,
        retried=stats.retried,
        rate_limited=stats.rate_limited,
        failed=stats.failed,
        spent_usd=stats.spent_usd if price is not None else None,
        stopped=stats.stopped,
        failure=stats.failure,
        unanswered_usd=stats.unanswered_usd if price is not None else None,
        warning=stats.warning,
        adaptation=stats.adaptation,
        answers=dict(answers),
    )


def _check_prices(prices: Mapping[Model, Price | None]) -> None:
    unknown = sorted(model.id for model, price in prices.items() if price is None)
    if unknown:
        raise UserError(
            "a budget cannot be kept where a price is not known",
            where="--budget",
            found=", ".join(unknown),
            remedy=f"Give it in US dollars per million tokens: --price {unknown[0]}=INPUT,OUTPUT",
        )


def _purse(store: Store, settings: RequestSettings, run_id: str, invocation_id: str) -> RunBudget | None:
    budget = settings.budget_usd
    if budget is None:
        return None

    async def draw(total_usd: float) -> float:
        return await store.reserve_budget(run_id, invocation_id, total_usd, budget)

    return RunBudget(draw, budget)


@contextlib.asynccontextmanager
async def _opened(
    keys: Mapping[Model, str], settings: RequestSettings
) -> AsyncIterator[dict[Model, ModelClient]]:
    """A client for each model; plain HTTP ones share one session."""
    session: aiohttp.ClientSession | None = None
    clients: dict[Model, ModelClient] = {}
    try:
        for model, key in keys.items():
            if model in settings.own:
                clients[model] = settings.own[model]
            elif model.protocol is ApiProtocol.CONTROL:
                clients[model] = ControlClient()
            elif settings.client == "sdk":
                clients[model] = SdkClient(model, key, settings.request_timeout(model))
            else:
                session = session or open_session()
                clients[model] = HttpClient(model, key, session, settings.request_timeout(model))
        yield clients
    finally:
        if session is not None:
            await session.close()


def _events(settings: RequestSettings, run_id: str) -> EventLog:
    if settings.events is None:
        return EventLog(None)
    return EventLog(settings.events / f"{run_id.removeprefix('run-1:')[:16]}.jsonl")


@contextlib.contextmanager
def _signals(interrupted: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) asks for a clean stop; the second one stops at once.

    Raises:
        KeyboardInterrupt: there was a second one.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    wanted = (signal.SIGINT, signal.SIGTERM)

    forced = False

    def stop() -> None:
        nonlocal forced
        if interrupted.is_set() and task is not None:
            forced = True
            task.cancel()
        interrupted.set()

    try:
        for number in wanted:
            loop.add_signal_handler(number, stop)
    except (ValueError, NotImplementedError, RuntimeError):  # not the main thread: somebody else's signals
        yield
        return
    try:
        yield
    except asyncio.CancelledError:
        if forced:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
