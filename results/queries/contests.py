"""Contests of a run as judgment tables, from the database alone.

Of several attempts at a judgment, the last one with a verdict counts; of several parses of a completion, the
newest parser's. Missing judgments stay visible: the table knows the number of dialogues.
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
from results.queries.student_lineage import student_lineage
from results.queries.study_runs import runs_of
from results.statistics.judgment_table import JudgmentTable

CONTROL = "control"
_A_SCORE = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, eq=False)
class Contest:
    """A contest: author A against author B under one judge.

    Attributes:
        run_id: the run that judged it; for a contest of a study, one of the runs that the study names.
        judge: display name; `judge_id` is its content id, `judge_provider` and `judge_model` its model.
        a, b: the two response sets.
        dialogues: the dialogues to judge, in the run's order; the table's codes are their positions.
        columns: the judgments that count.
        samples: number of repetitions.
        asked_again: number of judgments that needed more than one attempt.
        cost_usd: cost of all completions, every attempt included; None if unknown.
        readings: parser versions of the judgments, and what re-parsing changed.
        same_family: the authors whose models are of the judge's family.
        answering_models: model → number of completions behind the judgments that count.
        left_out: number of completions excluded by `snapshots`.
        sampling: the judge's parameters, by name.
    """

    run_id: str
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
    answering_models: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0
    sampling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model_id(self) -> str:
        """Id of the judge's model, as in completions: `provider/model`."""
        return f"{self.judge_provider}/{self.judge_model}"

    @property
    def temperature(self) -> float | None:
        """Temperature of the judge, ≥ 0; None for the provider's default."""
        return self.sampling.get("temperature")

    @property
    def answering_model_note(self) -> str:
        """A sentence on who answered under the judge's name; "" where it was that model alone."""
        if self.judge_provider == CONTROL:
            return ""
        return answering_model_note(self.judge, self.judge_model, self.answering_models, self.left_out)

    @property
    def expected(self) -> int:
        """Return the number of judgments to make: both orders of every dialogue, every sample."""
        return 2 * len(self.dialogues) * self.samples


async def load_contests(store: Store, run_id: str, snapshots: Collection[str] = ()) -> list[Contest]:
    """Load all contests of a run or study, ordered by judge name.

    A study's contests are those of the runs that it names, each over the dialogues of its own run.

    Args:
        snapshots: answering models that alone count, for each judge with completions of one of them.

    Raises:
        UserError: no completion in the database is of one of these models.
    """
    contest, judge = table(ContestRow).c, table(JudgeRow).c
    query = (
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
        .where(contest.run_id.in_(await runs_of(store, run_id)))
        .order_by(judge.name, judge.id, contest.set_a, contest.set_b)
        .distinct()
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    lineages = await student_lineage(store)
    contests = []
    sets = {
        set_id: await _load_response_set(store, set_id) for row in rows for set_id in (row.set_a, row.set_b)
    }
    judged_in = await _judging_runs(store, run_id, rows)
    runs = sorted(set(judged_in.values()))
    by_judge = {
        judge_id: await _load_judgments(store, runs, judge_id, sets) for judge_id in {r.id for r in rows}
    }
    dialogues = {own: tuple(await load_run_dialogues(store, own)) for own in runs}
    codes = {own: {dialogue.key: at for at, dialogue in enumerate(each)} for own, each in dialogues.items()}
    snapshots = ["" if name == UNNAMED else name for name in snapshots]
    await _check_snapshots(store, snapshots, by_judge)
    for row in rows:
        a, b = sets[row.set_a], sets[row.set_b]
        own = judged_in[row.id, a.id, b.id]
        pair_rows = by_judge[row.id].get(frozenset((a.id, b.id)), ())
        sampled = [
            judged for judged in pair_rows if judged.sample < row.samples and judged.dialogue in codes[own]
        ]
        judgments = _select_snapshots(sampled, snapshots)
        columns, again, counting = _judgment_table(judgments, codes[own], a.id)
        contests.append(
            Contest(
                own,
                row.name,
                row.id,
                row.provider,
                row.model,
                row.prompt_version,
                row.identity,
                a,
                b,
                dialogues[own],
                columns,
                row.samples,
                again,
                _total_cost(judgments),
                count_parser_versions(judgments, _judgment_key),
                family_matches(f"{row.provider}/{row.model}", (a, b), lineages),
                count_answering_models(counting),
                len({judged.call_key for judged in sampled} - {judged.call_key for judged in judgments}),
                orjson.loads(row.sampling),
            )
        )
    return contests


async def _judging_runs(
    store: Store, run_id: str, contests: Sequence[Any]
) -> dict[tuple[str, str, str], str]:
    """Return (judge id, set A, set B) → run that judged the contest: the run itself, or one of a study."""
    judged_in = {(row.id, row.set_a, row.set_b): run_id for row in contests}
    if not judged_in:
        return {}
    runs = orjson.loads(await store.spec_of(run_id)).get("runs", ())
    columns = table(ContestRow).c
    for start in range(0, len(runs), CHUNK):
        query = select(columns.judge_id, columns.set_a, columns.set_b, columns.run_id).where(
            columns.run_id.in_(runs[start : start + CHUNK])
        )
        for row in await store.read(lambda connection, query=query: connection.execute(query).all()):  # type: ignore[misc]
            if (row.judge_id, row.set_a, row.set_b) in judged_in:
                judged_in[row.judge_id, row.set_a, row.set_b] = row.run_id
    return judged_in


async def load_run_dialogues(store: Store, run_id: str) -> list[Dialogue]:
    """Return the dialogues of a run or a study in seeded order."""
    runs = await runs_of(store, run_id)
    dialogue, of_run = table(DialogueRow).c, table(RunDialogueRow).c
    query = (
        select(
            dialogue.id,
            dialogue.situation,
            dialogue.utterance,
            dialogue.emotion,
            dialogue.sentiment,
            dialogue.part,
        )
        .join(table(RunDialogueRow), of_run.dialogue == dialogue.key)
        .where(of_run.run_id.in_(runs[:1]))
        .order_by(of_run.position)
    )
    return await store.read(lambda connection: [Dialogue(*row) for row in connection.execute(query)])


def run_dialogues_query(*run_ids: str) -> Select[tuple[str]]:
    """Return a query of the dialogue keys of some runs, for `in_`.

    A join instead makes SQLite scan all of the run's dialogues for each judgment: minutes for 200,000.
    """
    of_run = table(RunDialogueRow).c
    return select(of_run.dialogue).where(of_run.run_id.in_(run_ids))


async def _load_response_set(store: Store, set_id: str) -> ResponseSet:
    columns = table(ResponseSetRow).c
    query = select(columns.id, columns.author, columns.preset, columns.made).where(columns.id == set_id)
    return ResponseSet(*await store.read(lambda connection: connection.execute(query).one()))


async def _load_judgments(
    store: Store, runs: Collection[str], judge_id: str, sets: Collection[str]
) -> dict[frozenset[str], list[Any]]:
    """Return a judge's judgments of the dialogues of some runs, by the two response sets compared.

    All of a judge's contests are read at once: a study has hundreds, and reading one scans all judgments of
    the judge.
    """
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    first, second = table(ResponseRow).alias("first"), table(ResponseRow).alias("second")
    query = (
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
        .where(judgment.judge_id == judge_id, judgment.dialogue.in_(run_dialogues_query(*runs)))
        .order_by(judgment.attempt)
    )
    if len(sets) <= CHUNK:
        query = query.where(first.c.set_id.in_(sorted(sets)), second.c.set_id.in_(sorted(sets)))
    by_sets: dict[frozenset[str], list[Any]] = {}
    for row in await store.read(lambda connection: connection.execute(query).all()):
        by_sets.setdefault(frozenset((row.set_id, row.other_id)), []).append(row)
    return by_sets


async def _check_snapshots(
    store: Store, snapshots: Collection[str], of_judge: Mapping[str, Mapping[Any, Sequence[Any]]]
) -> None:
    """Check that every requested model snapshot answered in this run or another.

    Raises:
        UserError: one did not.
    """
    names = {row.server_model for pairs in of_judge.values() for rows in pairs.values() for row in rows}
    unknown = [name for name in snapshots if name not in names]
    if not unknown:
        return
    name = table(CompletionRow).c.server_model
    query = select(name).where(name.in_(unknown)).distinct()
    elsewhere = set(await store.read(lambda connection: connection.execute(query).scalars().all()))
    unknown = [name for name in unknown if name not in elsewhere]
    if unknown:
        raise UserError(
            "no completion names this model snapshot",
            code="run.unknown-snapshot",
            where="--snapshot",
            found=", ".join(repr(name or UNNAMED) for name in unknown),
            remedy=f"Choose from: {', '.join(sorted(name or UNNAMED for name in names)) or 'none'}.",
        )


def _select_snapshots(rows: Sequence[Any], snapshots: Collection[str]) -> Sequence[Any]:
    """Return the rows answered by one of these models, or all rows if there are none."""
    kept = [row for row in rows if row.server_model in snapshots]
    return kept or rows


def count_answering_models(rows: Sequence[Any]) -> dict[str, int]:
    """Return answering model → number of distinct completions, most frequent first."""
    names = {row.call_key: row.server_model for row in rows}
    return dict(Counter(names.values()).most_common())


def _judgment_table(
    rows: Sequence[Any], codes: dict[str, int], set_a: str
) -> tuple[JudgmentTable, int, list[Any]]:
    """Return the judgment table, the number of judgments with several attempts, and the rows that count."""
    counting: dict[tuple[int, bool, int], Any] = {}
    again: set[tuple[int, bool, int]] = set()
    for row in newest_judgments(rows, _judgment_key):  # attempt by attempt
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


def _judgment_key(row: Any) -> tuple[str, str, str]:
    """Return what a row's completion is about, the same for all parses of it."""
    return (row.call_key, row.dialogue, row.set_id)


def _total_cost(rows: Sequence[Any]) -> float | None:
    """Return the cost of the distinct completions in US dollars; None if one is unknown."""
    costs = {row.call_key: row.cost_usd for row in rows}
    return None if None in costs.values() else sum(costs.values())
