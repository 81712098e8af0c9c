"""The family of errors.

    EmpathyError
    ├── UserError            a mistake the user can mend: what, where, found, remedy (the CLI exits 2)
    ├── CallError            a call to a model that got no answer (what may be done about it is a `Failure`)
    └── LaneStopped          a lane that takes no more calls, and the one reason why

    InputWarning             what a reader of a file should know of it, and that stops nothing

Nothing here knows how an error is shown, retried or stored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agents.files.toml_values import toml_value


class EmpathyError(Exception):
    """Base of every error this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the user's input.

    Attributes:
        what: the mistake, a short statement.
        where: a file with its line, a flag, or a table and key; may be empty.
        found: the value that is wrong; may be empty.
        remedy: how to correct it, an imperative sentence; may be empty.
        code: stable identifier of the kind of mistake, as `area.problem`; empty for a detail of another fault.
    """

    what: str
    where: str = ""
    found: str = ""
    remedy: str = ""
    code: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = [f"Found: {self.found}." if self.found else "", self.remedy]
        text = " ".join([head.rstrip(".") + ".", *(part for part in tail if part)])
        return f"[{self.code}] {text}" if self.code else text

    def to_dict(self) -> dict[str, str]:
        """Return the fault's fields, for JSON output."""
        return {
            "code": self.code,
            "what": self.what,
            "where": self.where,
            "found": self.found,
            "remedy": self.remedy,
        }


class UserError(EmpathyError):
    """Mistake in the user's input; carries one or more faults, which are shown together.

    >>> error = UserError("unknown judge", code="judge.unknown", where="--judge", found="'gpt4'")
    >>> str(error)
    "[judge.unknown] --judge: unknown judge. Found: 'gpt4'."
    """

    def __init__(
        self,
        what: str,
        *,
        code: str = "",
        where: str = "",
        found: str = "",
        remedy: str = "",
        faults: Sequence[Fault] = (),
    ) -> None:
        self.fault = Fault(what, where, found, remedy, code)
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join([str(self.fault), *(f"  {fault}" for fault in self.faults)]))

    @property
    def code(self) -> str:
        """Code of the error itself."""
        return self.fault.code

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the error and of its faults, in order, without those that have none."""
        return tuple(fault.code for fault in (self.fault, *self.faults) if fault.code)

    def to_dict(self) -> dict[str, Any]:
        """Return the error and its faults, for JSON output."""
        return {**self.fault.to_dict(), "faults": [fault.to_dict() for fault in self.faults]}


class InputWarning(UserWarning):
    """What a file holds that stops nothing and that its user should know of (`warnings.warn`)."""


class Failure(StrEnum):
    """Why a request got no completion. The engine's retry policy decides what is done about it."""

    RATE_LIMITED = "rate limited"  # 429; may say how long to wait
    UNAVAILABLE = "unavailable"  # 502, 503, 504, 529: the endpoint, not this request
    QUOTA_EXHAUSTED = "quota exhausted"  # a limit that waiting minutes will not lift
    AUTHENTICATION = "authentication"  # the key, account, project or country is not accepted
    UNKNOWN_MODEL = "unknown model"  # 404 for the model or the path
    WRONG_MODEL = "another model answered"  # not the one that was asked: its answer does not count
    RETIRED = "model retired"  # by the provider's own word; it was not asked
    BAD_REQUEST = "bad request"  # 400, 413, 422: this very request is not accepted
    SERVER = "server error"  # 500, a generation that broke off: a fault of one request
    TIMEOUT = "timeout"  # no whole answer within the request's time
    CONNECTION = "connection"  # DNS, refused, reset
    TLS = "no TLS connection"  # a certificate that is not trusted, a server without TLS
    PROXY = "proxy"  # the proxy that the environment names cannot be used
    MALFORMED = "malformed answer"  # a 200 whose body is not what the protocol says
    OUTAGE = "outage"  # "not now" for longer than the patience
    NO_VERDICTS = "no verdicts"  # one kind of useless outcome again and again
    TOO_LARGE = "answer too large"  # more bytes than any answer needs
    NO_BUDGET = "budget reached"  # asking could cross the ceiling
    GONE = "server gone"  # a server that we started has died
    INTERRUPTED = "interrupted"  # the user asked us to stop before it was sent


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A parameter that a model refused, and the setting that leaves it out or renames it.

    Attributes:
        parameter: the refused parameter, as the request named it.
        settings: fields of `agents.models.spec.Capabilities` and the values they get; `extra` as a JSON object.
    """

    parameter: str
    settings: tuple[tuple[str, str | int | bool], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_as_toml(name, value)}" for name, value in self.settings)


def _as_toml(name: str, value: str | int | bool) -> str:
    """A setting's value as a file of models writes it: `extra` is a table there."""
    return toml_value(json.loads(str(value) or "{}") if name == "extra" else value)


class CallError(EmpathyError):
    """A request that got no completion.

    Attributes:
        failure: the kind.
        status: HTTP status, where there was one.
        retry_after_seconds: how long the server asked us to wait, ≥ 0; None where it did not say.
        charged: whether the provider may have charged for it (a timeout: we cannot know, so yes).
        adaptation: the setting under which the model may accept the request; None where none is known.
        paused: whether the endpoint waits this error out: the request uses up no try.
        ending: the error that stops the endpoint, where this one does; else None.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        charged: bool = False,
        adaptation: Adaptation | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.charged = charged
        self.adaptation = adaptation
        self.paused = False
        self.ending: CallError | None = None


class EndpointDisabled(EmpathyError):  # noqa: N818  (it is what happened, as in the engine's vocabulary)
    """The lane takes no more calls; `cause` is the one error that stopped it."""

    def __init__(self, lane: str, cause: CallError) -> None:
        super().__init__(f"{lane}: {cause}")
        self.lane = lane
        self.cause = cause
