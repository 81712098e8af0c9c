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
        of: the response set.
        role: its role in the experiment.
        is_tiny: whether its model is a tiny one built for a rehearsal.
        profile: profile of the responses to the report's dialogues; None without responses.
        endings: how its responses end.
        words: dialogue key → number of words of the response.
    """

    of: ResponseSet
    role: AuthorRole
    is_tiny: bool
    profile: ResponseProfile | None
    endings: EndingCounts
    words: Mapping[str, int]

    @property
    def name(self) -> str:
        """Return the author name."""
        return self.of.name


@dataclass(frozen=True, eq=False)
class TrainedStudent:
    """Checkpoints of a student, oldest first: SFT, then DPO."""

    author: str
    line: tuple[CheckpointRecord, ...]


async def students_of_sets(store: Store, sets: Sequence[ResponseSet]) -> dict[str, CheckpointRecord]:
    """Return, by author, the newest checkpoint of that name."""
    wanted = {of.author for of in sets}
    found = await store.read(lambda connection: load_checkpoints(connection, wanted))
    return {one.author: one for one in found}


async def load_report_author(
    store: Store, of: ResponseSet, dialogues: Sequence[Dialogue], trained: Mapping[str, CheckpointRecord]
) -> ReportAuthor:
    """Load the description of an author over these dialogues."""
    responses = {one.dialogue: one for one in await store.responses(of.id)}
    answered = [one for one in dialogues if one.key in responses]
    return ReportAuthor(
        of=of,
        role=author_role(of, trained),
        is_tiny=is_tiny(of, trained),
        profile=profile([_said(one, responses[one.key]) for one in answered]) if answered else None,
        endings=await count_endings(store, of.id, {one.key for one in answered}),
        words={one.key: len(responses[one.key].text.split()) for one in answered},
    )


def _said(dialogue: Dialogue, response: Response) -> ProfiledResponse:
    return ProfiledResponse(dialogue.id, f"{dialogue.situation}\n{dialogue.utterance}", response.text)


async def trainings(store: Store, trained: Mapping[str, CheckpointRecord]) -> tuple[TrainedStudent, ...]:
    """Return every student's checkpoints; one that another continues is not repeated."""
    lines = []
    for author, one in trained.items():
        line = await store.read(lambda connection, one=one: lineage(connection, one))  # type: ignore[misc]
        lines.append(TrainedStudent(author, tuple(line)))
    passed = {one.id for of in lines for one in of.line[:-1]}
    return tuple(of for of in lines if of.line[-1].id not in passed)
