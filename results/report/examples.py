"""Selection of example dialogues with both responses and every judge's verdicts.

Each judged dialogue belongs to the first matching kind (unscored, judges disagree, verdicts differ,
consistent). Within a kind, dialogues are ordered by a hash of the seed and the dialogue; each kind has a
share of the places, and unused places go to the other kinds in hash order. The choice is the same for every
run and independent of the order of completions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from agents.hashing import content_id
from agents.types import Dialogue
from results.db.schema import CompletionRow, JudgmentRow, ResponseRow, table
from results.db.store import Store
from results.queries.contests import Contest
from results.report.batch_queries import chunks, rows_of
from results.report.verdict_texts import DialogueVerdicts, VerdictSummary, dialogue_verdicts

EXAMPLES = 60
CONTROL = "control"


class ExampleKind(StrEnum):
    """Reason for showing a dialogue."""

    UNSCORED = "unscored"
    DISAGREE = "judges disagree"
    DIFFER = "verdicts differ"
    CONSISTENT = "consistent"


SHARES = {
    ExampleKind.UNSCORED: 1 / 6,
    ExampleKind.DISAGREE: 1 / 3,
    ExampleKind.DIFFER: 1 / 4,
    ExampleKind.CONSISTENT: 1 / 4,
}


@dataclass(frozen=True, slots=True)
class DialogueExample:
    """A dialogue with both responses and every judge's verdicts.

    Attributes:
        a, b: texts of the responses.
        opinions: one per judge, in the order of the contests.
        kind: reason for showing it.
        disagree: whether the compared judges disagree.
    """

    dialogue: Dialogue
    a: str
    b: str
    opinions: tuple[DialogueVerdicts, ...]
    kind: ExampleKind
    disagree: bool


@dataclass(frozen=True)
class ExampleSelection:
    """Selected examples and the numbers they were selected from.

    Attributes:
        shown: examples in hash order, kinds mixed.
        found: number of judged dialogues of each kind.
        compared: judges whose disagreement counts.
    """

    shown: tuple[DialogueExample, ...]
    found: Mapping[ExampleKind, int]
    compared: tuple[str, ...]


def choose(
    kinds: Mapping[str, ExampleKind], *, seed: int, limit: int, shares: Mapping[ExampleKind, float] = SHARES
) -> list[str]:
    """Select at most `limit` keys by the rule above, in hash order.

    Args:
        kinds: kind of each dialogue, by key.
        shares: share of the places per kind; they sum to 1.
    """
    ordered = sorted(kinds, key=lambda key: content_id("example-1", [seed, key]))
    taken: set[str] = set()
    for kind, share in shares.items():
        taken.update([key for key in ordered if kinds[key] is kind][: int(limit * share)])
    rest = [key for key in ordered if key not in taken]
    taken.update(rest[: max(0, limit - len(taken))])
    return [key for key in ordered if key in taken]


async def select_examples(
    store: Store, contests: Sequence[Contest], *, seed: int, limit: int
) -> ExampleSelection:
    """Select examples of the contests between two authors over the same dialogues, one contest per judge."""
    dialogues = {dialogue.key: at for at, dialogue in enumerate(contests[0].dialogues)}
    opinions = [dialogue_verdicts(contest) for contest in contests]
    compared = _compared(contests)
    kinds, opposed = {}, {}
    for key, at in dialogues.items():
        verdicts_of_dialogue = [of_judge[at] for of_judge in opinions]
        opposed[key] = _disagree([verdicts_of_dialogue[judge] for judge in compared])
        kind = _kind(
            verdicts_of_dialogue, [verdicts_of_dialogue[judge] for judge in compared], disagree=opposed[key]
        )
        if kind is not None:
            kinds[key] = kind
    chosen = choose(kinds, seed=seed, limit=limit)
    a, b = [await _texts(store, of.id, chosen) for of in (contests[0].a, contests[0].b)]
    written = [await _load_raw_texts(store, contest, chosen) for contest in contests]
    shown = tuple(
        DialogueExample(
            dialogue=contests[0].dialogues[dialogues[key]],
            a=a.get(key, ""),
            b=b.get(key, ""),
            opinions=tuple(
                of_judge[dialogues[key]].with_raw(raw.get(key, {}))
                for of_judge, raw in zip(opinions, written, strict=True)
            ),
            kind=kinds[key],
            disagree=opposed[key],
        )
        for key in chosen
    )
    return ExampleSelection(
        shown, Counter(kinds.values()), tuple(contests[judge].judge for judge in compared)
    )


def _compared(contests: Sequence[Contest]) -> list[int]:
    """Return the judges whose disagreement counts: the models if there are two or more, else all."""
    models = [at for at, contest in enumerate(contests) if contest.judge_provider != CONTROL]
    return models if len(models) > 1 else list(range(len(contests)))


def _disagree(opinions: Sequence[DialogueVerdicts]) -> bool:
    """Return whether one judge's score is above ½ and another's below."""
    scores = [opinion.score for opinion in opinions if opinion.score is not None]
    return any(score > 0.5 for score in scores) and any(score < 0.5 for score in scores)


def _kind(
    all_verdicts: Sequence[DialogueVerdicts], compared: Sequence[DialogueVerdicts], *, disagree: bool
) -> ExampleKind | None:
    """Return the kind of a dialogue; None if it has not been judged yet.

    Control judges with a fixed verdict per position would make every dialogue differ, so only the compared
    judges count.
    """
    if not any(opinion.is_begun for opinion in all_verdicts):
        return None
    if any(opinion.outcome is VerdictSummary.UNSCORED for opinion in all_verdicts):
        return ExampleKind.UNSCORED
    if disagree:
        return ExampleKind.DISAGREE
    differ = any(opinion.outcome in (VerdictSummary.DIFFER, VerdictSummary.TIE) for opinion in compared)
    return ExampleKind.DIFFER if differ else ExampleKind.CONSISTENT


async def _texts(store: Store, set_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the texts of a response set for these dialogues."""
    columns = table(ResponseRow).c
    texts: dict[str, str] = {}
    for chunk in chunks(keys):
        query = (
            select(columns.dialogue, columns.text)
            .where(columns.set_id == set_id, columns.dialogue.in_(chunk))
            .order_by(columns.dialogue, columns.id)
        )
        texts.update((row.dialogue, row.text) for row in await rows_of(store, query))
    return texts


async def _load_raw_texts(
    store: Store, contest: Contest, keys: Sequence[str]
) -> dict[str, dict[tuple[bool, int], str]]:
    """Return a judge's unparsable completions: dialogue → (A first, sample) → text."""
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    first, second = table(ResponseRow).alias("first"), table(ResponseRow).alias("second")
    raw_texts: dict[str, dict[tuple[bool, int], str]] = {}
    for chunk in chunks(keys):
        query = (
            select(judgment.dialogue, judgment.sample, first.c.set_id, completion.text)
            .join(table(CompletionRow), completion.key == judgment.call_key)
            .join(first, first.c.id == judgment.first)
            .join(second, second.c.id == judgment.second)
            .where(
                judgment.judge_id == contest.judge_id,
                judgment.dialogue.in_(chunk),
                judgment.preference.is_(None),
                first.c.set_id.in_((contest.a.id, contest.b.id)),
                second.c.set_id.in_((contest.a.id, contest.b.id)),
            )
            # ascending, as in `load_contests`: of several attempts the last one counts
            .order_by(judgment.attempt, judgment.parser)
        )
        for row in await rows_of(store, query):
            raw_texts.setdefault(row.dialogue, {})[row.set_id == contest.a.id, row.sample] = row.text
    return raw_texts
