"""Request handler: plans the reply to one request (key, parsing, limits, faults, completions) without
waiting.

The server carries out the plan: it waits for the delay, then sends the response, resets the connection or
hangs.
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
    """Action of the server after the delay."""

    ANSWER = "answer"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Reply:
    """Planned reply to one request.

    Attributes:
        action: send the response, reset the connection, or never respond.
        status, content, headers: of the response.
        content_type: media type of the content.
        delay_seconds: delay before the action, ≥ 0.
        key: key of an admitted request; else b"".
        input_tokens, output_tokens: billed tokens; 0 for most incomplete responses.
        is_complete: whether this is a complete response of the protocol.
    """

    action: Action
    status: int = 0
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_seconds: float = 0.0
    key: bytes = b""
    input_tokens: int = 0
    output_tokens: int = 0
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """HTTP request as received; `path_model` is the model named in the path (Gemini), else ""."""

    content: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path_model: str = ""


class RequestHandler:
    """Handler of all requests of one server.

    Args:
        options: configuration of the server.
        counts: request counters that it updates.
        clock: monotonic clock in seconds, for the limits.
        now: time of day, for headers that contain one.
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
        self._first_at: float | None = None  # time of the first request, from which the outage is counted
        self._now = now
        self._limiter = EmulatedRateLimiter(
            options.requests_per_minute,
            options.tokens_per_minute,
            options.lower_to_rpm,
            options.lower_after_requests,
        )

    def decide(self, protocol: ServerProtocol, request: Request) -> Reply:
        """Plan the reply to this request."""
        limits: ModelLimits | None = None
        try:
            self._check_outage()
            self._check_key(protocol, request)
            body, content = _parse_json(request.content)
            parsed = protocol.parse_request(body, request.path_model, request.headers, self._options)
            retired = fault_injection.retired_error(parsed.model.name, self._options)
            if retired is not None:
                raise retired
            self._counts.by_model[parsed.model.name] += 1
            limits = self._limiter.limits_for(parsed.model.name)
            charge = input_tokens(parsed) + parsed.max_tokens * parsed.samples
            wait = self._limiter.admit(parsed.model.name, charge, self._clock())
            if wait > 0.0:
                raise RejectedError(
                    429,
                    "rate limit",
                    f"Rate limit reached for {parsed.model.name}. Please try again in {wait:.3f}s.",
                    retry_seconds=wait,
                )
        except RejectedError as rejection:
            return self._rejected(protocol, rejection, limits)
        return self._admitted(protocol, request, content, parsed, limits, charge)

    def _check_outage(self) -> None:
        start, seconds = self._options.outage_start, self._options.outage_seconds
        if start is None or seconds is None:
            return
        now = self._clock()
        self._first_at = now if self._first_at is None else self._first_at
        if start <= now - self._first_at < start + seconds:
            raise RejectedError(503, "server", "The service is temporarily unavailable.")

    def _check_key(self, protocol: ServerProtocol, request: Request) -> None:
        expected_key = self._options.api_key
        if expected_key is None:
            return
        api_key = protocol.find_api_key(request.headers, request.query)
        if not compare_digest(api_key.encode("utf-8", "surrogateescape"), expected_key.encode()):
            message = "Incorrect API key provided." if api_key else "You didn't provide an API key."
            raise RejectedError(401, "authentication", message, code="invalid_api_key" if api_key else "")

    def _rejected(
        self, protocol: ServerProtocol, rejection: RejectedError, limits: ModelLimits | None
    ) -> Reply:
        status, error_body = protocol.build_error(rejection)
        headers = self._headers(protocol, limits, rejection.retry_seconds)
        return Reply(Action.ANSWER, status, orjson.dumps(error_body), headers)

    def _headers(
        self, protocol: ServerProtocol, limits: ModelLimits | None, retry_seconds: float | None = None
    ) -> dict[str, str]:
        if limits is None:
            return {}
        return protocol.limit_headers(limits.status(self._clock()), retry_seconds, self._now())

    def _admitted(
        self,
        protocol: ServerProtocol,
        request: Request,
        content: bytes,
        parsed: ParsedRequest,
        limits: ModelLimits,
        charge: int,
    ) -> Reply:
        key = request.headers.get("Idempotency-Key", "")
        request_key = (
            digest(protocol.NAME, key) if key else digest(protocol.NAME, request.path_model, content)
        )
        attempt = RequestAttempt(request_key, self._counts.admit(request_key))
        delay = fault_injection.latency_seconds(attempt, self._options)
        fault = fault_injection.draw_fault(attempt, self._options)
        if fault in (FaultKind.RESET, FaultKind.HANG, FaultKind.ERROR_500):
            limits.refund(parsed.max_tokens * parsed.samples, self._clock())
        if fault is FaultKind.RESET or fault is FaultKind.HANG:
            action = Action.RESET if fault is FaultKind.RESET else Action.HANG
            return Reply(action, delay_seconds=delay, key=request_key)
        if fault is FaultKind.ERROR_500:
            return self._failed(protocol, attempt, limits, delay)
        outcome = generate_completions(parsed, protocol.NAME, content, key, self._options)
        limits.refund(charge - outcome.input_tokens - outcome.output_tokens, self._clock())
        name = fault_injection.response_model_name(parsed.model.name, self._counts.admitted, self._options)
        named = replace(parsed, model=replace(parsed.model, name=name))
        body = protocol.build_response(named, outcome)
        if fault is not FaultKind.MALFORMED and self._options.faults:
            reply = self._reply_with_faults(protocol, request, parsed, attempt, outcome, body, limits)
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
                protocol.ID_HEADER: f"req_{outcome.identity}",
                **fault_injection.sunset_headers(self._options),
                **self._headers(protocol, limits),
            },
            delay_seconds=delay,
            key=request_key,
            input_tokens=outcome.input_tokens if fault is None else 0,
            output_tokens=outcome.output_tokens if fault is None else 0,
            is_complete=fault is None,
        )

    def _reply_with_faults(
        self,
        protocol: ServerProtocol,
        request: Request,
        parsed: ParsedRequest,
        attempt: RequestAttempt,
        outcome: CompletionSet,
        body: dict[str, Any],
        limits: ModelLimits,
    ) -> Reply | None:
        """Return the reply as changed by named faults; None if no fault applies."""
        headers = {
            protocol.ID_HEADER: f"req_{outcome.identity}",
            **fault_injection.sunset_headers(self._options),
            **self._headers(protocol, limits),
        }
        draft = ReplyDraft(200, body, headers, outcome.input_tokens, outcome.output_tokens)
        context = FaultContext(
            protocol.NAME,
            orjson.loads(request.content),
            parsed.model.name,
            parsed.max_tokens,
            protocol.build_error,
            (),
        )
        prompt_digest = digest("prompt", protocol.NAME, *(message.content for message in parsed.messages))
        identity = FaultIdentity(attempt.key, attempt.number, prompt_digest)
        reply = apply_faults(draft, self._options.faults, context, identity, self._options.seed)
        if reply is draft:
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
            is_complete=reply.is_answer,
        )

    def _failed(
        self, protocol: ServerProtocol, attempt: RequestAttempt, limits: ModelLimits, delay: float
    ) -> Reply:
        status = fault_injection.error_status(attempt, self._options)
        headers = self._headers(protocol, limits)
        if status == 502:
            page = fault_injection.HTML_ERROR.encode()
            return Reply(Action.ANSWER, status, page, headers, "text/html", delay, attempt.key)
        message = "The server had an error while processing your request. Sorry about that!"
        status, error_body = protocol.build_error(RejectedError(status, "server", message))
        return Reply(
            Action.ANSWER, status, orjson.dumps(error_body), headers, delay_seconds=delay, key=attempt.key
        )


def _parse_json(content: bytes) -> tuple[object, bytes]:
    """Return the parsed body and its canonical form."""
    try:
        body = orjson.loads(content)
        return body, canonical(body)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:  # not JSON, or nested too deeply
        raise RejectedError(
            400, "bad request", "We could not parse the JSON body of your request."
        ) from error
