"""Reparsing: parse every stored completion of the judges with the current parser, without requests.

Each parser version has its own rows, so earlier readings stay in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, select

from agents.control_judges import rules
from agents.judge import ALLOWED
from agents.types import Judgment
from agents.verdicts.parser import VERDICT_PARSER, parse_verdict
from results.db.bulk import insert_if_absent
from results.db.mappers import completion_from_row, judgment_row, parser_order
from results.db.schema import CompletionRow, JudgeRow, JudgmentRow, table
from results.db.store import CHUNK, Store
from results.queries.parser_versions import ReparseResult, count_parser_versions, newest_judgments

_judgments, _completions, _judges = table(JudgmentRow), table(CompletionRow), table(JudgeRow)
_KEY_COLUMNS = ("judge_id", "dialogue", "first", "second", "sample", "attempt", "call_key")


async def reparse(store: Store) -> list[ReparseResult]:
    """Parse all stored completions that only older parsers have read; results are sorted by judge name.

    Raises:
        UserError: the database cannot be read or written.
    """
    query = select(_judges.c.id, _judges.c.name, _judges.c.provider, _judges.c.sampling)
    judges = await store.read(
        lambda connection: connection.execute(query.order_by(_judges.c.name, _judges.c.id)).all()
    )
    return [await _reparse_judge(store, judge) for judge in judges]


async def _reparse_judge(store: Store, judge: Any) -> ReparseResult:
    rows = await _load_readings(store, judge.id)
    current = parser_order(VERDICT_PARSER)
    outdated = [row for row in newest_judgments(rows, _judgment_key) if parser_order(row.parser) < current]
    answers = _allowed_answers(judge)
    for start in range(0, len(outdated), CHUNK):
        await _save_readings(store, outdated[start : start + CHUNK], answers)
    after = await _load_readings(store, judge.id) if outdated else rows
    return ReparseResult(
        judge.name,
        judge.id,
        count_parser_versions(rows, _judgment_key),
        count_parser_versions(after, _judgment_key),
        len(outdated),
    )


def _judgment_key(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _KEY_COLUMNS)


def _allowed_answers(judge: Any) -> tuple[str, ...]:
    """Return the allowed answers of a judge from its record."""
    if judge.provider == "control":
        return rules.ANSWERS
    sampling = orjson.loads(judge.sampling)
    choices = tuple(sampling.get("choices") or ()) if isinstance(sampling, dict) else ()
    return choices if choices in ALLOWED else ALLOWED[0]


async def _load_readings(store: Store, judge_id: str) -> Sequence[Any]:
    """Return all stored readings of a judge's completions."""
    columns = [_judgments.c[name] for name in (*_KEY_COLUMNS, "parser", "preference")]
    query = (
        select(*columns)
        .join(_completions, _completions.c.key == _judgments.c.call_key)
        .where(_judgments.c.judge_id == judge_id)
        .order_by(*_judgments.primary_key)
    )
    return await store.read(lambda connection: connection.execute(query).all())


async def _save_readings(store: Store, rows: Sequence[Any], answers: tuple[str, ...]) -> None:
    """Parse the completions of these judgments and commit the readings in one transaction."""
    keys = sorted({row.call_key for row in rows})

    def write_readings(connection: Connection) -> None:
        stored = connection.execute(select(_completions).where(_completions.c.key.in_(keys)))
        outcomes = {row.key: parse_verdict(completion_from_row(row), answers) for row in stored}
        readings = [
            Judgment(
                call_key=row.call_key,
                judge_id=row.judge_id,
                dialogue=row.dialogue,
                first=row.first,
                second=row.second,
                sample=row.sample,
                attempt=row.attempt,
                parser=VERDICT_PARSER,
                outcome=outcomes[row.call_key],
            )
            for row in rows
        ]
        insert_if_absent(connection, _judgments, [judgment_row(reading) for reading in readings])

    await store.database.write(write_readings)
