"""The authors of a page: what each is, what its responses are like, how they end, and how it was trained."""

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
    """One set of responses.

    Attributes:
        of: the set.  role: what it is.  is_tiny: whether its model was built on the spot to rehearse with.
        profile: of its responses to the page's dialogues; None where there are none.
        endings: how its answers end.
        words: dialogue key → words of the response.
    """

    of: ResponseSet
    role: AuthorRole
    is_tiny: bool
    profile: ResponseProfile | None
    endings: EndingCounts
    words: Mapping[str, int]

    @property
    def name(self) -> str:
        """As users write it."""
        return self.of.name


@dataclass(frozen=True, eq=False)
class TrainedStudent:
    """A student's way, first training first: SFT, then DPO."""

    author: str
    line: tuple[CheckpointRecord, ...]


async def students_of_sets(store: Store, sets: Sequence[ResponseSet]) -> dict[str, CheckpointRecord]:
    """By author, the newest checkpoint of the name."""
    wanted = {of.author for of in sets}
    found = await store.read(lambda connection: load_checkpoints(connection, wanted))
    return {one.author: one for one in found}


async def author_of(
    store: Store, of: ResponseSet, dialogues: Sequence[Dialogue], trained: Mapping[str, CheckpointRecord]
) -> ReportAuthor:
    """All of an author, over these dialogues."""
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
    """Every student's way; one that another went on from is told there, not twice."""
    lines = []
    for author, one in trained.items():
        line = await store.read(lambda connection, one=one: lineage(connection, one))  # type: ignore[misc]
        lines.append(TrainedStudent(author, tuple(line)))
    passed = {one.id for of in lines for one in of.line[:-1]}
    return tuple(of for of in lines if of.line[-1].id not in passed)
