"""Sources of a run's requests, one per model, and the check for retired models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.clients.base import ModelRequest
from agents.clients.model_list import fetch_shutdown_dates
from agents.models.retirement import check_not_retired, is_retired, warnings, with_provider_dates
from agents.models.spec import Model
from harness.engine.dispatcher import WorkItem
from results.db.store import Store


@dataclass(frozen=True)
class RequestSource:
    """Requests of one model in a run.

    Attributes:
        model: the model that answers them.
        work: returns a new lazy iterator of work items when the run begins.
        total: number of work items, for the progress display; None if unknown.
        answerer: model name that the stored completions carry; None if there are none.
    """

    model: Model
    work: Callable[[], Iterator[WorkItem]]
    total: int | None = None
    answerer: str | None = None


async def check_retired_models(store: Store, sources: Sequence[RequestSource], allow_retired: bool) -> None:
    """Reject retired models with unanswered requests before the run begins.

    Chains, whose requests are not known in advance, are left to the endpoint, which stops at its first
    request.

    Raises:
        UserError: requests to a retired model are not answered yet.
    """
    if allow_retired:
        return
    unanswered = {}
    for source in sources:
        if is_retired(source.model):
            keys = {work.key for work in source.work() if isinstance(work, ModelRequest)}
            unanswered[source.model] = len(keys - await store.completed_keys(list(keys)))
    check_not_retired(unanswered)


async def add_shutdown_dates(
    sources: Sequence[RequestSource], keys: Mapping[Model, str], warn: Callable[[str], None]
) -> list[RequestSource]:
    """Return the sources with the shutdown dates that the providers state now; `warn` is called for new
    dates.
    """
    dates = await fetch_shutdown_dates(keys)
    stated = [replace(source, model=with_provider_dates(source.model, dates)) for source in sources]
    pairs = zip(sources, stated, strict=True)
    for message in warnings(
        now.model for before, now in pairs if _retirement_date(before.model) != _retirement_date(now.model)
    ):
        warn(message)
    return stated


def _retirement_date(model: Model) -> object:
    return None if model.lifecycle is None else model.lifecycle.retires
