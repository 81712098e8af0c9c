"""Table of response profiles: one measure per row, one author per column; word counts only, no judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.analysis.response_profile import FLAGS, WORD_LISTS
from results.report.author_descriptions import ReportAuthor
from results.report.conclusions import NONE, percent
from results.report.contest_metrics import Metric, MetricGroup

SHOWN_IDS = 8


@dataclass(frozen=True, slots=True)
class FlaggedDialogues:
    """Responses that a person should read: author, reason and dialogues."""

    author: str
    flag: str
    ids: tuple[str, ...]
    more: int


def style_groups(authors: Sequence[ReportAuthor]) -> tuple[MetricGroup, ...]:
    """Return the table; every author must have a profile."""
    profiles = [author.profile for author in authors if author.profile]
    return (
        MetricGroup(
            "Length and ending",
            (
                Metric("responses", tuple(f"{author.endings.responses:,}" for author in authors)),
                Metric(
                    "words: mean, median, most",
                    tuple(
                        f"{style.mean_words:.1f}, {style.median_words:.0f}, {style.most_words}"
                        for style in profiles
                    ),
                ),
                Metric("over 97 words", tuple(percent(style.over_limit) for style in profiles)),
                Metric(
                    "truncated",
                    tuple(_share(author.endings.truncated, author.endings.responses) for author in authors),
                    "ended at the limit of tokens; a dash where we did not ask for the answers",
                ),
                Metric(
                    "rambling",
                    tuple(_share(author.endings.rambling, author.endings.responses) for author in authors),
                    "wrote on into another turn, or over 97 words, before any cut",
                ),
                Metric(
                    "does not end as a sentence",
                    tuple(percent(style.cut_off) for style in profiles),
                    "as shown",
                ),
            ),
        ),
        MetricGroup(
            "Variety",
            (
                Metric(
                    "distinct words, pairs, triples",
                    tuple(", ".join(f"{style.distinct[n]:.2f}" for n in (1, 2, 3)) for style in profiles),
                    "distinct n-grams by all; falls with length",
                ),
                Metric(
                    "opening shared with another",
                    tuple(percent(style.same_opening) for style in profiles),
                    "the first three words",
                ),
                Metric(
                    "most frequent opening",
                    tuple(_opening(style.openings) for style in profiles),
                ),
            ),
        ),
        MetricGroup(
            "Content",
            (
                Metric("asks a question", tuple(percent(style.asks) for style in profiles)),
                *(
                    Metric(what, tuple(percent(style.contents[name]) for style in profiles))
                    for name, (what, _) in WORD_LISTS.items()
                ),
                Metric(
                    "points to help in a crisis",
                    tuple(percent(style.crisis_referred) for style in profiles),
                    "of the dialogues that speak of one",
                ),
            ),
            "by the word lists below",
        ),
    )


def flagged_dialogues(authors: Sequence[ReportAuthor]) -> list[FlaggedDialogues]:
    """Return the responses that the word lists flag."""
    return [
        FlaggedDialogues(author.name, flag, ids[:SHOWN_IDS], max(0, len(ids) - SHOWN_IDS))
        for author in authors
        if author.profile
        for flag in FLAGS
        if (ids := author.profile.flagged[flag])
    ]


def _share(count: int | None, total: int) -> str:
    return NONE if count is None or not total else percent(count / total)


def _opening(openings: Mapping[str, float]) -> str:
    return next((f"“{words}” {percent(share)}" for words, share in openings.items()), NONE)
