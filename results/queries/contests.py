"""A run's contests as columns for the statistics, from the database alone.

Of several attempts at one judgment the last readable one counts; of several readings of one answer, the
newest parser's. What was to be judged and was not stays visible: the columns know how many dialogues there
were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Select, select

from agents.errors import UserError
from agents.models.family import FamilyMatch, family_matches
from agents.models.response_model import UNNAMED, answering_model_note
from agents.types import Dialogue, ResponseSet
from results.db.schema import (
    CompletionRow,
    ContestRow,
    DialogueRow,
    JudgeRow,
    JudgmentRow,
    ResponseRow,
    ResponseSetRow,
    RunDialogueRow,
    table,
)
from results.db.store import CHUNK, Store
from results.queries.parser_versions import ParserVersionCounts, count_parser_versions, newest_judgments
from results.queries.student_lineage import taught
from results.statistics.judgment_table import JudgmentTable

CONTROL = "control"
_A_SCORE = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, eq=False)
class Contest:
    """Author A against author B under one judge.

    Attributes:
        judge: as people write it; `judge_id` its content id; `judge_provider`, `judge_model` who it is.
        a, b: the two sets of responses.
        dialogues: those that were to be judged, in the run's order; columns' codes are their positions.
        columns: the judgments that count.
        samples: how many repetitions were asked for.
        asked_again: judgments that needed more than one attempt.
        cost_usd: of all answers behind the judgments, every attempt counted; None where not known.
        readings: which parser read the judgments, and what re-reading changed.
        kin: those of the two authors that are of the judge's family.
        answerers: answering name → number of answers behind the judgments that count.
        left_out: answers of other models, which `snapshots` leaves out.
        temperature: the judge's, ≥ 0; None where it was left to the provider.
    """

    judge: str
    judge_id: str
    judge_provider: str
    judge_model: str
    prompt_version: str
    identity: str
    a: ResponseSet
    b: ResponseSet
    dialogues: tuple[Dialogue, ...]
    columns: JudgmentTable
    samples: int
    asked_again: int
    cost_usd: float | None
    readings: ParserVersionCounts
    same_family: tuple[FamilyMatch, ...] = ()
    answerers: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0

    @property
    def answering_model_note(self) -> str:
        """A sentence on who answered under the judge's name; "" where it was that model alone."""
        if self.judge_provider == CONTROL:
            return ""
        return answering_model_note(self.judge, self.judge_model, self.answerers, self.left_out)

    temperature: float | None = None

    @property
    def expected(self) -> int:
        """Judgments that were to be made: both orders of every dialogue, every sample."""
        return 2 * len(self.dialogues) * self.samples


async def load_contests(store: Store, run_id: str, snapshots: Collection[str] = ()) -> list[Contest]:
    """All contests of a run, in the order of their judges' names.

    Args:
        snapshots: answering names that alone are counted, for each judge that has answers under one of them.

    Raises:
        UserError: nothing in the database was answered under one of these names.
    """
    dialogues = await load_run_dialogues(store, run_id)
    contest, judge = table(ContestRow).c, table(JudgeRow).c
    wanted = (
        select(
            contest.set_a,
            contest.set_b,
            contest.samples,
            judge.id,
            judge.name,
            judge.provider,
            judge.model,
            judge.prompt_version,
            judge.identity,
            judge.sampling,
        )
        .join(table(JudgeRow), judge.id == contest.judge_id)
        .where(contest.run_id == run_id)
        .order_by(judge.name, judge.id, contest.set_a, contest.set_b)
    )
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    told = await taught(store)
    found = []
    sets = {set_id: await _set(store, set_id) for row in rows for set_id in (row.set_a, row.set_b)}
    of_judge = {
        judge_id: await _judgments(store, run_id, judge_id, sets) for judge_id in {r.id for r in rows}
    }
    snapshots = ["" if name == UNNAMED else name for name in snapshots]
    await _check_snapshots(store, snapshots, of_judge)
    for row in rows:
        a, b = sets[row.set_a], sets[row.set_b]
        of_pair = of_judge[row.id].get(frozenset((a.id, b.id)), ())
        every = [one for one in of_pair if one.sample < row.samples]
        judgments = _of_snapshots(every, snapshots)
        columns, again, counting = _columns(judgments, {d.key: at for at, d in enumerate(dialogues)}, a.id)
        found.append(
            Contest(
                row.name,
                row.id,
                row.provider,
                row.model,
                row.prompt_version,
                row.identity,
                a,
                b,
                tuple(dialogues),
                columns,
                row.samples,
                again,
                _cost(judgments),
                count_parser_versions(judgments, _judged),
                family_matches(f"{row.provider}/{row.model}", (a, b), told),
                answerers_of(counting),
                len({one.call_key for one in every} - {one.call_key for one in judgments}),
                orjson.loads(row.sampling).get("temperature"),
            )
        )
    return found


async def load_run_dialogues(store: Store, run_id: str) -> list[Dialogue]:
    """The dialogues a run is about, in their seeded order."""
    dialogue, of_run = table(DialogueRow).c, table(RunDialogueRow).c
    wanted = (
        select(
            dialogue.id,
            dialogue.situation,
            dialogue.utterance,
            dialogue.emotion,
            dialogue.sentiment,
            dialogue.part,
        )
        .join(table(RunDialogueRow), of_run.dialogue == dialogue.key)
        .where(of_run.run_id == run_id)
        .order_by(of_run.position)
    )
    return await store.read(lambda connection: [Dialogue(*row) for row in connection.execute(wanted)])


def run_dialogues_query(run_id: str) -> Select[tuple[str]]:
    """The keys of a run's dialogues, to be asked `in_`.

    Joined instead, SQLite looks through all of the run's dialogues for each judgment: minutes for 200,000.
    """
    of_run = table(RunDialogueRow).c
    return select(of_run.dialogue).where(of_run.run_id == run_id)


async def _set(store: Store, set_id: str) -> ResponseSet:
    columns = table(ResponseSetRow).c
    wanted = select(columns.id, columns.author, columns.preset, columns.made).where(columns.id == set_id)
    return ResponseSet(*await store.read(lambda connection: connection.execute(wanted).one()))


async def _judgments(
    store: Store, run_id: str, judge_id: str, sets: Collection[str]
) -> dict[frozenset[str], list[Any]]:
    """What a judge said of a run's dialogues, by the two sets that it compared.

    All of a judge's contests are read at once: a study has hundreds, and asked one by one each looks through
    everything that the judge ever said.
    """
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    first, second = table(ResponseRow).alias("first"), table(ResponseRow).alias("second")
    wanted = (
        select(
            judgment.dialogue,
            first.c.set_id,
            second.c.set_id.label("other_id"),
            judgment.sample,
            judgment.attempt,
            judgment.parser,
            judgment.preference,
            judgment.p_first,
            judgment.p_tie,
            judgment.outside,
            judgment.unscored,
            judgment.call_key,
            completion.cost_usd,
            completion.server_model,
        )
        .join(table(CompletionRow), completion.key == judgment.call_key)
        .join(first, first.c.id == judgment.first)
        .join(second, second.c.id == judgment.second)
        .where(judgment.judge_id == judge_id, judgment.dialogue.in_(run_dialogues_query(run_id)))
        .order_by(judgment.attempt)
    )
    if len(sets) <= CHUNK:
        wanted = wanted.where(first.c.set_id.in_(sorted(sets)), second.c.set_id.in_(sorted(sets)))
    found: dict[frozenset[str], list[Any]] = {}
    for row in await store.read(lambda connection: connection.execute(wanted).all()):
        found.setdefault(frozenset((row.set_id, row.other_id)), []).append(row)
    return found


async def _check_snapshots(
    store: Store, snapshots: Collection[str], of_judge: Mapping[str, Mapping[Any, Sequence[Any]]]
) -> None:
    """Every name that is to be counted alone has answered something, in this run or in another.

    Raises:
        UserError: one has not.
    """
    names = {row.server_model for of in of_judge.values() for rows in of.values() for row in rows}
    unknown = [name for name in snapshots if name not in names]
    if not unknown:
        return
    name = table(CompletionRow).c.server_model
    wanted = select(name).where(name.in_(unknown)).distinct()
    elsewhere = set(await store.read(lambda connection: connection.execute(wanted).scalars().all()))
    unknown = [name for name in unknown if name not in elsewhere]
    if unknown:
        raise UserError(
            "no completion names this model snapshot",
            code="run.unknown-snapshot",
            where="--snapshot",
            found=", ".join(repr(name or UNNAMED) for name in unknown),
            remedy=f"Choose from: {', '.join(sorted(name or UNNAMED for name in names)) or 'none'}.",
        )


def _of_snapshots(rows: Sequence[Any], snapshots: Collection[str]) -> Sequence[Any]:
    """The rows whose answers came under one of these names; all of them where none did."""
    kept = [row for row in rows if row.server_model in snapshots]
    return kept or rows


def answerers_of(rows: Sequence[Any]) -> dict[str, int]:
    """Answering name → number of answers, each counted once; the most frequent first."""
    names = {row.call_key: row.server_model for row in rows}
    return dict(Counter(names.values()).most_common())


def _columns(rows: Sequence[Any], codes: dict[str, int], set_a: str) -> tuple[JudgmentTable, int, list[Any]]:
    """The rows that count, as columns; how many judgments needed more than one attempt; and those rows."""
    counting: dict[tuple[int, bool, int], Any] = {}
    again: set[tuple[int, bool, int]] = set()
    for row in newest_judgments(rows, _judged):  # attempt by attempt
        place = (codes[row.dialogue], row.set_id == set_a, row.sample)
        if row.preference is not None or place not in counting or counting[place].preference is None:
            counting[place] = row
        if row.attempt > 0:
            again.add(place)
    places = list(counting)
    chosen = [counting[place] for place in places]
    a_first = np.array([place[1] for place in places], dtype=bool)
    first_score = np.array([_A_SCORE.get(row.preference, np.nan) for row in chosen], dtype=float)
    p_first = np.array([np.nan if row.p_first is None else row.p_first for row in chosen], dtype=float)
    p_tie = np.array([np.nan if row.p_tie is None else row.p_tie for row in chosen], dtype=float)
    soft_first = np.clip(p_first + 0.5 * p_tie, 0.0, 1.0)
    columns = JudgmentTable(
        dialogue=np.array([place[0] for place in places], dtype=np.int64),
        n_dialogues=len(codes),
        a_first=a_first,
        sample=np.array([place[2] for place in places], dtype=np.int64),
        outcome=np.where(a_first, first_score, 1.0 - first_score),
        soft=np.where(a_first, soft_first, 1.0 - soft_first),
        outside=np.array([np.nan if row.outside is None else row.outside for row in chosen], dtype=float),
        reason=np.array([row.unscored or "" for row in chosen], dtype=object),
    )
    return columns, len(again), chosen


def _judged(row: Any) -> tuple[str, str, str]:
    """What a row's answer was about: the same for all readings of it."""
    return (row.call_key, row.dialogue, row.set_id)


def _cost(rows: Sequence[Any]) -> float | None:
    """What the answers cost, each counted once; None where the price of one is not known."""
    costs = {row.call_key: row.cost_usd for row in rows}
    return None if None in costs.values() else sum(costs.values())
