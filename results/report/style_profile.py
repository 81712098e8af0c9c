"""Profiles of the authors' responses, and the responses that a person should read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.analysis.response_profile import FLAGS
from results.render.response_profile import profile_table
from results.render.table import Table
from results.report.author_descriptions import ReportAuthor

SHOWN_IDS = 8


@dataclass(frozen=True, slots=True)
class FlaggedDialogues:
    """Responses that a person should read: author, reason and dialogues."""

    author: str
    flag: str
    ids: tuple[str, ...]
    more: int


def style_table(authors: Sequence[ReportAuthor]) -> Table:
    """Return the profiles, with the endings of the responses; every author must have a profile."""
    endings = [author.endings for author in authors]
    more = (
        ("responses", "count", [ending.responses for ending in endings], ""),
        (
            "truncated",
            "percent",
            [_share(ending.truncated, ending.responses) for ending in endings],
            "ended at the limit of tokens; a dash where we did not ask for the answers",
        ),
        (
            "rambling",
            "percent",
            [_share(ending.rambling, ending.responses) for ending in endings],
            "wrote on into another turn, or over 97 words, before any cut",
        ),
    )
    return profile_table({author.name: author.profile for author in authors if author.profile}, more)


def flagged_dialogues(authors: Sequence[ReportAuthor]) -> list[FlaggedDialogues]:
    """Return the responses that the word lists flag."""
    return [
        FlaggedDialogues(author.name, flag, ids[:SHOWN_IDS], max(0, len(ids) - SHOWN_IDS))
        for author in authors
        if author.profile
        for flag in FLAGS
        if (ids := author.profile.flagged[flag])
    ]


def _share(count: int | None, total: int) -> float | None:
    """Return the share of responses; None if it is unknown."""
    return None if count is None or not total else count / total
