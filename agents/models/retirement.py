"""Which of the models that are to be asked retire soon, and which are not to be asked any more.

Pure, but for `today()`. Refused is only what has retired by the provider's own word, at the provider's own
address; the emulator's stand-ins are never refused.
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
    """A sentence for each model that retires within 90 days or has retired, in the order of the models.

    Args:
        day: None for today (UTC).
    """
    on = day or today()
    told = [model.lifecycle.told(real_model_id(model), on) for model in models if model.lifecycle is not None]
    return list(dict.fromkeys(filter(None, told)))


def is_retired(model: Model, day: date | None = None) -> bool:
    """Whether a model is not to be asked: retired, by the provider's own word.

    An emulated model is asked whatever has become of the real one, unless the emulator states its end.
    """
    lifecycle = model.lifecycle
    if lifecycle is None or (model.name.startswith(EMULATED) and not lifecycle.stated):
        return False
    return lifecycle.is_confirmed_retired(day or today())


def refusal(models: Sequence[Model], day: date | None = None) -> UserError:
    """The error for refused models: what retired and when, what succeeds it, what to do."""
    on = day or today()
    faults = [
        Fault(model.lifecycle.told(model.id, on), remedy=_remedy(model.lifecycle))
        for model in models
        if model.lifecycle is not None
    ]
    return UserError(
        "a retired model cannot be asked",
        found=", ".join(model.id for model in models),
        remedy=f"What it has answered stays stored and usable. To ask it all the same: {ALLOW}.",
        faults=faults,
    )


def check_not_retired(
    calls: Mapping[Model, int], allow_retired: bool = False, day: date | None = None
) -> None:
    """Refuse to plan calls of retired models.

    Args:
        calls: how many calls each model is still to get; a model that gets none is not refused.

    Raises:
        UserError: a refused model is to be asked; every one at once.
    """
    wrong = [model for model, count in calls.items() if count and is_retired(model, day)]
    if wrong and not allow_retired:
        raise refusal(wrong, day)


def real_model_id(model: Model) -> str:
    """`provider/name` of the model that is asked, or that is emulated."""
    return f"{model.provider}/{model.name.removeprefix(EMULATED)}"


def with_provider_dates(model: Model, dates: Mapping[str, Lifecycle]) -> Model:
    """The model with the date that its provider states; its successor stays as it was known.

    Args:
        dates: by model name, as `agents.models.lifecycle.parse_shutdown_dates` reads them.
    """
    stated = dates.get(model.name)
    if stated is None:
        return model
    successor = model.lifecycle.successor if model.lifecycle is not None else ""
    return replace(model, lifecycle=replace(stated, successor=successor))


def _remedy(lifecycle: Lifecycle) -> str:
    named = f"Ask {lifecycle.successor} instead. " if lifecycle.successor else ""
    return f"{named}How two judges differ: empathy audit."
