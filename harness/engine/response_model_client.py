"""Client that checks which model answered against the model that was requested.

It wraps the HTTP client, inside everything that retries and records. If a provider's own API returns another
model's answer, the answer is discarded, the endpoint stops with one error, and the attempt is recorded with
its possible cost. Behind a gateway or deployment, the names are counted and nothing is refused unless a
single answering model is required. A retired model is never sent a request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion
from agents.models.lifecycle import today
from agents.models.response_model import NameMatch, is_at_provider, match_answering_model, shown
from agents.models.retirement import ALLOW, is_retired, real_model_id
from agents.models.spec import Model


class ResponseModelClient:
    """Client that counts the answering models and rejects answers of another model.

    Args:
        expected: model name that the stored completions carry; with `require_one`, any other name is an
            error.
        require_one: whether all completions must carry one model name, at whatever address the model is
            served.
        allow_retired: whether to send requests to a retired model anyway.
        hint: a known model name that the requested name may be a typo of, or "".
        warn: called once with the provider's deprecation notice, if one arrives.

    Attributes:
        answers: number of completions in this invocation, by answering model name.
    """

    def __init__(
        self,
        inner: ModelClient,
        model: Model,
        *,
        expected: str | None = None,
        require_one: bool = False,
        allow_retired: bool = False,
        hint: str = "",
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._inner = inner
        self._model = model
        self._expected = expected
        self._require_one = require_one
        self._refused = is_retired(model) and not allow_retired
        self._at_provider = is_at_provider(model)
        self._hint = hint
        self._warn = warn
        self._warned = False
        self._is_other: dict[str, bool] = {}
        self.answers: Counter[str] = Counter()

    async def complete(self, request: ModelRequest) -> Completion:
        """Send the request once.

        Raises:
            CallError: WRONG_MODEL if another model answered; RETIRED if the model is retired; otherwise as
                the wrapped client.
        """
        if self._refused:
            raise CallError(Failure.RETIRED, f"{self._retirement_note()} To use it anyway: {ALLOW}.")
        try:
            completion = await self._inner.complete(request)
        except CallError as error:
            if error.failure is Failure.UNKNOWN_MODEL and error.status in (404, 410):
                raise self._unknown_model_error(error) from error
            raise
        self._check_model(completion)
        return completion

    async def close(self) -> None:
        """Close the wrapped client."""
        await self._inner.close()

    def _check_model(self, completion: Completion) -> None:
        name = completion.model
        self.answers[name] += 1
        if completion.notice and not self._warned:
            self._warned = True
            self._warn(f"{self._model.id}: notice from the provider: {completion.notice}")
        if self._at_provider and self._is_other_model(name):
            raise self._wrong_model_error(name, f"{self._model.name!r} was requested")
        if self._require_one:
            if self._expected is None:
                self._expected = name
            elif name != self._expected:
                raise self._wrong_model_error(name, f"earlier completions are by {shown(self._expected)!r}")

    def _is_other_model(self, name: str) -> bool:
        """Return whether the name belongs to another model; each name is compared once."""
        is_other = self._is_other.get(name)
        if is_other is None:
            is_other = self._is_other[name] = match_answering_model(self._model, name) is NameMatch.OTHER
        return is_other

    def _wrong_model_error(self, name: str, expectation: str) -> CallError:
        model = self._model
        note, name = self._retirement_note(), shown(name)
        return CallError(
            Failure.WRONG_MODEL,
            f"{model.id}: another model answered: {name!r}, but {expectation}. Its completion is discarded "
            f"and the endpoint stops.{f' {note}' if note else ''} Request the model by its current name. If "
            f"{name!r} is the same model, list it under `answers` of {real_model_id(model)} (--models).",
            status=200,
            charged=True,
        )

    def _unknown_model_error(self, error: CallError) -> CallError:
        hints = [self._retirement_note(), f"Did you mean {self._hint}?" if self._hint else ""]
        message = " ".join([str(error), *filter(None, hints)])
        return CallError(error.failure, message, status=error.status, charged=error.charged)

    def _retirement_note(self) -> str:
        lifecycle = self._model.lifecycle
        return "" if lifecycle is None else lifecycle.describe(real_model_id(self._model), today())
