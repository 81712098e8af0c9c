"""Results of the Python API: the same numbers as `--json`, as DataFrames, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.study.scheduler import StageStatus
from results.analysis.contest_results import JudgingResult
from results.render.breakdowns import render_judging
from results.render.format import versioned
from results.render.rendering import Rendering
from results.render.writers.html import html_list, html_table, html_text
from results.render.writers.markdown import markdown_rendering
from results.render.writers.records import column_keys, table_records

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
        return versioned(self.rendering.document)

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
        import pandas

        return tuple(
            pandas.DataFrame(table_records(table), columns=column_keys(table))
            for table in self.rendering.tables
        )

    def __str__(self) -> str:
        return markdown_rendering(self.rendering, "Result")

    def _repr_html_(self) -> str:
        """Return the tables, conclusions and caveats as HTML, for notebooks."""
        parts = []
        for number, table in enumerate(self.rendering.tables):
            label = f"table-{number}"
            parts.append(f'<p id="{label}"><strong>{html_text(table.title)}</strong></p>')
            parts.append(str(html_table(table, label)))
        parts += [f"<p>{html_text(sentence)}</p>" for sentence in self.rendering.conclusions]
        if self.rendering.caveats:
            parts.append(str(html_list(self.rendering.caveats)))
        return "\n".join(parts)


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
    return study_frame(render_judging(result).document["judges"])


def study_frame(contests: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return one row per contest of documents: the columns of `empathy report --format csv`."""
    import pandas

    return pandas.DataFrame([{**contest} for contest in contests])


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
