"""Stored response sets: parsed completions, the outcome of each dialogue, and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from agents.errors import UserError
from agents.generation import ExclusionReason
from agents.truncation import rambles
from agents.types import ResponseSet
from results.db.schema import (
    CompletionRow,
    GenerationRow,
    InvocationRow,
    ResponseRow,
    ResponseSetRow,
    table,
)
from results.db.store import Store

_generations, _completions = table(GenerationRow), table(CompletionRow)
_invocations = table(InvocationRow)


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """A parsed completion, as `agents.generation.Generation` without its response."""

    dialogue: str
    step: int
    attempt: int
    text: str
    flaw: str
    words: int
    unchanged: bool
    dimension: str
    call_key: str


@dataclass(frozen=True, slots=True)
class DialogueOutcome:
    """Outcome of one dialogue in a response set.

    Attributes:
        flaw: reason to exclude the response from training; "" if usable.
        step: the step that `flaw` was met at, or the last step made.
        attempts: completions of the step with the most attempts, ≥ 1.
        words, unchanged, dimension: of the completion that counts.
    """

    flaw: str
    step: int
    attempts: int
    words: int
    unchanged: bool
    dimension: str


@dataclass(frozen=True, slots=True)
class EndingCounts:
    """Counts of how the responses of an author end.

    Attributes:
        responses: number of responses, ≥ 0.
        truncated: number cut at the token limit; None for a set without requests.
        rambling: number that went on past one response before truncation: another turn, or over 97 words.
    """

    responses: int
    truncated: int | None
    rambling: int


async def load_word_counts(store: Store, sets: Collection[str]) -> dict[str, dict[str, int]]:
    """Return the number of words of every response: set id → dialogue key → words."""
    columns = table(ResponseRow).c
    words: dict[str, dict[str, int]] = {set_id: {} for set_id in sets}
    for set_id, counts in words.items():
        query = (
            select(columns.dialogue, columns.text)
            .where(columns.set_id == set_id)
            .order_by(columns.dialogue, columns.id)
        )
        rows = await store.read(lambda connection, query=query: connection.execute(query).all())  # type: ignore[misc]
        counts.update((row.dialogue, len(row.text.split())) for row in rows)
    return words


async def count_endings(store: Store, set_id: str, dialogues: Collection[str] | None = None) -> EndingCounts:
    """Count how the responses of a set end.

    Args:
        dialogues: keys of the dialogues to count; None for all.

    Raises:
        UserError: there is no such set in this database.
    """
    made = (await find_response_set(store, set_id)).made
    responses = [
        response
        for response in await store.responses(set_id)
        if dialogues is None or response.dialogue in dialogues
    ]
    reads = await load_generations(store, set_id)
    outcomes = [
        final_outcome(reads[response.dialogue]) for response in responses if response.dialogue in reads
    ]
    # a truncated set is checked by its raw text; an extracted one (labels, remarks removed) by the response
    is_truncated = '"cut":' in made
    return EndingCounts(
        len(responses),
        sum(response.flaw == ExclusionReason.TRUNCATED for response in outcomes) if outcomes else None,
        sum(
            rambles(response.raw or response.text if is_truncated else response.text)
            for response in responses
        ),
    )


async def load_generations(store: Store, set_id: str) -> dict[str, list[ParsedCompletion]]:
    """Return all parsed completions of a response set, by dialogue, ordered by step and attempt."""
    columns = _generations.c
    query = (
        select(*(columns[name] for name in ParsedCompletion.__slots__))
        .where(columns.set_id == set_id)
        .order_by(columns.dialogue, columns.step, columns.attempt, columns.call_key)
    )
    rows = await store.read(lambda connection: connection.execute(query).all())
    by_dialogue: dict[str, list[ParsedCompletion]] = {}
    for row in rows:
        by_dialogue.setdefault(row.dialogue, []).append(ParsedCompletion(*row))
    return by_dialogue


def final_outcome(reads: Sequence[ParsedCompletion]) -> DialogueOutcome:
    """Return the outcome of a dialogue's completions (at least one, ordered as by `load_generations`).

    The furthest step decides; of its completions the last usable one counts, else the last one.
    """
    furthest = max(read.step for read in reads)
    last_step = [read for read in reads if read.step == furthest]
    chosen = next((read for read in reversed(last_step) if not read.flaw), last_step[-1])
    attempts = max(Counter(read.step for read in reads).values())
    return DialogueOutcome(chosen.flaw, furthest, attempts, chosen.words, chosen.unchanged, chosen.dimension)


def last_attempts(reads: Mapping[str, Sequence[ParsedCompletion]]) -> dict[str, dict[int, tuple[int, bool]]]:
    """Return dialogue → step → (number of the last attempt, whether a completion is usable)."""
    by_dialogue: dict[str, dict[int, tuple[int, bool]]] = {}
    for dialogue, completions in reads.items():
        steps = by_dialogue.setdefault(dialogue, {})
        for read in completions:
            last, usable = steps.get(read.step, (0, False))
            steps[read.step] = max(last, read.attempt), usable or not read.flaw
    return by_dialogue


async def find_response_set(store: Store, set_id: str) -> ResponseSet:
    """Return the response set with this id.

    Raises:
        UserError: it is not in this database.
    """
    columns = table(ResponseSetRow).c
    query = select(columns.id, columns.author, columns.preset, columns.made).where(columns.id == set_id)
    row = await store.read(lambda connection: connection.execute(query).one_or_none())
    if row is None:
        raise UserError(
            "response set not found",
            code="response-set.not-found",
            where=store.database.shown,
            found=set_id,
            remedy="Pass the id of a stored response set.",
        )
    return ResponseSet(*row)


async def runs_of_sets(store: Store, set_ids: Iterable[str]) -> list[str]:
    """Return the sorted ids of the runs whose requests made these response sets."""
    query = (
        select(_invocations.c.run_id)
        .join(_completions, _completions.c.invocation_id == _invocations.c.id)
        .join(_generations, _generations.c.call_key == _completions.c.key)
        .where(_generations.c.set_id.in_(list(set_ids)))
        .distinct()
    )
    return sorted(await store.read(lambda connection: connection.execute(query).scalars().all()))


async def response_set_cost(store: Store, set_ids: Iterable[str]) -> float | None:
    """Return the cost of the completions behind these sets in US dollars, each once; None if one is
    unknown.
    """
    keys = select(_generations.c.call_key).where(_generations.c.set_id.in_(list(set_ids)))
    costs = _completions.c.cost_usd
    query = select(func.count(), func.count(costs), func.coalesce(func.sum(costs), 0.0)).where(
        _completions.c.key.in_(keys)
    )
    answers, priced, total = (await store.read(lambda connection: connection.execute(query).all()))[0]
    return float(total) if answers == priced else None
