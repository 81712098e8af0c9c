"""Injected faults and latency per attempt: pure functions of (seed, key, attempt), so a retry is another
draw.

An attempt has at most one fault; the configured shares are shares of all attempts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from enum import StrEnum

from harness.emulator.config import EmulatorConfig
from harness.emulator.seeded_random import choice, lognormal, uniform
from harness.emulator.types import RejectedError


class FaultKind(StrEnum):
    """Kinds of injected faults."""

    ERROR_500 = "error 500"  # a server error, sometimes with an HTML page as body
    RESET = "reset"  # the connection is reset
    MALFORMED = "malformed"  # a 200 whose body violates the protocol
    HANG = "hang"  # no response until the client gives up


HTML_ERROR = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>emulated proxy</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class RequestAttempt:
    """One attempt of a request: the request's key, and how often it was admitted before, from 0."""

    key: bytes
    number: int


def draw_fault(attempt: RequestAttempt, options: EmulatorConfig) -> FaultKind | None:
    """Return the fault of this attempt; None for none."""
    point = uniform(options.seed, "fault", attempt.key, attempt.number)
    for kind, share in (
        (FaultKind.ERROR_500, options.errors_500),
        (FaultKind.RESET, options.resets),
        (FaultKind.MALFORMED, options.malformed),
        (FaultKind.HANG, options.hangs),
    ):
        if point < share:
            return kind
        point -= share
    return None


def response_model_name(name: str, request: int, options: EmulatorConfig) -> str:
    """Return the model name in the response to the server's `request`-th request, from 1."""
    if options.other_model is not None and request >= (options.other_model_after or 1):
        return options.other_model
    return name + (options.snapshot_suffix or "")


def retired_error(name: str, options: EmulatorConfig) -> RejectedError | None:
    """Return the 404 of a retired model; None for another model."""
    if name not in (options.retired or "").split(","):
        return None
    message = f"The model `{name}` has been retired and can no longer be used."
    return RejectedError(404, "unknown model", message, code="model_not_found")


def sunset_headers(options: EmulatorConfig) -> dict[str, str]:
    """Return the headers that state a model's shutdown date, if one is configured."""
    if options.sunset is None:
        return {}
    end = datetime.combine(date.fromisoformat(options.sunset), time(), UTC)
    return {"Deprecation": "true", "Sunset": format_datetime(end, usegmt=True)}


def latency_seconds(attempt: RequestAttempt, options: EmulatorConfig) -> float:
    """Return the duration of this attempt, ≥ 0: lognormal around the configured median."""
    return lognormal(
        options.latency_ms / 1000.0,
        options.latency_sigma,
        options.seed,
        "latency",
        attempt.key,
        attempt.number,
    )


def error_status(attempt: RequestAttempt, options: EmulatorConfig) -> int:
    """Return 500, 502 (with an HTML body) or 503."""
    return choice((500, 502, 503), options.seed, "error status", attempt.key, attempt.number)


def malformed_body(content: bytes, attempt: RequestAttempt, options: EmulatorConfig) -> bytes:
    """Return a body that is not the response: truncated to half, empty, another object, or not JSON."""
    bodies = (content[: len(content) // 2], b"", b'{"object":"error"}', b"upstream closed", b"null")
    return choice(bodies, options.seed, "malformed", attempt.key, attempt.number)
