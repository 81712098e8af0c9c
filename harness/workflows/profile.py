"""Response profiles of several authors over the dialogues that all of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

from agents.errors import UserError
from agents.types import Split
from harness.data.author_resolver import Author, missing_responses_remedy, resolve_author
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split
from results.analysis.response_profile import FLAGS, WORD_LISTS, ProfiledResponse, ResponseProfile, profile
from results.db.store import Store
from results.render.format import format_percent
from results.render.rendering import Rendering
from results.render.response_profile import profile_table

SHOWN_IDS = 8


@dataclass(frozen=True)
class ResponseProfiles:
    """Profiles of several authors over the same dialogues.

    Attributes:
        profiles: author → profile.
        dialogues: number of dialogues that all authors answered.
        split: split of the dialogues.
        answered: author → number of answered dialogues in the split.
    """

    profiles: Mapping[str, ResponseProfile]
    dialogues: int
    split: str
    answered: Mapping[str, int]


async def profile_responses(
    names: Sequence[str], dataset: Dataset, store: Store, split: Split = Split.TEST
) -> ResponseProfiles:
    """Compute the profiles of authors over the dialogues of a split that all of them answered.

    Raises:
        UserError: an author has no responses, or the authors have no dialogue in common.
    """
    authors: list[Author] = [await resolve_author(name, dataset, store) for name in dict.fromkeys(names)]
    split_dialogues = dialogues_in_split(dataset, split)
    common = [
        dialogue
        for dialogue in split_dialogues
        if all(dialogue.key in author.responses for author in authors)
    ]
    answered = {
        author.name: sum(dialogue.key in author.responses for dialogue in split_dialogues)
        for author in authors
    }
    if not common:
        counts = ", ".join(f"{name} answered {count}" for name, count in answered.items())
        raise UserError(
            f"no dialogue of the {split} split was answered by every author",
            code="responses.no-common-dialogues",
            found=f"{counts} of {len(split_dialogues)}",
            remedy=missing_responses_remedy(authors, split_dialogues, str(split)),
        )
    profiles = {
        author.name: profile(
            [
                ProfiledResponse(
                    dialogue.id,
                    f"{dialogue.situation}\n{dialogue.utterance}",
                    author.responses[dialogue.key].text,
                )
                for dialogue in common
            ]
        )
        for author in authors
    }
    return ResponseProfiles(profiles, len(common), str(split), answered)


class WordListDocument(TypedDict):
    """Word list of a profile.

    Attributes:
        description: what it counts.
        words: regular expressions, any case.
    """

    description: str
    words: list[str]


class ProfilesDocument(TypedDict):
    """Response profiles of several authors over the same dialogues.

    Attributes:
        split: the split.
        dialogues: number of dialogues that all authors answered.
        answered: number of dialogues of the split that each author answered.
        authors: profile by author.
        word_lists: word lists by name.
    """

    document: Literal["profiles"]
    split: str
    dialogues: int
    answered: dict[str, int]
    authors: dict[str, ResponseProfile]
    word_lists: dict[str, WordListDocument]


def render_profiles(result: ResponseProfiles) -> Rendering:
    """Render the profiles: one column per author."""
    title = f"Response profiles: {result.dialogues:,} dialogues of the {result.split} split"
    table = profile_table(result.profiles, title=title)
    return Rendering(_data(result), (table,), caveats=tuple(_caveats(result)))


def _data(result: ResponseProfiles) -> ProfilesDocument:
    """Return the profiles and the word lists as JSON data."""
    return {
        "document": "profiles",
        "split": result.split,
        "dialogues": result.dialogues,
        "answered": dict(result.answered),
        "authors": dict(result.profiles),
        "word_lists": {
            name: {"description": description, "words": list(words)}
            for name, (description, words) in WORD_LISTS.items()
        },
    }


def _caveats(result: ResponseProfiles) -> list[str]:
    """Return notes: frequent openings, flagged responses to read, and the word lists."""
    notes = []
    for name, author_profile in result.profiles.items():
        openings = ", ".join(
            f"“{words}” {format_percent(share)}" for words, share in author_profile.openings.items()
        )
        notes.append(f"{name}, frequent openings: {openings}")
        for flag in FLAGS:
            ids = author_profile.flagged[flag]
            if ids:
                more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
                notes.append(f"{name}, responses to read ({flag}): {', '.join(ids[:SHOWN_IDS])}{more}")
    notes.append(
        "The profile is descriptive: word lists match words, not meaning. Distinct n-grams fall with length. "
        "Word lists (regular expressions, any case, anywhere in the response):"
    )
    notes += [f"  {description}: {' | '.join(words)}" for description, words in WORD_LISTS.values()]
    return notes
