"""API protocols on the provider's side: request JSON → parsed request, completions → JSON, rejection → error.

`ServerProtocol` is the interface of the modules of this package. They use no HTTP, no clock and no
randomness.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from harness.emulator.config import EmulatorConfig
from harness.emulator.rate_limits import ModelLimitStatus
from harness.emulator.types import CompletionSet, ParsedRequest, RejectedError


class ServerProtocol(Protocol):
    """One API protocol; implemented by the modules of this package."""

    NAME: str
    ID_HEADER: str

    def find_api_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Return the API key of a request, or ""."""
        ...

    def parse_request(
        self, body: Any, path_model: str, headers: Mapping[str, str], options: EmulatorConfig
    ) -> ParsedRequest:
        """Parse a request's JSON; raise `RejectedError` in the provider's words."""
        ...

    def build_response(self, request: ParsedRequest, outcome: CompletionSet) -> dict[str, Any]:
        """Return the response's JSON."""
        ...

    def build_error(self, rejection: RejectedError) -> tuple[int, dict[str, Any]]:
        """Return the status and the error's JSON."""
        ...

    def limit_headers(
        self, standing: ModelLimitStatus, retry_seconds: float | None, now: datetime
    ) -> dict[str, str]:
        """Return the headers with the state of the limits and the wait after a 429."""
        ...
