"""The authors of a page: what each is, what its responses are like, how they end, and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.types import Dialogue, Response, ResponseSet
from results.analysis.response_profile import Profile, ProfiledResponse, profile
from results.db.store import Store
from results.queries.checkpoints import Registered, checkpoints_of, lineage
from results.queries.responses import Endings, endings_of
from results.report.author_roles import Role, is_tiny, role_of


@dataclass(frozen=True, eq=False)
class Author:
    """One set of responses.

    Attributes:
        of: the set.  role: what it is.  is_tiny: whether its model was built on the spot to rehearse with.
        profile: of its responses to the page's dialogues; None where there are none.
        endings: how its answers end.
        words: dialogue key → words of the response.
    """

    of: ResponseSet
    role: Role
    is_tiny: bool
    profile: Profile | None
    endings: Endings
    words: Mapping[str, int]

    @property
    def name(self) -> str:
        """As users write it."""
        return self.of.name


@dataclass(frozen=True, eq=False)
class Trained:
    """A student's way, first training first: SFT, then DPO."""

    author: str
    line: tuple[Registered, ...]


async def known_students(store: Store, sets: Sequence[ResponseSet]) -> dict[str, Registered]:
    """By author, the newest checkpoint of the name."""
    wanted = {of.author for of in sets}
    found = await store.read(lambda connection: checkpoints_of(connection, wanted))
    return {one.author: one for one in found}


async def author_of(
    store: Store, of: ResponseSet, dialogues: Sequence[Dialogue], trained: Mapping[str, Registered]
) -> Author:
    """All of an author, over these dialogues."""
    responses = {one.dialogue: one for one in await store.responses(of.id)}
    answered = [one for one in dialogues if one.key in responses]
    return Author(
        of=of,
        role=role_of(of, trained),
        is_tiny=is_tiny(of, trained),
        profile=profile([_said(one, responses[one.key]) for one in answered]) if answered else None,
        endings=await endings_of(store, of.id, {one.key for one in answered}),
        words={one.key: len(responses[one.key].text.split()) for one in answered},
    )


def _said(dialogue: Dialogue, response: Response) -> ProfiledResponse:
    return ProfiledResponse(dialogue.id, f"{dialogue.situation}\n{dialogue.utterance}", response.text)


async def trainings(store: Store, trained: Mapping[str, Registered]) -> tuple[Trained, ...]:
    """Every student's way; one that another went on from is told there, not twice."""
    lines = []
    for author, one in trained.items():
        line = await store.read(lambda connection, one=one: lineage(connection, one))  # type: ignore[misc]
        lines.append(Trained(author, tuple(line)))
    passed = {one.id for of in lines for one in of.line[:-1]}
    return tuple(of for of in lines if of.line[-1].id not in passed)
