"""Harness: data, engine, workflows, studies and the command line; the top package, imported by no other.

From Python: `harness.judge`, `harness.run_study`, `harness.plan_study`, `harness.open_store` (see
`harness/api.py`, which is imported when one of them is used).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Results, StudyDone, judge, open_store, plan_study, run_study

__all__ = ["Results", "StudyDone", "judge", "open_store", "plan_study", "run_study"]


def __getattr__(name: str) -> Any:
    """Return an attribute of `harness.api`, which is imported on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import harness.api

    return getattr(harness.api, name)
