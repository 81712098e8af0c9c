"""Exceptions and warnings of the project.

    EmpathyError
    ├── UserError            a mistake in the user's input, with a code (the CLI exits with status 2)
    ├── CallError            a request that got no completion; its `Failure` states the kind
    └── EndpointDisabled     an endpoint that accepts no more requests, with the cause

    InputWarning             a remark about an input file that does not stop the command

Printing, retrying and storing errors is left to other modules.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import TypedDict

from agents.files.toml_values import toml_value


class EmpathyError(Exception):
    """Base of every error this project raises on purpose."""


class FaultData(TypedDict):
    """A fault as JSON data.

    Attributes:
        code: stable identifier of the kind of mistake, as `area.problem`; "" for a detail of another fault.
        what: the mistake.
        where: a file with its line, a flag, or a table and key; may be "".
        found: the value that is wrong; may be "".
        remedy: how to correct it; may be "".
    """

    code: str
    what: str
    where: str
    found: str
    remedy: str


class ErrorData(FaultData):
    """A user error as JSON data.

    Attributes:
        faults: all faults that were found.
    """

    faults: list[FaultData]


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the user's input.

    Attributes:
        what: the mistake, a short statement.
        where: a file with its line, a flag, or a table and key; may be empty.
        found: the value that is wrong; may be empty.
        remedy: how to correct it, an imperative sentence; may be empty.
        code: stable identifier of the kind of mistake, as `area.problem`; empty for a detail of
            another fault.
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

    def to_dict(self) -> FaultData:
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
        code: str,
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

    def to_dict(self) -> ErrorData:
        """Return the error and its faults, for JSON output."""
        return {**self.fault.to_dict(), "faults": [fault.to_dict() for fault in self.faults]}


class InputWarning(UserWarning):
    """Warning about the content of an input file; issued with `warnings.warn`."""


class Failure(StrEnum):
    """Kind of failure of a request that got no completion; the retry policy depends on it."""

    RATE_LIMITED = "rate limited"  # 429; may state how long to wait
    UNAVAILABLE = "unavailable"  # 502, 503, 504, 529: a failure of the endpoint, not of the request
    QUOTA_EXHAUSTED = "quota exhausted"  # a limit that lasts longer than minutes
    AUTHENTICATION = "authentication"  # the key, account, project or country is not accepted
    UNKNOWN_MODEL = "unknown model"  # 404 for the model or the path
    WRONG_MODEL = "another model answered"  # the completion is from another model and does not count
    RETIRED = "model retired"  # stated by the provider; the request was not sent
    BAD_REQUEST = "bad request"  # 400, 413, 422: this request is not accepted
    SERVER = "server error"  # 500 or an interrupted generation: a failure of one request
    TIMEOUT = "timeout"  # no complete response within the time limit
    CONNECTION = "connection"  # DNS error, connection refused or reset
    TLS = "no TLS connection"  # an untrusted certificate or a server without TLS
    PROXY = "proxy"  # the proxy from the environment cannot be used
    MALFORMED = "malformed answer"  # a 200 whose body does not follow the protocol
    OUTAGE = "outage"  # the endpoint was unavailable for longer than --patience
    NO_VERDICTS = "no verdicts"  # the same unusable outcome many times in a row
    TOO_LARGE = "answer too large"  # the body exceeds the size limit
    NO_BUDGET = "budget reached"  # the request could exceed the budget
    GONE = "server gone"  # a server that this project started has exited
    INTERRUPTED = "interrupted"  # the user stopped the run before the request was sent


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Change of a model's capabilities under which it accepts a request that it rejected.

    Attributes:
        parameter: the rejected parameter, as named in the request.
        settings: (field of `agents.models.spec.Capabilities`, new value); `extra` as JSON text.
    """

    parameter: str
    settings: tuple[tuple[str, str | int | bool], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} = {_as_toml(name, value)}" for name, value in self.settings)


def _as_toml(name: str, value: str | int | bool) -> str:
    """Format a setting as in a models file, where `extra` is a table."""
    return toml_value(json.loads(str(value) or "{}") if name == "extra" else value)


class CallError(EmpathyError):
    """Failure of a request that got no completion.

    Attributes:
        failure: the kind of failure.
        status: HTTP status; None if there was no response.
        retry_after_seconds: wait requested by the server, ≥ 0; None if it states none.
        charged: whether the provider may have charged for the request; True after a timeout.
        adaptation: settings under which the model may accept the request; None if unknown.
        paused: whether the endpoint pauses until the error is over, so that it does not count as a try.
        ending: the error that disables the endpoint if this one does, else None.
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


class EndpointDisabled(EmpathyError):  # noqa: N818  (named after the state of the endpoint)
    """Endpoint that accepts no more requests.

    Attributes:
        endpoint: name of the endpoint.
        cause: the error that disabled it.
    """

    def __init__(self, endpoint: str, cause: CallError) -> None:
        super().__init__(f"{endpoint}: {cause}")
        self.endpoint = endpoint
        self.cause = cause
