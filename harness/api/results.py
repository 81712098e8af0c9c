"""Results of the Python API: the same numbers as `--json`, as DataFrames, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from harness.study.scheduler import StageStatus
from results.analysis.contest_results import JudgingResult
from results.render.contest import contest_document
from results.render.documents import ContestDocument, flatten
from results.render.rendering import Rendering
from results.render.writers.html import html_rendering
from results.render.writers.json import json_rendering
from results.render.writers.markdown import markdown_rendering

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Result:
    """Result of a workflow.

    Attributes:
        rendering: the result as a JSON document, tables, conclusions and caveats.
    """

    rendering: Rendering

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The result as JSON data, equal to `--json` of the command (see `docs/schema.json`)."""
        document: dict[str, Any] = orjson.loads(json_rendering(self.rendering))
        return document

    @property
    def conclusion(self) -> str:
        """Conclusions in sentences; "" if there are none."""
        return "\n".join(self.rendering.conclusions)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Limits of the numbers."""
        return self.rendering.caveats

    @property
    def tables(self) -> tuple[DataFrame, ...]:
        """The tables, with one column per key and values as numbers."""
        return tuple(table.to_frame() for table in self.rendering.tables)

    def __str__(self) -> str:
        return markdown_rendering(self.rendering, "Result")

    def _repr_html_(self) -> str:
        """Return the tables, conclusions and caveats as HTML, for notebooks."""
        return str(html_rendering(self.rendering))


@dataclass(frozen=True, eq=False)
class ContestResults(Result):
    """Result of a judging run.

    Attributes:
        run: id of the run, for `report`, `rejudge` and `judgments`.
        interrupted: whether the run was interrupted; repeat the call to continue.
    """

    run: str
    interrupted: bool
    win_rates: DataFrame

    @classmethod
    def of(cls, result: JudgingResult, rendering: Rendering) -> ContestResults:
        """Return the result of a judging run with its rendering."""
        return cls(rendering, result.run_id, result.interrupted, contest_frame(result))


@dataclass(frozen=True, eq=False)
class StudyResults(Result):
    """Result of a study.

    Attributes:
        win_rates: a row for each contest; rates are in [0, 1].
        stages: a row for each stage: kind, name, state, why, seconds.
        report: path of the report; None if it was not written.
        interrupted: whether the run was interrupted; repeat the call to continue.
    """

    win_rates: DataFrame
    stages: DataFrame
    report: Path | None
    interrupted: bool

    @property
    def failed(self) -> DataFrame:
        """The stages that failed or are blocked, with the reason."""
        return self.stages[self.stages["state"] != "done"]


def contest_frame(result: JudgingResult) -> DataFrame:
    """Return one row per contest of a run: the columns of `empathy report --format csv`."""
    return document_frame([contest_document(contest) for contest in result.contests])


def document_frame(contests: Sequence[ContestDocument]) -> DataFrame:
    """Return one row per contest of documents: the columns of `empathy report --format csv`."""
    import pandas

    rows = [flatten(contest, ContestDocument) for contest in contests]
    return pandas.DataFrame(rows, columns=list(flatten(None, ContestDocument)))


def stage_frame(statuses: Sequence[StageStatus]) -> DataFrame:
    """Return one row per stage: kind, name, state, why, seconds."""
    import pandas

    rows = [
        {
            "kind": status.stage.kind,
            "name": status.stage.title,
            "state": str(status.state),
            "why": status.why,
            "seconds": status.record.seconds if status.record else float("nan"),
        }
        for status in statuses
    ]
    return pandas.DataFrame(rows, columns=["kind", "name", "state", "why", "seconds"])
