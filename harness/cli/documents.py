"""JSON documents that only the command line builds."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from agents.errors import ErrorData


class ErrorDocument(TypedDict):
    """An error, printed instead of a result when a command with `--json` fails.

    Attributes:
        error: the error with all its faults.
    """

    document: Literal["error"]
    error: ErrorData
