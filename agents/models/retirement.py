"""Retirement checks of the models to use: warnings before the date, an error after it.

A model is rejected only if its provider states that it has retired and if it is used at the provider's own
address. Emulated models are never rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from agents.errors import Fault, UserError
from agents.models.lifecycle import Lifecycle, today
from agents.models.spec import EMULATED, Model

ALLOW = "--allow-retired"


def warnings(models: Iterable[Model], day: date | None = None) -> list[str]:
    """Return a sentence for each model that retires within 90 days or has retired, in the order of models.

    Args:
        day: the day to check; None for today (UTC).
    """
    on = day or today()
    sentences = [
        model.lifecycle.describe(real_model_id(model), on) for model in models if model.lifecycle is not None
    ]
    return list(dict.fromkeys(filter(None, sentences)))


def is_retired(model: Model, day: date | None = None) -> bool:
    """Return whether a model's provider states that it has retired.

    For an emulated model only a date that the emulator itself states counts.
    """
    lifecycle = model.lifecycle
    if lifecycle is None or (model.name.startswith(EMULATED) and not lifecycle.stated):
        return False
    return lifecycle.is_confirmed_retired(day or today())


def refusal(models: Sequence[Model], day: date | None = None) -> UserError:
    """Return the error for retired models, with their dates, successors and remedies."""
    on = day or today()
    faults = [
        Fault(
            "the model is retired",
            model.id,
            model.lifecycle.describe(model.id, on).rstrip("."),
            _remedy(model.lifecycle),
            code="model.retired",
        )
        for model in models
        if model.lifecycle is not None
    ]
    return UserError(
        "the model is retired",
        code="model.retired",
        found=", ".join(model.id for model in models),
        remedy=f"Stored completions remain usable. To send requests nevertheless, pass {ALLOW}.",
        faults=faults,
    )


def check_not_retired(
    calls: Mapping[Model, int], allow_retired: bool = False, day: date | None = None
) -> None:
    """Check that no requests are planned for retired models.

    Args:
        calls: number of requests still to send to each model; models with 0 are not checked.
        allow_retired: whether to skip the check.

    Raises:
        UserError: requests are planned for retired models; it lists every such model.
    """
    wrong = [model for model, count in calls.items() if count and is_retired(model, day)]
    if wrong and not allow_retired:
        raise refusal(wrong, day)


def real_model_id(model: Model) -> str:
    """Return `provider/name` of a model, or of the model that it emulates."""
    return f"{model.provider}/{model.name.removeprefix(EMULATED)}"


def with_provider_dates(model: Model, dates: Mapping[str, Lifecycle]) -> Model:
    """Return the model with the date that its provider states; keep the known successor.

    Args:
        dates: lifecycles by model name, as returned by `agents.models.lifecycle.parse_shutdown_dates`.
    """
    stated = dates.get(model.name)
    if stated is None:
        return model
    successor = model.lifecycle.successor if model.lifecycle is not None else ""
    return replace(model, lifecycle=replace(stated, successor=successor))


def _remedy(lifecycle: Lifecycle) -> str:
    successor = f"Use {lifecycle.successor} instead. " if lifecycle.successor else ""
    return f"{successor}Compare two judges with `empathy audit`."
