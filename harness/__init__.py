"""Harness: data, engine, workflows, studies, the command line and the Python API; imported by no package.

    import harness

    session = harness.open("runs/empathy.sqlite", data="sample")

`harness/api` is imported when one of its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import (
        AsyncSession,
        ContestResults,
        Result,
        Session,
        StudyResults,
        UserError,
        open_async,
        win_rate,
    )
    from harness.api import open_session as open

__all__ = [
    "AsyncSession",
    "ContestResults",
    "Result",
    "Session",
    "StudyResults",
    "UserError",
    "open",
    "open_async",
    "win_rate",
]
_NAMES = {"open": "open_session"}


def __getattr__(name: str) -> Any:
    """Return an attribute of `harness.api`, which is imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import harness.api

    return getattr(harness.api, _NAMES.get(name, name))
