"""Judgments of an audit run: rated pairs, the judges' verdicts on them and their cost.

The ratings are part of the run's spec, because they determine which pairs are judged; each comes with the
mean rating that its rater gave to other responses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import select

from agents.models.response_model import answering_model_note
from agents.types import Dialogue
from results.db.schema import CompletionRow, JudgeRow, JudgmentRow, ResponseRow, RunRow, table
from results.db.store import Store
from results.queries.contests import CONTROL, count_answering_models, load_run_dialogues, run_dialogues_query
from results.queries.parser_versions import newest_judgments
from results.statistics.rated_pairs import RatedPairs
from results.statistics.within_rater_test import Signs, permuted_order

Floats = NDArray[np.float64]
AUDIT = "audit"
_FIRST_SCORE = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True, eq=False)
class JudgeVerdicts:
    """Verdicts of one judge on the pairs of an audit.

    Attributes:
        judge_id, judge, provider, model, identity, prompt_version: the judge.
        verdicts: shape (pairs, 2, samples), as `results.statistics.judge_accuracy.audit` takes them.
        soft: same shape, P(first of the pair) + ½ P(tie); nan without probabilities.
        unscored: judgments without a verdict, by reason; "no answer" for a missing judgment.
        asked_again: number of judgments that needed more than one attempt.
        judgments: number of judgments.
        cost_usd: cost of all completions; None if unknown.
        seconds: mean latency of a completion; None if not measured.
        answering_models: model → number of completions behind the judgments that count.
    """

    judge_id: str
    judge: str
    provider: str
    model: str
    identity: str
    prompt_version: str
    verdicts: Floats
    soft: Floats
    unscored: Mapping[str, int]
    asked_again: int
    judgments: int
    cost_usd: float | None
    seconds: float | None
    answering_models: Mapping[str, int] = field(default_factory=dict)

    @property
    def answering_model_note(self) -> str:
        """A sentence on who answered under the judge's name; "" where it was that model alone."""
        return (
            ""
            if self.provider == CONTROL
            else answering_model_note(self.judge, self.model, self.answering_models)
        )


@dataclass(frozen=True, eq=False)
class AuditData:
    """Data of an audit run.

    Attributes:
        run_id, spec: of the run.
        dialogues: in the run's order.
        pairs: all pairs of responses with different ratings, dialogue by dialogue.
        dialogue_of: per pair, the position of its dialogue in `dialogues`.
        texts: per pair, the two responses.
        elsewhere: shape (pairs, 2): mean rating that the rater of each response gave to other responses.
        ratings: shape (dialogues, responders), 1 to 3.
        said: verdicts, ordered by judge name.
        permuted: shape (draws, pairs): the order of each pair after permuting ratings within raters.
    """

    run_id: str
    spec: Mapping[str, Any]
    dialogues: tuple[Dialogue, ...]
    pairs: RatedPairs
    dialogue_of: NDArray[np.int64]
    texts: tuple[tuple[str, str], ...]
    elsewhere: Floats
    ratings: NDArray[np.int64]
    said: tuple[JudgeVerdicts, ...]
    permuted: Signs


async def largest_audits(store: Store, judge_ids: Collection[str]) -> list[str]:
    """Return the run with the largest audit of these judges on each split; of equal ones, the newest."""
    run = table(RunRow).c
    query = select(run.id, run.spec).where(run.kind == AUDIT).order_by(run.created_at)
    best: dict[str, tuple[tuple[int, int], str]] = {}
    for row in await store.read(lambda connection: connection.execute(query).all()):
        spec = orjson.loads(row.spec)
        size = (len(set(spec["judges"]) & set(judge_ids)), len(spec["ratings"]))
        if size[0] and size >= best.get(spec["split"], ((0, 0), ""))[0]:
            best[spec["split"]] = (size, row.id)
    return [run_id for _, run_id in best.values()]


async def load_audit(store: Store, run_id: str, only: frozenset[str] | None = None) -> AuditData:
    """Load an audit run.

    Args:
        only: ids of the judges to load; None for all.

    Raises:
        UserError: there is no such run.
    """
    spec = orjson.loads(await store.spec_of(run_id))
    dialogues = await load_run_dialogues(store, run_id)
    responses = await _responses(store, run_id, spec["sets"])
    pairs, places, texts, elsewhere, ratings = _pairs(spec, dialogues, responses)
    ids = [responses[set_id] for set_id in spec["sets"]]
    index = {}
    for pair_index, (place, first, second) in enumerate(zip(places, pairs.first, pairs.second, strict=True)):
        key = dialogues[place].key
        index[ids[first][key][0], ids[second][key][0]] = (pair_index, 0)
        index[ids[second][key][0], ids[first][key][0]] = (pair_index, 1)
    verdicts = [
        await _load_verdicts(store, run_id, judge, spec, index, len(pairs))
        for judge in await _judges(store, spec, only)
    ]
    parts = {
        part: pair_index for pair_index, part in enumerate(sorted({dialogue.part for dialogue in dialogues}))
    }
    tasks = np.array([parts[dialogue.part] for dialogue in dialogues], dtype=np.int64)
    permuted = permuted_order(ratings, tasks, places, pairs.first, pairs.second, seed=int(spec["seed"]))
    return AuditData(
        run_id, spec, tuple(dialogues), pairs, places, texts, elsewhere, ratings, tuple(verdicts), permuted
    )


async def _judges(store: Store, spec: Mapping[str, Any], only: frozenset[str] | None) -> Sequence[Any]:
    judge = table(JudgeRow)
    ids = [judge_id for judge_id in spec["judges"] if only is None or judge_id in only]
    query = select(judge).where(judge.c.id.in_(ids)).order_by(judge.c.name, judge.c.id)
    return await store.read(lambda connection: connection.execute(query).all())


async def _responses(store: Store, run_id: str, sets: Sequence[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return response set → dialogue → (id, text) of the response."""
    response = table(ResponseRow).c
    query = select(response.set_id, response.dialogue, response.id, response.text).where(
        response.dialogue.in_(run_dialogues_query(run_id)), response.set_id.in_(sets)
    )
    by_set: dict[str, dict[str, tuple[str, str]]] = {set_id: {} for set_id in sets}
    for row in await store.read(lambda connection: connection.execute(query).all()):
        by_set[row.set_id][row.dialogue] = (row.id, row.text)
    return by_set


def _pairs(
    spec: Mapping[str, Any], dialogues: Sequence[Dialogue], responses: Mapping[str, Any]
) -> tuple[RatedPairs, NDArray[np.int64], tuple[tuple[str, str], ...], Floats, NDArray[np.int64]]:
    ratings = np.array([[int(rating) for rating in row] for row in spec["ratings"]], dtype=np.int64)
    others = np.array(spec["raters_elsewhere"], dtype=np.float64)  # (dialogues, responders, [sum, count])
    with np.errstate(invalid="ignore"):
        elsewhere = others[..., 0] / others[..., 1]  # nan for a rater of one response
    centred = ratings - (others[..., 0] + ratings) / (others[..., 1] + 1)
    parts = {name: index for index, name in enumerate(sorted({dialogue.part for dialogue in dialogues}))}
    rows = rated_pairs(ratings)
    index, first, second = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    texts = []
    for place, left, right in rows:
        key = dialogues[place].key
        texts.append((responses[spec["sets"][left]][key][1], responses[spec["sets"][right]][key][1]))
    words = np.array([[len(text.split()) for text in pair] for pair in texts]).reshape(-1, 2)
    difference = ratings[index, first] - ratings[index, second]
    pairs = RatedPairs(
        part=np.array([parts[dialogues[place].part] for place in index], dtype=np.int64),
        first=first,
        second=second,
        names=tuple(spec["responders"]),
        better=np.sign(difference).astype(np.float64),
        gap=np.abs(difference),
        centred=np.sign(np.round(centred[index, first] - centred[index, second], 9)),
        longer=np.sign(words[:, 0] - words[:, 1]).astype(np.float64),
    )
    both = np.stack([elsewhere[index, first], elsewhere[index, second]], axis=1)
    return pairs, index, tuple(texts), both, ratings


def rated_pairs(ratings: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return (dialogue, first responder, second responder) of every pair with different ratings."""
    return [
        (place, first, second)
        for place, row in enumerate(ratings.tolist())
        for first, second in combinations(range(len(row)), 2)
        if row[first] != row[second]
    ]


async def _load_verdicts(
    store: Store,
    run_id: str,
    judge: Any,
    spec: Mapping[str, Any],
    index: Mapping[tuple[str, str], tuple[int, int]],
    pairs: int,
) -> JudgeVerdicts:
    counting: dict[tuple[int, int, int], Any] = {}
    repeated = set()
    costs, latencies = {}, {}
    for row in await _judgments(store, run_id, judge.id, spec["samples"]):
        pair_position = index.get((row.first, row.second))
        if pair_position is None:
            continue  # not a pair of this audit, e.g. one with equal ratings
        place = (*pair_position, row.sample)
        if row.preference is not None or place not in counting or counting[place].preference is None:
            counting[place] = row
        if row.attempt > 0:
            repeated.add(place)
        costs[row.call_key], latencies[row.call_key] = row.cost_usd, row.latency_seconds
    verdicts = np.full((pairs, 2, int(spec["samples"])), np.nan)
    soft = np.full_like(verdicts, np.nan)
    reasons: Counter[str] = Counter()
    for place, row in counting.items():
        if row.preference is None:
            reasons[row.unscored] += 1
        else:
            score = _FIRST_SCORE[row.preference]
            verdicts[place] = score if place[1] == 0 else 1.0 - score
            if row.p_first is not None:
                likely = min(1.0, max(0.0, row.p_first + 0.5 * (row.p_tie or 0.0)))
                soft[place] = likely if place[1] == 0 else 1.0 - likely
    if verdicts.size > len(counting):
        reasons["no answer"] += verdicts.size - len(counting)
    measured = [seconds for seconds in latencies.values() if seconds is not None]
    return JudgeVerdicts(
        judge_id=judge.id,
        judge=judge.name,
        provider=judge.provider,
        model=judge.model,
        identity=judge.identity,
        prompt_version=judge.prompt_version,
        verdicts=verdicts,
        soft=soft,
        unscored=dict(reasons),
        asked_again=len(repeated),
        judgments=len(counting),
        cost_usd=None if None in costs.values() else sum(costs.values()),
        seconds=float(np.mean(measured)) if measured else None,
        answering_models=count_answering_models(list(counting.values())),
    )


async def _judgments(store: Store, run_id: str, judge_id: str, samples: int) -> Sequence[Any]:
    """Return a judge's judgments by attempt, of each completion the newest parser's."""
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    query = (
        select(
            judgment.first,
            judgment.second,
            judgment.sample,
            judgment.attempt,
            judgment.parser,
            judgment.preference,
            judgment.p_first,
            judgment.p_tie,
            judgment.unscored,
            judgment.call_key,
            completion.cost_usd,
            completion.latency_seconds,
            completion.server_model,
        )
        .join(table(CompletionRow), completion.key == judgment.call_key)
        .where(
            judgment.judge_id == judge_id,
            judgment.dialogue.in_(run_dialogues_query(run_id)),
            judgment.sample < samples,
        )
        .order_by(judgment.attempt)
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    return newest_judgments(rows, lambda row: (row.call_key, row.first, row.second))
