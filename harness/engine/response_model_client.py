"""A client that looks at who answered: the model that was asked, or another.

It stands around the HTTP client and inside everything that retries and records. Where another model answers
at the provider's own address, there is no answer: the endpoint stops with one error, and the attempt keeps
what it may have cost. Elsewhere (a gateway, a deployment) the names are counted and nothing is refused,
unless one model alone is required. A retired model is not asked at all.
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
    """Counts who answers, and passes on only what the asked model answered.

    Args:
        expected: the names under which its stored answers came; where one model alone is required, another
            name is an error.
        require_one: whether every answer must come under one name, wherever the model is asked.
        allow_retired: whether a retired model is asked all the same.
        hint: a known name that the model's may be a slip of, or "".
        warn: is told, once, what the provider says of the model's end.

    Attributes:
        answers: answering name → number of answers in this invocation.
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
        self._enforced = is_at_provider(model)
        self._hint = hint
        self._warn = warn
        self._warned = False
        self._others: dict[str, bool] = {}
        self.answers: Counter[str] = Counter()

    async def complete(self, call: ModelRequest) -> Completion:
        """Ask once.

        Raises:
            CallError: WRONG_MODEL, where another model answered; RETIRED, where the model is not to be
                asked; or as the wrapped client.
        """
        if self._refused:
            raise CallError(Failure.RETIRED, f"{self._end()} To ask it all the same: {ALLOW}.")
        try:
            completion = await self._inner.complete(call)
        except CallError as error:
            if error.failure is Failure.UNKNOWN_MODEL and error.status in (404, 410):
                raise self._unknown(error) from error
            raise
        self._look_at(completion)
        return completion

    async def close(self) -> None:
        """Close what is wrapped."""
        await self._inner.close()

    def _look_at(self, completion: Completion) -> None:
        name = completion.model
        self.answers[name] += 1
        if completion.notice and not self._warned:
            self._warned = True
            self._warn(f"{self._model.id}: its provider says so in an answer: {completion.notice}")
        if self._enforced and self._is_another(name):
            raise self._wrong(name, f"{self._model.name!r} was asked")
        if self._require_one:
            if self._expected is None:
                self._expected = name
            elif name != self._expected:
                raise self._wrong(name, f"{shown(self._expected)!r} answered before it")

    def _is_another(self, name: str) -> bool:
        """Whether this name is another model's; compared once."""
        known = self._others.get(name)
        if known is None:
            known = self._others[name] = match_answering_model(self._model, name) is NameMatch.OTHER
        return known

    def _wrong(self, name: str, instead: str) -> CallError:
        model = self._model
        end, name = self._end(), shown(name)
        return CallError(
            Failure.WRONG_MODEL,
            f"{model.id}: another model answered: {name!r}, where {instead}. Its answer does not "
            f"count, and nothing more is asked here.{f' {end}' if end else ''} Name the model that is to be "
            f"asked; if {name!r} is the same model, list it as `answers` of {real_model_id(model)} (--models).",
            status=200,
            charged=True,
        )

    def _unknown(self, error: CallError) -> CallError:
        told = [self._end(), f"Did you mean {self._hint}?" if self._hint else ""]
        words = " ".join([str(error), *filter(None, told)])
        return CallError(error.failure, words, status=error.status, charged=error.charged)

    def _end(self) -> str:
        lifecycle = self._model.lifecycle
        return "" if lifecycle is None else lifecycle.told(real_model_id(self._model), today())
