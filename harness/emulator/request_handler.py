"""What becomes of one request: key, reading, limits, faults, answer. Decides at once; waits for nothing.

The server carries out what is decided here: it waits the delay, then answers, resets or hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Any

import orjson

from agents.hashing import canonical
from harness.emulator import fault_injection
from harness.emulator.config import EmulatorConfig
from harness.emulator.fault_injection import FaultKind, RequestAttempt
from harness.emulator.protocols import ServerProtocol
from harness.emulator.provider_faults import FaultIdentity, apply_faults
from harness.emulator.rate_limits import EmulatedRateLimiter, ModelLimits
from harness.emulator.reply import FaultContext, ReplyDraft
from harness.emulator.request_log import RequestLog
from harness.emulator.responses import generate_completions, input_tokens
from harness.emulator.seeded_random import digest
from harness.emulator.types import CompletionSet, ParsedRequest, RejectedError


class Action(StrEnum):
    """What the server does once the delay is over."""

    ANSWER = "answer"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of one request.

    Attributes:
        act: answer, reset the connection, or never answer.
        status, content, headers: the answer's.
        content_type: of the content.
        delay_seconds: before anything is done, ≥ 0.
        key: the request's, where it was admitted; else b"".
        input_tokens, output_tokens: billed; 0 for most of what is no whole answer.
        whole: whether this is a whole answer, as the protocol says.
    """

    act: Action
    status: int = 0
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_seconds: float = 0.0
    key: bytes = b""
    input_tokens: int = 0
    output_tokens: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire; `path_model` is the model where the path names it (Gemini), else ""."""

    content: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_model: str = ""


class RequestHandler:
    """Decides every request of one server.

    Args:
        options: how the server behaves.
        counts: the books it keeps.
        clock: seconds, never falling, for the limits.
        now: the time of day, for headers that name one.
    """

    def __init__(
        self,
        options: EmulatorConfig,
        counts: RequestLog,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._counts = counts
        self._clock = clock
        self._first_at: float | None = None  # of the first request, for the outage
        self._now = now
        self._limiter = EmulatedRateLimiter(
            options.requests_per_minute,
            options.tokens_per_minute,
            options.lower_to_rpm,
            options.lower_after_requests,
        )

    def decide(self, form: ServerProtocol, request: Request) -> Reply:
        """What becomes of this request."""
        limits: ModelLimits | None = None
        try:
            self._check_outage()
            self._check_key(form, request)
            body, content = _parsed(request.content)
            question = form.read(body, request.path_model, request.headers, self._options)
            gone = fault_injection.retirement(question.model.name, self._options)
            if gone is not None:
                raise gone
            self._counts.by_model[question.model.name] += 1
            limits = self._limiter.of(question.model.name)
            charge = input_tokens(question) + question.max_tokens * question.samples
            wait = self._limiter.admit(question.model.name, charge, self._clock())
            if wait > 0.0:
                raise RejectedError(
                    429,
                    "rate limit",
                    f"Rate limit reached for {question.model.name}. Please try again in {wait:.3f}s.",
                    retry_seconds=wait,
                )
        except RejectedError as rejection:
            return self._rejected(form, rejection, limits)
        return self._admitted(form, request, content, question, limits, charge)

    def _check_outage(self) -> None:
        start, seconds = self._options.outage_start, self._options.outage_seconds
        if start is None or seconds is None:
            return
        now = self._clock()
        self._first_at = now if self._first_at is None else self._first_at
        if start <= now - self._first_at < start + seconds:
            raise RejectedError(503, "server", "The service is temporarily unavailable.")

    def _check_key(self, form: ServerProtocol, request: Request) -> None:
        wanted = self._options.api_key
        if wanted is None:
            return
        given = form.key_of(request.headers, request.query)
        if not compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode()):
            what = "Incorrect API key provided." if given else "You didn't provide an API key."
            raise RejectedError(401, "authentication", what, code="invalid_api_key" if given else "")

    def _rejected(self, form: ServerProtocol, rejection: RejectedError, limits: ModelLimits | None) -> Reply:
        status, told = form.error(rejection)
        headers = self._headers(form, limits, rejection.retry_seconds)
        return Reply(Action.ANSWER, status, orjson.dumps(told), headers)

    def _headers(
        self, form: ServerProtocol, limits: ModelLimits | None, retry_seconds: float | None = None
    ) -> dict[str, str]:
        if limits is None:
            return {}
        return form.limit_headers(limits.standing(self._clock()), retry_seconds, self._now())

    def _admitted(
        self,
        form: ServerProtocol,
        request: Request,
        content: bytes,
        question: ParsedRequest,
        limits: ModelLimits,
        charge: int,
    ) -> Reply:
        key = request.headers.get("Idempotency-Key", "")
        known_by = digest(form.NAME, key) if key else digest(form.NAME, request.path_model, content)
        attempt = RequestAttempt(known_by, self._counts.admit(known_by))
        delay = fault_injection.latency_seconds(attempt, self._options)
        fault = fault_injection.draw_fault(attempt, self._options)
        if fault in (FaultKind.RESET, FaultKind.HANG, FaultKind.ERROR_500):
            limits.give_back(question.max_tokens * question.samples, self._clock())
        if fault is FaultKind.RESET or fault is FaultKind.HANG:
            act = Action.RESET if fault is FaultKind.RESET else Action.HANG
            return Reply(act, delay_seconds=delay, key=known_by)
        if fault is FaultKind.ERROR_500:
            return self._failed(form, attempt, limits, delay)
        outcome = generate_completions(question, form.NAME, content, key, self._options)
        limits.give_back(charge - outcome.input_tokens - outcome.output_tokens, self._clock())
        name = fault_injection.answering_name(question.model.name, self._counts.admitted, self._options)
        named = replace(question, model=replace(question.model, name=name))
        body = form.write(named, outcome)
        if fault is not FaultKind.MALFORMED and self._options.faults:
            reply = self._struck(form, request, question, attempt, outcome, body, limits)
            if reply is not None:
                return replace(reply, delay_seconds=delay)
        answer = orjson.dumps(body)
        if fault is FaultKind.MALFORMED:
            answer = fault_injection.malformed_body(answer, attempt, self._options)
        return Reply(
            Action.ANSWER,
            200,
            answer,
            {
                form.ID_HEADER: f"req_{outcome.identity}",
                **fault_injection.end_headers(self._options),
                **self._headers(form, limits),
            },
            delay_seconds=delay,
            key=known_by,
            input_tokens=outcome.input_tokens if fault is None else 0,
            output_tokens=outcome.output_tokens if fault is None else 0,
            whole=fault is None,
        )

    def _struck(
        self,
        form: ServerProtocol,
        request: Request,
        question: ParsedRequest,
        attempt: RequestAttempt,
        outcome: CompletionSet,
        body: dict[str, Any],
        limits: ModelLimits,
    ) -> Reply | None:
        """What is sent where a named fault strikes this answer; None where none does."""
        headers = {
            form.ID_HEADER: f"req_{outcome.identity}",
            **fault_injection.end_headers(self._options),
            **self._headers(form, limits),
        }
        whole = ReplyDraft(200, body, headers, outcome.input_tokens, outcome.output_tokens)
        known = FaultContext(
            form.NAME, orjson.loads(request.content), question.model.name, question.max_tokens, form.error, ()
        )
        said = digest("prompt", form.NAME, *(message.content for message in question.messages))
        identity = FaultIdentity(attempt.key, attempt.number, said)
        reply = apply_faults(whole, self._options.faults, known, identity, self._options.seed)
        if reply is whole:
            return None
        return Reply(
            Action.ANSWER,
            reply.status,
            reply.to_bytes(),
            reply.headers,
            reply.content_type,
            key=attempt.key,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            whole=reply.is_answer,
        )

    def _failed(
        self, form: ServerProtocol, attempt: RequestAttempt, limits: ModelLimits, delay: float
    ) -> Reply:
        status = fault_injection.error_status(attempt, self._options)
        headers = self._headers(form, limits)
        if status == 502:
            page = fault_injection.HTML_ERROR.encode()
            return Reply(Action.ANSWER, status, page, headers, "text/html", delay, attempt.key)
        words = "The server had an error while processing your request. Sorry about that!"
        status, told = form.error(RejectedError(status, "server", words))
        return Reply(Action.ANSWER, status, orjson.dumps(told), headers, delay_seconds=delay, key=attempt.key)


def _parsed(content: bytes) -> tuple[object, bytes]:
    """The body, and its canonical form."""
    try:
        body = orjson.loads(content)
        return body, canonical(body)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:  # no JSON, or nested too deep
        raise RejectedError(
            400, "bad request", "We could not parse the JSON body of your request."
        ) from error
