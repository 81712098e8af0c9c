"""Parser versions of stored judgments: the newest parse of each completion counts.

A parser is a pure function of a stored completion, so a newer parser re-parses without new requests. Every
parse is a row of `judgment` under its parser version, so the history of a verdict stays in the database.
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
    """Parser versions of a contest's or judge's judgments.

    Attributes:
        by_parser: number of judgments by the parser whose parse counts.
        reread: number of re-parsed judgments, by the previous parser.
        changed: re-parsed judgments with another verdict.
        became_scored, became_unscored: re-parsed judgments that gained or lost a verdict.
    """

    by_parser: Mapping[str, int]
    reread: Mapping[str, int]
    changed: int = 0
    became_scored: int = 0
    became_unscored: int = 0

    @property
    def outdated(self) -> int:
        """Return the number of judgments that the current parser, or a newer one, has not parsed."""
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
        """Return a warning about this judge's parser versions; "" if the current parser parsed everything."""
        sentences = []
        if self.outdated or len(self.by_parser) > 1:
            sentences.append("parsed by " + _counts(self.by_parser))
        if self.reread:
            n_changed = self.changed + self.became_scored + self.became_unscored
            sentences.append(
                f"{sum(self.reread.values())} parsed again (before by {_counts(self.reread)}): "
                f"{n_changed} verdicts changed ({self.changed} to another, {self.became_scored} from "
                f"unscored, {self.became_unscored} to unscored)"
            )
        if self.outdated:
            sentences.append(
                f"{self.outdated} not yet parsed by {VERDICT_PARSER}; run empathy rejudge --reparse (free)"
            )
        return f"{judge}: {'; '.join(sentences)}." if sentences else ""


def _counts(parsers: Mapping[str, int]) -> str:
    return ", ".join(f"{parser} ({count})" for parser, count in parsers.items())


def newest_judgments(rows: Iterable[Any], judgment_key: Callable[[Any], Hashable]) -> list[Any]:
    """Return, of several parses of one completion, the newest parser's, in the order of the rows.

    Args:
        rows: with `parser`.
        judged: returns what a row judges, the same for all parses of one completion about one pair.
    """
    return [parses[-1] for parses in _by_judgment(rows, judgment_key)]


def count_parser_versions(
    rows: Iterable[Any], judgment_key: Callable[[Any], Hashable]
) -> ParserVersionCounts:
    """Count the parser versions of these judgments (rows with `parser` and `preference`)."""
    by_parser, reread, changes = Counter[str](), Counter[str](), Counter[str]()
    for parses in _by_judgment(rows, judgment_key):
        by_parser[parses[-1].parser] += 1
        if len(parses) > 1:
            reread[parses[-2].parser] += 1
            changes[verdict_change(parses[-2].preference, parses[-1].preference)] += 1
    return ParserVersionCounts(
        dict(sorted(by_parser.items(), key=lambda item: parser_order(item[0]))),
        dict(sorted(reread.items(), key=lambda item: parser_order(item[0]))),
        changes["changed"],
        changes["became_scored"],
        changes["became_unscored"],
    )


def verdict_change(before: str | None, after: str | None) -> str:
    """Return what re-parsing did to a verdict: "", "changed", "became_scored" or "became_unscored"."""
    if before == after:
        return ""
    if before is None:
        return "became_scored"
    return "became_unscored" if after is None else "changed"


def _by_judgment(rows: Iterable[Any], judgment_key: Callable[[Any], Hashable]) -> list[list[Any]]:
    """Return the parses of each judgment, oldest parser first; judgments in the order of the rows."""
    by_judgment: dict[Hashable, list[Any]] = {}
    for row in rows:
        by_judgment.setdefault(judgment_key(row), []).append(row)
    for parses in by_judgment.values():
        if len(parses) > 1:
            parses.sort(key=lambda row: parser_order(row.parser))
    return list(by_judgment.values())


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
