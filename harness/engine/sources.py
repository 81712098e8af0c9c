"""The models' shares of a run, and whether each may still be asked."""

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
    """One model's share of a run.

    Attributes:
        model: whom it asks.
        work: made anew, lazily, when the run begins.
        total: how many pieces of work there are, for the progress; None where it is not known.
        answerer: the name under which its stored answers came; None where there are none.
    """

    model: Model
    work: Callable[[], Iterator[WorkItem]]
    total: int | None = None
    answerer: str | None = None


async def check_retired_models(store: Store, sources: Sequence[RequestSource], allow_retired: bool) -> None:
    """Refuse retired models before anything is begun, where something is left to ask them.

    Work whose calls are not known beforehand is left to the endpoint, which stops at its first call.

    Raises:
        UserError: calls of a retired model are not answered yet.
    """
    if allow_retired:
        return
    left = {}
    for source in sources:
        if is_retired(source.model):
            keys = {work.key for work in source.work() if isinstance(work, ModelRequest)}
            left[source.model] = len(keys - await store.completed_keys(list(keys)))
    check_not_retired(left)


async def add_shutdown_dates(
    sources: Sequence[RequestSource], keys: Mapping[Model, str], warn: Callable[[str], None]
) -> list[RequestSource]:
    """The sources with what the providers state now of their models' ends; `warn` is told of what is new."""
    dates = await fetch_shutdown_dates(keys)
    stated = [replace(source, model=with_provider_dates(source.model, dates)) for source in sources]
    pairs = zip(sources, stated, strict=True)
    for told in warnings(now.model for before, now in pairs if _end(before.model) != _end(now.model)):
        warn(told)
    return stated


def _end(model: Model) -> object:
    return None if model.lifecycle is None else model.lifecycle.retires
