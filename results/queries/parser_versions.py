"""Which parser read what: of several readings of one answer the newest counts, and the others stay.

A parser is a pure function of a stored answer, so a newer one re-reads and nothing is asked again. Every
reading is a row of `judgment` under its parser: the history of a verdict is in the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.verdicts.parser import VERDICT_PARSER
from results.db.mappers import parser_order


@dataclass(frozen=True, slots=True)
class ParserVersionCounts:
    """How the judgments of a contest, or of a judge, were read.

    Attributes:
        by_parser: judgments by the parser whose reading counts.
        reread: judgments with an earlier reading, by the parser of that.
        changed: re-read judgments whose verdict is another one now.
        became_scored, became_unscored: re-read judgments that have a verdict now, or have none any more.
    """

    by_parser: Mapping[str, int]
    reread: Mapping[str, int]
    changed: int = 0
    became_scored: int = 0
    became_unscored: int = 0

    @property
    def outdated(self) -> int:
        """Judgments that no parser as new as this program's has read."""
        newest = parser_order(VERDICT_PARSER)
        return sum(count for parser, count in self.by_parser.items() if parser_order(parser) < newest)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "parser": VERDICT_PARSER,
            "read_by": dict(self.by_parser),
            "outdated": self.outdated,
            "reread_from": dict(self.reread),
            "changed": self.changed,
            "became_scored": self.became_scored,
            "became_unscored": self.became_unscored,
        }

    def note(self, judge: str) -> str:
        """What a reader of this judge's numbers must know; "" where one parser of today read everything."""
        told = []
        if self.outdated or len(self.by_parser) > 1:
            told.append("read by " + _counts(self.by_parser))
        if self.reread:
            moved = self.changed + self.became_scored + self.became_unscored
            told.append(
                f"{sum(self.reread.values())} read again (before by {_counts(self.reread)}): "
                f"{moved} verdicts changed ({self.changed} to another, {self.became_scored} from unscored, "
                f"{self.became_unscored} to unscored)"
            )
        if self.outdated:
            told.append(f"{self.outdated} not yet by {VERDICT_PARSER}: empathy rejudge --reparse, at no cost")
        return f"{judge}: {'; '.join(told)}." if told else ""


def _counts(parsers: Mapping[str, int]) -> str:
    return ", ".join(f"{parser} ({count})" for parser, count in parsers.items())


def newest_judgments(rows: Iterable[Any], judged: Callable[[Any], Hashable]) -> list[Any]:
    """Of several readings of one answer the newest parser's, in the order of the rows.

    Args:
        rows: with `parser`.
        judged: of a row, what was judged: the same for all readings of one answer about one pair.
    """
    return [readings[-1] for readings in _by_judgment(rows, judged)]


def count_parser_versions(rows: Iterable[Any], judged: Callable[[Any], Hashable]) -> ParserVersionCounts:
    """How these judgments were read (rows with `parser` and `preference`; see `newest_judgments`)."""
    by_parser, reread, moved = Counter[str](), Counter[str](), Counter[str]()
    for readings in _by_judgment(rows, judged):
        by_parser[readings[-1].parser] += 1
        if len(readings) > 1:
            reread[readings[-2].parser] += 1
            moved[count_changes(readings[-2].preference, readings[-1].preference)] += 1
    return ParserVersionCounts(
        dict(sorted(by_parser.items(), key=lambda item: parser_order(item[0]))),
        dict(sorted(reread.items(), key=lambda item: parser_order(item[0]))),
        moved["changed"],
        moved["became_scored"],
        moved["became_unscored"],
    )


def count_changes(before: str | None, after: str | None) -> str:
    """What re-reading did to a verdict: "", "changed", "became_scored" or "became_unscored"."""
    if before == after:
        return ""
    if before is None:
        return "became_scored"
    return "became_unscored" if after is None else "changed"


def _by_judgment(rows: Iterable[Any], judged: Callable[[Any], Hashable]) -> list[list[Any]]:
    """The readings of each judgment, the oldest parser first; judgments in the order of the rows."""
    found: dict[Hashable, list[Any]] = {}
    for row in rows:
        found.setdefault(judged(row), []).append(row)
    for readings in found.values():
        if len(readings) > 1:
            readings.sort(key=lambda row: parser_order(row.parser))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class ReparseResult:
    """What re-reading did to one judge's judgments.

    Attributes:
        judge, judge_id: who.
        before: how its judgments were read before.
        after: how they are read now; its changes are against each judgment's reading before.
        reread: judgments that this call read again.
    """

    judge: str
    judge_id: str
    before: ParserVersionCounts
    after: ParserVersionCounts
    reread: int
