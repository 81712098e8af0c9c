"""Profiles of authors: their responses found, the dialogues that all of them answered, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.errors import UserError
from agents.types import Split
from harness.data.author_resolver import Author, missing_responses_remedy, resolve_author
from harness.data.dataset import Dataset
from harness.data.splits import dialogues_in_split
from results.analysis.response_profile import FLAGS, WORD_LISTS, ProfiledResponse, ResponseProfile, profile
from results.db.store import Store
from results.render.format import format_percent
from results.render.table import Table, make_table

SHOWN_IDS = 8


@dataclass(frozen=True)
class ResponseProfiles:
    """Profiles of several authors over the same dialogues.

    Attributes:
        of: author's name → profile.
        dialogues: how many all of them answered.  split: where these come from.
        answered: author's name → how many of the split it answered.
    """

    of: Mapping[str, ResponseProfile]
    dialogues: int
    split: str
    answered: Mapping[str, int]


async def profile_responses(
    names: Sequence[str], dataset: Dataset, store: Store, split: Split = Split.TEST
) -> ResponseProfiles:
    """The profiles of authors, over the dialogues of a split that all of them answered.

    Raises:
        UserError: an author has no responses, or there is no dialogue that all answered.
    """
    authors: list[Author] = [await resolve_author(name, dataset, store) for name in dict.fromkeys(names)]
    of_split = dialogues_in_split(dataset, split)
    common = [one for one in of_split if all(one.key in author.responses for author in authors)]
    answered = {author.name: sum(one.key in author.responses for one in of_split) for author in authors}
    if not common:
        told = ", ".join(f"{name} answered {count}" for name, count in answered.items())
        raise UserError(
            f"no dialogue of the {split} split was answered by every author",
            code="responses.no-common-dialogues",
            found=f"{told} of {len(of_split)}",
            remedy=missing_responses_remedy(authors, of_split, str(split)),
        )
    of = {
        author.name: profile(
            [
                ProfiledResponse(one.id, f"{one.situation}\n{one.utterance}", author.responses[one.key].text)
                for one in common
            ]
        )
        for author in authors
    }
    return ResponseProfiles(of, len(common), str(split), answered)


def to_dict(found: ResponseProfiles) -> dict[str, Any]:
    """For `--json`; the word lists are part of it."""
    return {
        "split": found.split,
        "dialogues": found.dialogues,
        "answered": dict(found.answered),
        "authors": {
            name: {**asdict(one), "distinct": {str(n): value for n, value in one.distinct.items()}}
            for name, one in found.of.items()
        },
        "word_lists": {name: {"counts": what, "words": words} for name, (what, words) in WORD_LISTS.items()},
    }


def to_table(found: ResponseProfiles) -> Table:
    """One column an author."""
    title = f"Response profiles: {found.dialogues:,} dialogues of the {found.split} split"
    table = make_table(title, ("", *found.of))
    columns = [_rows(one) for one in found.of.values()]
    for row in columns[0]:
        table.add_row(row, *(column[row] for column in columns))
    return table


def _rows(one: ResponseProfile) -> dict[str, str]:
    contents = {what: format_percent(one.contents[name]) for name, (what, _) in WORD_LISTS.items()}
    return {
        "words: mean / median / most": f"{one.mean_words:.1f} / {one.median_words:.0f} / {one.most_words}",
        "over 97 words": format_percent(one.over_limit),
        "cut off": format_percent(one.cut_off),
        "distinct 1- / 2- / 3-grams": " / ".join(f"{value:.2f}" for value in one.distinct.values()),
        "opening shared with another": format_percent(one.same_opening),
        "asks a question": format_percent(one.asks),
        **contents,
        "crisis dialogues pointed to help": format_percent(one.crisis_referred),
    }


def caveats(found: ResponseProfiles) -> list[str]:
    """What is to be said beside the table: openings, flagged responses to read, the word lists."""
    told = []
    for name, one in found.of.items():
        openings = ", ".join(f"“{words}” {format_percent(share)}" for words, share in one.openings.items())
        told.append(f"{name} opens with: {openings}")
        for flag in FLAGS:
            ids = one.flagged[flag]
            if ids:
                more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
                told.append(f"{name}, to be read ({flag}): {', '.join(ids[:SHOWN_IDS])}{more}")
    told.append(
        "Descriptive: a word list finds its words, not what was meant. Distinct n-grams fall with length. "
        "The lists (regular expressions, any case, anywhere in the response):"
    )
    told += [f"  {what}: {' | '.join(words)}" for what, words in WORD_LISTS.values()]
    return told
