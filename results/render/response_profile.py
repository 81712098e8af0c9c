"""Response profiles: one measure per row, one author per column; word counts only, no judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.text_extraction import WORD_LIMIT
from results.analysis.response_profile import WORD_LISTS, ResponseProfile
from results.render.format import NONE, format_percent
from results.render.table import Table, Value, metric_table


def profile_table(
    profiles: Mapping[str, ResponseProfile],
    endings: Sequence[tuple[str, str, Sequence[Value], str]] = (),
    title: str = "",
) -> Table:
    """Return the profiles by author.

    Args:
        profiles: author → profile.
        endings: more rows about length and ending: name, unit, value by author, explanation.
        title: title of the table.
    """
    table, styles = metric_table(profiles, title), list(profiles.values())
    table.add_section("Length and ending")
    table.add_metric("words: mean", "tenths", (style.mean_words for style in styles))
    table.add_metric("words: median", "whole", (style.median_words for style in styles))
    table.add_metric("words: maximum", "count", (style.most_words for style in styles))
    table.add_metric(f"over {WORD_LIMIT} words", "percent", (style.over_limit for style in styles))
    for name, unit, values, hint in endings:
        table.add_metric(name, unit, values, hint=hint)
    table.add_metric("cut off", "percent", (style.cut_off for style in styles), hint="no end of a sentence")
    table.add_section("Variety")
    table.add_metric(
        "distinct 1- / 2- / 3-grams",
        "decimals",
        (tuple(style.distinct[n] for n in (1, 2, 3)) for style in styles),
        hint="distinct n-grams by all; falls with length",
    )
    table.add_metric(
        "opening shared with another response",
        "percent",
        (style.same_opening for style in styles),
        hint="the first three words",
    )
    table.add_metric("most frequent opening", "text", (_opening(style.openings) for style in styles))
    table.add_section("Content", "by word lists")
    table.add_metric("asks a question", "percent", (style.asks for style in styles))
    for name, (description, _) in WORD_LISTS.items():
        table.add_metric(description, "percent", (style.contents[name] for style in styles))
    table.add_metric(
        "crisis dialogues with a reference to help",
        "percent",
        (style.crisis_referred for style in styles),
        hint="of the dialogues that mention a crisis",
    )
    return table


def _opening(openings: Mapping[str, float]) -> str:
    """Return the most frequent opening with its share."""
    return next((f"“{words}” {format_percent(share)}" for words, share in openings.items()), NONE)
