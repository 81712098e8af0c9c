"""Examples for the page: which dialogues are shown, with both responses and what every judge said.

The rule, the same for every run: each judged dialogue belongs to the first of four kinds that holds (an
answer unscored, the judges disagree, verdicts differ, consistent); within a kind the dialogues are put in
the order of a hash of the seed and the dialogue; each kind has its share of the places, and what a kind
leaves over goes to the others in the order of the hash. So the choice depends on nothing that a person
could steer, and not on the order in which answers came. Knows nothing of HTML.
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
from results.report.verdict_texts import DialogueVerdicts, Outcome, dialogue_verdicts

EXAMPLES = 60
CONTROL = "control"


class ExampleKind(StrEnum):
    """Why a dialogue is shown."""

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
    """One dialogue with both responses and every judge's verdicts.

    Attributes:
        a, b: the responses' texts.
        opinions: one a judge, in the contests' order.
        kind: why it is shown.
        disagree: whether the judges that count for it disagree.
    """

    dialogue: Dialogue
    a: str
    b: str
    opinions: tuple[DialogueVerdicts, ...]
    kind: ExampleKind
    disagree: bool


@dataclass(frozen=True)
class ExampleSelection:
    """What is shown, and of how many it was chosen.

    Attributes:
        shown: in the order of the hash, the kinds mixed.
        found: how many judged dialogues there are of each kind.
        compared: the judges whose disagreement counts.
    """

    shown: tuple[DialogueExample, ...]
    found: Mapping[ExampleKind, int]
    compared: tuple[str, ...]


def choose(
    kinds: Mapping[str, ExampleKind], *, seed: int, limit: int, shares: Mapping[ExampleKind, float] = SHARES
) -> list[str]:
    """At most `limit` of the keys, by the rule above, in the order of the hash.

    Args:
        kinds: per dialogue (by its key), its kind.
        shares: of the places, per kind; they sum to 1.
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
    """Examples of the contests between two authors over the same dialogues, one contest a judge."""
    dialogues = {dialogue.key: at for at, dialogue in enumerate(contests[0].dialogues)}
    opinions = [dialogue_verdicts(contest) for contest in contests]
    compared = _compared(contests)
    kinds, opposed = {}, {}
    for key, at in dialogues.items():
        of_dialogue = [of_judge[at] for of_judge in opinions]
        opposed[key] = _disagree([of_dialogue[judge] for judge in compared])
        kind = _kind(of_dialogue, [of_dialogue[judge] for judge in compared], disagree=opposed[key])
        if kind is not None:
            kinds[key] = kind
    chosen = choose(kinds, seed=seed, limit=limit)
    a, b = [await _texts(store, of.id, chosen) for of in (contests[0].a, contests[0].b)]
    written = [await _written(store, contest, chosen) for contest in contests]
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
    """The judges whose disagreement counts: the models where there are two, else all."""
    models = [at for at, contest in enumerate(contests) if contest.judge_provider != CONTROL]
    return models if len(models) > 1 else list(range(len(contests)))


def _disagree(opinions: Sequence[DialogueVerdicts]) -> bool:
    """Whether one judge's score lies above ½ and another's below."""
    scores = [opinion.score for opinion in opinions if opinion.score is not None]
    return any(score > 0.5 for score in scores) and any(score < 0.5 for score in scores)


def _kind(
    every: Sequence[DialogueVerdicts], compared: Sequence[DialogueVerdicts], *, disagree: bool
) -> ExampleKind | None:
    """Why a dialogue may be shown; None where nobody has judged it yet.

    Controls that give every dialogue the same verdict by place would make all of them differ: whether
    verdicts differ is asked of the compared judges.
    """
    if not any(opinion.is_begun for opinion in every):
        return None
    if any(opinion.outcome is Outcome.UNSCORED for opinion in every):
        return ExampleKind.UNSCORED
    if disagree:
        return ExampleKind.DISAGREE
    differ = any(opinion.outcome in (Outcome.DIFFER, Outcome.TIE) for opinion in compared)
    return ExampleKind.DIFFER if differ else ExampleKind.CONSISTENT


async def _texts(store: Store, set_id: str, keys: Sequence[str]) -> dict[str, str]:
    """What a set of responses answered to these dialogues."""
    columns = table(ResponseRow).c
    found: dict[str, str] = {}
    for chunk in chunks(keys):
        wanted = (
            select(columns.dialogue, columns.text)
            .where(columns.set_id == set_id, columns.dialogue.in_(chunk))
            .order_by(columns.dialogue, columns.id)
        )
        found.update((row.dialogue, row.text) for row in await rows_of(store, wanted))
    return found


async def _written(
    store: Store, contest: Contest, keys: Sequence[str]
) -> dict[str, dict[tuple[bool, int], str]]:
    """What the judge wrote where nothing could be read from it: dialogue → (A first, sample) → text."""
    judgment, completion = table(JudgmentRow).c, table(CompletionRow).c
    first, second = table(ResponseRow).alias("first"), table(ResponseRow).alias("second")
    found: dict[str, dict[tuple[bool, int], str]] = {}
    for chunk in chunks(keys):
        wanted = (
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
        for row in await rows_of(store, wanted):
            found.setdefault(row.dialogue, {})[row.set_id == contest.a.id, row.sample] = row.text
    return found
