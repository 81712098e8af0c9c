"""Stages of studies: how many of each kind are done, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.study.graph import KINDS
from harness.study.scheduler import StageStatus
from harness.study.session import StudySession
from harness.study.status_tables import StudiesDocument, StudyDocument, render_status, study_data
from results.db.studies import DONE, FAILED, StoredStage
from results.render.format import format_percent
from results.render.rendering import Rendering
from results.render.table import Column, Table

FEW_STAGES = 40  # a study with more of them is summed up by kind


@dataclass(frozen=True)
class StudyStages:
    """Stages of a study, of this folder or known to the database only.

    Attributes:
        name: name of the study.
        stages: its stages, in order.
        command: command that continues it; "" if it was run elsewhere.
    """

    name: str
    stages: tuple[StoredStage, ...]
    command: str = ""

    @classmethod
    def of_session(cls, session: StudySession, statuses: Sequence[StageStatus]) -> StudyStages:
        """Return the stages of a session."""
        return cls(session.study().name, tuple(status.stored for status in statuses), session.command)


def render_study_stages(
    session: StudySession, statuses: Sequence[StageStatus], *, everything: bool = False
) -> Rendering:
    """Render the stages and the win rates of one study of this folder.

    Args:
        everything: whether to list every stage of a large study, too.
    """
    rendering = render_status(session.study(), statuses)
    study = StudyStages.of_session(session, statuses)
    table, unfinished = _stage_table(study, everything=everything or len(statuses) <= FEW_STAGES)
    return Rendering(rendering.document, (table,), unfinished) + rendering


def render_stored_study(study: StudyStages, *, everything: bool = False) -> Rendering:
    """Render the stages of one study that the database knows."""
    document: StudyDocument = {"document": "study", **study_data(study.name, study.stages)}
    table, notes = _stage_table(study, everything=everything or len(study.stages) <= FEW_STAGES)
    return Rendering(document, (table,), notes)


def render_studies(studies: Sequence[StudyStages], *, everything: bool = False) -> Rendering:
    """Render the stages of several studies; failed stages are always listed."""
    document: StudiesDocument = {
        "document": "studies",
        "studies": [study_data(study.name, study.stages) for study in studies],
    }
    shown = [_stage_table(study, everything=everything) for study in studies]
    tables, notes = (table for table, _ in shown), (note for _, notes in shown for note in notes)
    return Rendering(document, tuple(tables), tuple(notes))


def _stage_table(study: StudyStages, *, everything: bool) -> tuple[Table, tuple[str, ...]]:
    """Return the table of a study's stages, and how to continue."""
    done, name = sum(stage.state == DONE for stage in study.stages), study.name
    table = Table(
        f"{name}: {done} of {len(study.stages)} stages done",
        columns=[Column("kind", "stage"), Column("state"), Column("result")],
    )
    for kind in KINDS:
        of_kind = [stage for stage in study.stages if stage.kind == kind]
        if not of_kind:
            continue
        counts = Counter(stage.state for stage in of_kind)
        table.add_row(kind, ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
        for stage in of_kind:
            if everything or stage.state == FAILED:
                title = stage.name.removeprefix(f"{kind} ")
                table.add_row(f"  {title}", stage.state, _details(stage), style="dim")
    continues = done < len(study.stages) and study.command
    return table, (f"{name}: continue with: {study.command}",) if continues else ()


def _details(stage: StoredStage) -> str:
    if stage.why:
        return stage.why
    result: dict[str, Any] = dict(stage.record.result) if stage.record else {}
    if stage.kind == "judge" and result.get("win_rate") is not None:
        return format_percent(result["win_rate"])
    if "sft" in result:
        return f"{result['sft']:,} rows, {result['dpo']:,} pairs"
    return f"{result['responses']:,} responses" if "responses" in result else ""
