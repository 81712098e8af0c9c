"""Python API: every workflow of the command line, from scripts and notebooks.

    import harness

    session = harness.open("runs/empathy.sqlite", data="sample")
    result = session.judge("dataset:gpt-4", "dataset:human", judges=["control/ratings"])
    result.win_rates
    session.compare("student:a", "student:b", opponent="base").conclusion

`harness.open` works anywhere, also in a notebook. In asynchronous code, use `harness.open_async`, whose
methods are coroutines. Mistakes of the user raise `harness.UserError`, with a code, what, where, found and
remedy.
"""

from __future__ import annotations

from agents.errors import UserError
from harness.api.async_session import AsyncSession, open_async
from harness.api.frames import win_rate
from harness.api.results import ContestResults, Result, StudyResults
from harness.api.session import Session, open_session

__all__ = [
    "AsyncSession",
    "ContestResults",
    "Result",
    "Session",
    "StudyResults",
    "UserError",
    "open_async",
    "open_session",
    "win_rate",
]
