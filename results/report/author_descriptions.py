"""Authors of a report: role, response profile, endings and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.types import Dialogue, Response, ResponseSet
from results.analysis.response_profile import ProfiledResponse, ResponseProfile, profile
from results.db.store import Store
from results.queries.checkpoints import CheckpointRecord, lineage, load_checkpoints
from results.queries.responses import EndingCounts, count_endings
from results.report.author_roles import AuthorRole, author_role, is_tiny


@dataclass(frozen=True, eq=False)
class ReportAuthor:
    """One response set of a report.

    Attributes:
        response_set: the response set.
        role: its role in the experiment.
        is_tiny: whether its model is a tiny one built for a rehearsal.
        profile: profile of the responses to the report's dialogues; None without responses.
        endings: how its responses end.
        words: dialogue key → number of words of the response.
    """

    response_set: ResponseSet
    role: AuthorRole
    is_tiny: bool
    profile: ResponseProfile | None
    endings: EndingCounts
    words: Mapping[str, int]

    @property
    def name(self) -> str:
        """Return the author name."""
        return self.response_set.name


@dataclass(frozen=True, eq=False)
class TrainedStudent:
    """Checkpoints of a student, oldest first: SFT, then DPO."""

    author: str
    line: tuple[CheckpointRecord, ...]


async def students_of_sets(store: Store, sets: Sequence[ResponseSet]) -> dict[str, CheckpointRecord]:
    """Return, by author, the newest checkpoint of that name."""
    wanted = {response_set.author for response_set in sets}
    checkpoints = await store.read(lambda connection: load_checkpoints(connection, wanted))
    return {checkpoint.author: checkpoint for checkpoint in checkpoints}


async def load_report_author(
    store: Store,
    response_set: ResponseSet,
    dialogues: Sequence[Dialogue],
    trained: Mapping[str, CheckpointRecord],
) -> ReportAuthor:
    """Load the description of an author over these dialogues."""
    responses = {response.dialogue: response for response in await store.responses(response_set.id)}
    answered = [dialogue for dialogue in dialogues if dialogue.key in responses]
    return ReportAuthor(
        response_set=response_set,
        role=author_role(response_set, trained),
        is_tiny=is_tiny(response_set, trained),
        profile=profile([_profiled_response(dialogue, responses[dialogue.key]) for dialogue in answered])
        if answered
        else None,
        endings=await count_endings(store, response_set.id, {dialogue.key for dialogue in answered}),
        words={dialogue.key: len(responses[dialogue.key].text.split()) for dialogue in answered},
    )


def _profiled_response(dialogue: Dialogue, response: Response) -> ProfiledResponse:
    return ProfiledResponse(dialogue.id, f"{dialogue.situation}\n{dialogue.utterance}", response.text)


async def trainings(store: Store, trained: Mapping[str, CheckpointRecord]) -> tuple[TrainedStudent, ...]:
    """Return every student's checkpoints; one that another continues is not repeated."""
    lines = []
    for author, checkpoint in trained.items():
        line = await store.read(lambda connection, checkpoint=checkpoint: lineage(connection, checkpoint))  # type: ignore[misc]
        lines.append(TrainedStudent(author, tuple(line)))
    continued = {checkpoint.id for student in lines for checkpoint in student.line[:-1]}
    return tuple(student for student in lines if student.line[-1].id not in continued)
