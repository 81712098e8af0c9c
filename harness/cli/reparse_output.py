"""Output of `empathy rejudge --reparse`, as data and as a table, by judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.verdicts.parser import VERDICT_PARSER
from results.queries.parser_versions import ReparseResult
from results.render.table import Table, make_table


def to_dict(judges: Sequence[ReparseResult]) -> dict[str, Any]:
    """Return the changes as plain data."""
    return {
        "parser": VERDICT_PARSER,
        "reread": sum(judge.reread for judge in judges),
        "judges": [
            {
                "judge": judge.judge,
                "judge_id": judge.judge_id,
                "reread": judge.reread,
                "read_before_by": dict(judge.before.by_parser),
                "parser_versions": judge.after.to_dict(),
            }
            for judge in judges
        ],
    }


def to_table(judges: Sequence[ReparseResult]) -> Table:
    """Return the changes as a table: a row for each judge."""
    heads = ("judgments", "read before by", "read again", "changed", "became scored", "became unscored")
    shown = make_table(f"Judgments parsed by {VERDICT_PARSER}", ("judge", *heads))
    for judge in judges:
        before = ", ".join(f"{parser}: {count}" for parser, count in judge.before.by_parser.items())
        after = judge.after
        shown.add_row(
            judge.judge,
            str(sum(judge.before.by_parser.values())),
            before or "-",
            str(judge.reread),
            *map(str, (after.changed, after.became_scored, after.became_unscored)),
        )
    return shown
