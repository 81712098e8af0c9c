"""The wire protocols, seen from the provider's side: JSON → question, answer → JSON, rejection → error.

`ServerProtocol` is what the gateway knows of each module here. Pure: no HTTP, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from harness.emulator.config import EmulatorConfig
from harness.emulator.rate_limits import ModelLimitStatus
from harness.emulator.types import CompletionSet, ParsedRequest, RejectedError


class ServerProtocol(Protocol):
    """One wire protocol; the modules of this package are its implementations."""

    NAME: str
    ID_HEADER: str

    def key_of(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The API key that a request carries, or ""."""
        ...

    def read(
        self, body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
    ) -> ParsedRequest:
        """The question in a request's JSON; raises `RejectedError` in the provider's words."""
        ...

    def write(self, question: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
        """The response's JSON."""
        ...

    def error(self, rejection: RejectedError) -> tuple[int, dict[str, Any]]:
        """The status and the error's JSON."""
        ...

    def limit_headers(
        self, standing: ModelLimitStatus, retry_seconds: float | None, now: datetime
    ) -> dict[str, str]:
        """The headers that say how the limits stand, and how long to wait after a 429."""
        ...
