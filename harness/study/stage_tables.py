"""Stages of studies: how many of each kind are done, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.study.graph import KINDS
from harness.study.scheduler import StageState, StageStatus
from harness.study.session import StudySession
from harness.study.status_tables import StudiesDocument, render_status, study_data
from results.render.format import format_percent
from results.render.rendering import Rendering
from results.render.table import Column, Table

FEW_STAGES = 40  # a study with more of them is summed up by kind
StudyStages = tuple[StudySession, Sequence[StageStatus]]


def render_study_stages(stages: StudyStages, *, everything: bool = False) -> Rendering:
    """Render the stages and the win rates of one study.

    Args:
        everything: whether to list every stage of a large study, too.
    """
    session, statuses = stages
    rendering = render_status(session.study(), statuses)
    table, unfinished = _stage_table(stages, everything=everything or len(statuses) <= FEW_STAGES)
    return Rendering(rendering.document, (table,), unfinished) + rendering


def render_studies(studies: Sequence[StudyStages], *, everything: bool = False) -> Rendering:
    """Render the stages of several studies; failed stages are always listed."""
    document: StudiesDocument = {
        "document": "studies",
        "studies": [study_data(session.study().name, statuses) for session, statuses in studies],
    }
    shown = [_stage_table(stages, everything=everything) for stages in studies]
    tables, notes = (table for table, _ in shown), (note for _, notes in shown for note in notes)
    return Rendering(document, tuple(tables), tuple(notes))


def _stage_table(stages: StudyStages, *, everything: bool) -> tuple[Table, tuple[str, ...]]:
    """Return the table of a study's stages, and how to continue."""
    session, statuses = stages
    done, name = sum(status.state is StageState.DONE for status in statuses), session.study().name
    table = Table(
        f"{name}: {done} of {len(statuses)} stages done",
        columns=[Column("kind", "stage"), Column("state"), Column("result")],
    )
    for kind in KINDS:
        of_kind = [status for status in statuses if status.stage.kind == kind]
        if not of_kind:
            continue
        counts = Counter(str(status.state) for status in of_kind)
        table.add_row(kind, ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for status in of_kind:
            if everything or status.state is StageState.FAILED:
                table.add_row(f"  {status.stage.title}", str(status.state), _details(status), style="dim")
    unfinished = done < len(statuses)
    return table, (f"{name}: continue with: {session.command}",) if unfinished else ()


def _details(status: StageStatus) -> str:
    if status.why:
        return status.why
    result: dict[str, Any] = dict(status.record.result) if status.record else {}
    if status.stage.kind == "judge" and result.get("win_rate") is not None:
        return format_percent(result["win_rate"])
    if "sft" in result:
        return f"{result['sft']:,} rows, {result['dpo']:,} pairs"
    return f"{result['responses']:,} responses" if "responses" in result else ""
