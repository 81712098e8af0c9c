"""Run of a workflow's requests: sets up store, endpoints, dispatcher and progress.

A workflow (judging, improving, responding) describes its run and provides a lazy source of requests per
model. This module does everything else that a long, costly and interruptible run needs.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agents.clients.base import ModelClient
from agents.clients.control_judge import ControlClient
from agents.clients.http import HttpClient, open_session
from agents.clients.http_transport import HttpSession
from agents.clients.proxy import check_proxies
from agents.clients.sdk import SdkClient
from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.retirement import real_model_id
from agents.models.spec import ApiProtocol, Model
from harness import provenance
from harness.engine.budgeted_client import RunBudget
from harness.engine.dispatcher import dispatch
from harness.engine.endpoint import Endpoint
from harness.engine.event_log import EventLog
from harness.engine.limits import Limits
from harness.engine.prices import Price, lookup_price
from harness.engine.progress import live_progress
from harness.engine.request_tracker import RequestTracker
from harness.engine.response_model_client import ResponseModelClient
from harness.engine.retrying_client import RetryPolicy
from harness.engine.sources import RequestSource, add_shutdown_dates, check_retired_models
from harness.interrupt import Interrupt
from results.analysis.endpoint_report import EndpointReport, RunReport
from results.db.store import Store

DEFAULT_TIMEOUT_SECONDS = 120.0
THINKING_TIMEOUT_SECONDS = 600.0
THINKING_VERDICT_TOKENS = 1024  # a model with at least this verdict limit may think first
__all__ = ["RequestSettings", "RequestSource", "run_requests"]


@dataclass(frozen=True)
class RequestSettings:
    """Settings for sending requests; none of them changes the content of a request.

    Attributes:
        limits: limits of every endpoint without an entry in `endpoint_limits`.
        endpoint_limits: limits by model id.
        budget_usd: cap on the spending of the run, or of the study, > 0; None for none.
        study: name of the study that the run is part of; "" for none.
        prices: the user's own prices, by model id.
        client: "http" or "sdk".
        timeout_seconds: timeout of one request; None for 120, or 600 if the model may think.
        grace_seconds: how long requests in flight may take after an interrupt.
        quiet: whether to show no progress on stderr.
        adapt: whether a judge that rejects a parameter is used without it, as another judge.
        events: folder of the event logs; None for no logs.
        policy: retry policy of every endpoint.
        clients: existing clients by model (of a server started here or an in-process engine); their creator
            closes them.
        allow_retired: whether to send requests to retired models anyway.
        require_one_model: whether an endpoint stops when its answering model changes, at whatever address.
        warn: called with each warning for the user.
        interrupt: stops the run once it is requested.
    """

    limits: Limits = field(default_factory=Limits)
    endpoint_limits: Mapping[str, Limits] = field(default_factory=dict)
    budget_usd: float | None = None
    study: str = ""
    prices: Mapping[str, Price] = field(default_factory=dict)
    client: str = "http"
    timeout_seconds: float | None = None
    grace_seconds: float = 30.0
    quiet: bool = False
    adapt: bool = True
    events: Path | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clients: Mapping[Model, ModelClient] = field(default_factory=dict)
    allow_retired: bool = False
    require_one_model: bool = False
    warn: Callable[[str], None] = field(default=lambda _: None, compare=False)
    interrupt: Interrupt = field(default_factory=Interrupt, compare=False)

    def request_timeout(self, model: Model) -> float:
        """Return the timeout of one request in seconds; longer for a model that may think."""
        if self.timeout_seconds is not None:
            return self.timeout_seconds
        may_think = (
            model.capabilities.thinking or model.capabilities.verdict_tokens >= THINKING_VERDICT_TOKENS
        )
        return THINKING_TIMEOUT_SECONDS if may_think else DEFAULT_TIMEOUT_SECONDS

    def limits_of(self, model: Model) -> Limits:
        """Return the limits of a model's endpoint; control judges run locally and are only limited in
        concurrency.
        """
        if model.provider == "control":
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
    """Send every request of every source that is not answered yet.

    Args:
        kind, spec: identity of the run; the same values continue the same run.
        describe: stores what the run is about, given its id, before anything is sent.
        sources: one source per model.

    Raises:
        UserError: a retired model would be used, an API key is missing, a price is unknown although there is
            a budget, or the database fails.
    """
    await check_retired_models(store, sources, settings.allow_retired)
    keys = registry.keys(source.model for source in sources)
    check_proxies([model.base_url for model in keys if model.base_url and model not in settings.clients])
    sources = await add_shutdown_dates(sources, keys, settings.warn)
    await check_retired_models(store, sources, settings.allow_retired)
    prices = {source.model: lookup_price(source.model, dict(settings.prices)) for source in sources}
    if settings.budget_usd is not None:
        _check_prices(prices)
    context = provenance.run_context(limits=str(settings.limits), budget_usd=settings.budget_usd)
    run_id, invocation_id = await store.start_run(
        kind, spec, command=provenance.redacted_command_line(), context=context, study=settings.study
    )
    endpoints: list[Endpoint] = []
    checked_clients: list[ResponseModelClient] = []
    gc_threshold = gc.get_threshold()
    gc.freeze()  # scanning the existing objects again and again used a tenth of a run's CPU time
    gc.set_threshold(20_000, 20, 50)  # requests create few reference cycles
    try:
        async with store.transaction():
            await describe(run_id)
        writer = store.writer(invocation_id)
        tracker = RequestTracker(store, writer, invocation_id)
        run_budget = _open_budget(store, settings, run_id, invocation_id)
        async with _open_clients(keys, settings) as clients:
            with _open_event_log(settings, run_id) as events, settings.interrupt.listening():
                for source in sources:
                    longest_output = (
                        await store.longest_output_tokens(run_id, source.model.id) if run_budget else 0
                    )
                    checked_client = ResponseModelClient(
                        clients[source.model],
                        source.model,
                        expected=source.answerer,
                        require_one=settings.require_one_model,
                        allow_retired=settings.allow_retired,
                        hint=registry.hint(real_model_id(source.model)),
                        warn=settings.warn,
                    )
                    checked_clients.append(checked_client)
                    endpoint = Endpoint(
                        source.model,
                        checked_client,
                        tracker,
                        limits=settings.limits_of(source.model),
                        policy=settings.policy,
                        price=prices[source.model],
                        run_budget=run_budget,
                        longest_output_tokens=longest_output,
                        events=events,
                    )
                    endpoint.stats.total = source.total
                    endpoint.rate_limiter.uncommitted = lambda: writer.pending
                    endpoints.append(endpoint)
                writer.watch(
                    partial(_is_idle, endpoints), partial(_on_commit, endpoints, tracker, run_budget)
                )
                try:
                    with live_progress(endpoints, settings.quiet):
                        work = [
                            (endpoint, source.work())
                            for endpoint, source in zip(endpoints, sources, strict=True)
                        ]
                        await dispatch(work, settings.interrupt, settings.grace_seconds)
                finally:
                    for endpoint in endpoints:
                        await endpoint.close()
                    await writer.close()
                    await tracker.close()
    finally:
        gc.set_threshold(*gc_threshold)
        gc.unfreeze()
        await store.finish_run(invocation_id)
    reports = {
        endpoint.model.id: _endpoint_report(endpoint, prices[endpoint.model], checked_client.answers)
        for endpoint, checked_client in zip(endpoints, checked_clients, strict=True)
    }
    return RunReport(run_id, reports, settings.interrupt.requested)


def _is_idle(endpoints: Sequence[Endpoint]) -> bool:
    """Return whether nothing is in flight; called after every response."""
    for endpoint in endpoints:  # noqa: SIM110  (a generator costs three times as much)
        if endpoint.rate_limiter.in_flight:
            return False
    return True


def _on_commit(
    endpoints: Sequence[Endpoint],
    tracker: RequestTracker,
    run_budget: RunBudget | None,
    cost_usd: float,
    keys: Sequence[str],
) -> None:
    """Record that a batch is committed, and admit further requests."""
    tracker.committed(keys)
    if run_budget is not None:
        run_budget.committed(cost_usd)
    for endpoint in endpoints:
        endpoint.rate_limiter.wake()


def _endpoint_report(endpoint: Endpoint, price: Price | None, answers: Mapping[str, int]) -> EndpointReport:
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
            "a budget requires a price for every model",
            code="price.unknown",
            where="--budget",
            found=", ".join(unknown),
            remedy=f"State the price in US dollars per million tokens: --price {unknown[0]}=INPUT,OUTPUT",
        )


def _open_budget(
    store: Store, settings: RequestSettings, run_id: str, invocation_id: str
) -> RunBudget | None:
    budget = settings.budget_usd
    if budget is None:
        return None

    async def draw(total_usd: float) -> float:
        return await store.reserve_budget(run_id, invocation_id, total_usd, budget, study=settings.study)

    async def is_reserved_elsewhere() -> bool:
        return await store.is_budget_reserved(run_id, invocation_id, study=settings.study)

    return RunBudget(draw, budget, is_reserved_elsewhere)


@contextlib.asynccontextmanager
async def _open_clients(
    keys: Mapping[Model, str], settings: RequestSettings
) -> AsyncIterator[dict[Model, ModelClient]]:
    """Open a client for each model; plain HTTP clients share one session."""
    session: HttpSession | None = None
    clients: dict[Model, ModelClient] = {}
    try:
        for model, key in keys.items():
            if model in settings.clients:
                clients[model] = settings.clients[model]
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


def _open_event_log(settings: RequestSettings, run_id: str) -> EventLog:
    if settings.events is None:
        return EventLog(None)
    return EventLog(settings.events / f"{run_id.removeprefix('run-1:')[:16]}.jsonl")
