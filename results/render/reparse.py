"""Changes of stored verdicts by a new reading with the current parser, by judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from agents.verdicts.parser import VERDICT_PARSER
from results.queries.parser_versions import ReparseResult
from results.render.documents import ParserVersionsDocument
from results.render.rendering import Rendering
from results.render.table import Column, Table


class JudgeReparseDocument(TypedDict):
    """Judgments of one judge after parsing stored completions again.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        reread: number of judgments that were parsed again.
        read_before_by: number of judgments by parser before.
        parser_versions: parser versions after.
    """

    judge: str
    judge_id: str
    reread: int
    read_before_by: dict[str, int]
    parser_versions: ParserVersionsDocument


class ReparseDocument(TypedDict):
    """Result of parsing stored completions with a new parser.

    Attributes:
        parser: the current parser.
        reread: number of judgments that were parsed again.
        judges: the judges.
    """

    document: Literal["reparse"]
    parser: str
    reread: int
    judges: list[JudgeReparseDocument]


def render_reparse(judges: Sequence[ReparseResult]) -> Rendering:
    """Render what a new reading of stored completions changed."""
    return Rendering(_data(judges), (_table(judges),))


def _data(judges: Sequence[ReparseResult]) -> ReparseDocument:
    """Return the changes as JSON data."""
    return {
        "document": "reparse",
        "parser": VERDICT_PARSER,
        "reread": sum(judge.reread for judge in judges),
        "judges": [
            {
                "judge": judge.judge,
                "judge_id": judge.judge_id,
                "reread": judge.reread,
                "read_before_by": dict(judge.before.by_parser),
                "parser_versions": ParserVersionsDocument(**judge.after.to_dict()),  # type: ignore[typeddict-item]
            }
            for judge in judges
        ],
    }


def _table(judges: Sequence[ReparseResult]) -> Table:
    """Return the changes: a row for each judge."""
    columns = [
        Column("judge"),
        Column("judgments", unit="count"),
        Column("read_before_by", alignment="right"),
        Column("reread", "read again", "count"),
        Column("changed", unit="count"),
        Column("became_scored", unit="count"),
        Column("became_unscored", unit="count"),
    ]
    table = Table(f"Judgments parsed by {VERDICT_PARSER}", columns=columns)
    for judge in judges:
        parsers, after = judge.before.by_parser, judge.after
        before = ", ".join(f"{parser}: {count}" for parser, count in parsers.items()) or None
        counts = (judge.reread, after.changed, after.became_scored, after.became_unscored)
        table.add_row(judge.judge, sum(parsers.values()), before, *counts)
    return table
