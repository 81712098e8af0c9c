"""Which attempts go wrong, and how: pure, by (seed, key, attempt), so that a retry is another draw.

An attempt ends in at most one fault; the shares of the options are those of all attempts.
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
    """How an attempt goes wrong."""

    ERROR_500 = "error 500"  # an error of the server, some with an HTML page for a body
    RESET = "reset"  # the connection is reset instead of an answer
    MALFORMED = "malformed"  # a 200 whose body is not what the protocol says
    HANG = "hang"  # no answer until the client gives up


HTML_ERROR = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>emulated proxy</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class RequestAttempt:
    """One attempt at a request: the key it is known by, and how often that was admitted before, from 0."""

    key: bytes
    number: int


def draw_fault(attempt: RequestAttempt, options: EmulatorConfig) -> FaultKind | None:
    """The fault this attempt ends in; None for none."""
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


def answering_name(name: str, request: int, options: EmulatorConfig) -> str:
    """The model's name as it stands in the answer to the server's `request`-th request, from 1."""
    if options.other_model is not None and request >= (options.other_model_after or 1):
        return options.other_model
    return name + (options.snapshot_suffix or "")


def retirement(name: str, options: EmulatorConfig) -> RejectedError | None:
    """The 404 of a model that was retired; None for one that was not."""
    if name not in (options.retired or "").split(","):
        return None
    words = f"The model `{name}` has been retired and can no longer be used."
    return RejectedError(404, "unknown model", words, code="model_not_found")


def end_headers(options: EmulatorConfig) -> dict[str, str]:
    """The headers that state a model's end; none where none is stated."""
    if options.sunset is None:
        return {}
    end = datetime.combine(date.fromisoformat(options.sunset), time(), UTC)
    return {"Deprecation": "true", "Sunset": format_datetime(end, usegmt=True)}


def latency_seconds(attempt: RequestAttempt, options: EmulatorConfig) -> float:
    """How long this attempt takes, ≥ 0: lognormal around the options' median."""
    return lognormal(
        options.latency_ms / 1000.0,
        options.latency_sigma,
        options.seed,
        "latency",
        attempt.key,
        attempt.number,
    )


def error_status(attempt: RequestAttempt, options: EmulatorConfig) -> int:
    """500, 502 (the one with an HTML body) or 503."""
    return choice((500, 502, 503), options.seed, "error status", attempt.key, attempt.number)


def malformed_body(content: bytes, attempt: RequestAttempt, options: EmulatorConfig) -> bytes:
    """A body that is not the answer: cut in half, none at all, another object, or no JSON."""
    forms = (content[: len(content) // 2], b"", b'{"object":"error"}', b"upstream closed", b"null")
    return choice(forms, options.seed, "malformed", attempt.key, attempt.number)
