"""The table of what the authors' responses are like: a measure a row, an author a column; words for every
number. Descriptive: counts of words, no judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.analysis.response_profile import FLAGS, WORD_LISTS
from results.report.author_descriptions import Author
from results.report.conclusions import NONE, percent
from results.report.contest_metrics import Group, Measure

SHOWN_IDS = 8


@dataclass(frozen=True, slots=True)
class ToRead:
    """Responses that a person should read: whose, why, and to which dialogues."""

    author: str
    flag: str
    ids: tuple[str, ...]
    more: int


def manner_of(authors: Sequence[Author]) -> tuple[Group, ...]:
    """The whole table; every author has a profile."""
    profiles = [one.profile for one in authors if one.profile]
    return (
        Group(
            "Length and ending",
            (
                Measure("responses", tuple(f"{one.endings.responses:,}" for one in authors)),
                Measure(
                    "words: mean, median, most",
                    tuple(
                        f"{one.mean_words:.1f}, {one.median_words:.0f}, {one.most_words}" for one in profiles
                    ),
                ),
                Measure("over 97 words", tuple(percent(one.over_limit) for one in profiles)),
                Measure(
                    "truncated",
                    tuple(_share(one.endings.truncated, one.endings.responses) for one in authors),
                    "ended at the limit of tokens; a dash where we did not ask for the answers",
                ),
                Measure(
                    "rambling",
                    tuple(_share(one.endings.rambling, one.endings.responses) for one in authors),
                    "wrote on into another turn, or over 97 words, before any cut",
                ),
                Measure(
                    "does not end as a sentence", tuple(percent(one.cut_off) for one in profiles), "as shown"
                ),
            ),
        ),
        Group(
            "Variety",
            (
                Measure(
                    "distinct words, pairs, triples",
                    tuple(", ".join(f"{one.distinct[n]:.2f}" for n in (1, 2, 3)) for one in profiles),
                    "distinct n-grams by all; falls with length",
                ),
                Measure(
                    "opening shared with another",
                    tuple(percent(one.same_opening) for one in profiles),
                    "the first three words",
                ),
                Measure(
                    "most frequent opening",
                    tuple(_opening(one.openings) for one in profiles),
                ),
            ),
        ),
        Group(
            "Content",
            (
                Measure("asks a question", tuple(percent(one.asks) for one in profiles)),
                *(
                    Measure(what, tuple(percent(one.contents[name]) for one in profiles))
                    for name, (what, _) in WORD_LISTS.items()
                ),
                Measure(
                    "points to help where a crisis is told",
                    tuple(percent(one.crisis_referred) for one in profiles),
                    "of the dialogues that speak of one",
                ),
            ),
            "by the word lists below",
        ),
    )


def to_read(authors: Sequence[Author]) -> list[ToRead]:
    """The responses that the lists flag."""
    return [
        ToRead(one.name, flag, ids[:SHOWN_IDS], max(0, len(ids) - SHOWN_IDS))
        for one in authors
        if one.profile
        for flag in FLAGS
        if (ids := one.profile.flagged[flag])
    ]


def _share(count: int | None, of: int) -> str:
    return NONE if count is None or not of else percent(count / of)


def _opening(openings: Mapping[str, float]) -> str:
    return next((f"“{words}” {percent(share)}" for words, share in openings.items()), NONE)
