"""What is known of a set of responses: every answer that was read for it, and what came of each dialogue.

Queries and counts; nothing of how a response is asked for, or of what may train whom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from agents.errors import UserError
from agents.generation import ExclusionReason
from agents.truncation import rambles
from agents.types import ResponseSet
from results.db.schema import CompletionRow, GenerationRow, InvocationRow, ResponseSetRow, table
from results.db.store import Store

_generations, _completions = table(GenerationRow), table(CompletionRow)
_invocations = table(InvocationRow)


@dataclass(frozen=True, slots=True)
class Read:
    """One answer as it was read; as `agents.generation.Generation`, without its response."""

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
class Outcome:
    """What came of one dialogue in a set.

    Attributes:
        flaw: why there is nothing that may train; "" where there is.
        step: the step that `flaw` was met at, or the last one made.
        attempts: how many answers the busiest step took, ≥ 1.
        words, unchanged, dimension: of the answer that counts.
    """

    flaw: str
    step: int
    attempts: int
    words: int
    unchanged: bool
    dimension: str


@dataclass(frozen=True, slots=True)
class EndingCounts:
    """How an author's answers end, over the dialogues it has a response to.

    Attributes:
        responses: how many, ≥ 0.
        truncated: that ended at the limit of tokens; None for a set that we did not ask for.
        rambling: whose author wrote more than one response, before any cut: another turn, or over 97 words.
    """

    responses: int
    truncated: int | None
    rambling: int


async def count_endings(store: Store, set_id: str, dialogues: Collection[str] | None = None) -> EndingCounts:
    """How the answers of a set end.

    Args:
        dialogues: keys of those that count; None for all.

    Raises:
        UserError: there is no such set in this database.
    """
    made = (await find_response_set(store, set_id)).made
    counted = [one for one in await store.responses(set_id) if dialogues is None or one.dialogue in dialogues]
    reads = await load_generations(store, set_id)
    outcomes = [final_outcome(reads[one.dialogue]) for one in counted if one.dialogue in reads]
    # where a set is cut its raw text tells; where it is cleaned (labels, remarks) the response itself does
    cut = '"cut":' in made
    return EndingCounts(
        len(counted),
        sum(one.flaw == ExclusionReason.TRUNCATED for one in outcomes) if outcomes else None,
        sum(rambles(one.raw or one.text if cut else one.text) for one in counted),
    )


async def load_generations(store: Store, set_id: str) -> dict[str, list[Read]]:
    """All answers read for a set, by dialogue, in the order of steps and attempts."""
    columns = _generations.c
    wanted = (
        select(*(columns[name] for name in Read.__slots__))
        .where(columns.set_id == set_id)
        .order_by(columns.dialogue, columns.step, columns.attempt, columns.call_key)
    )
    rows = await store.read(lambda connection: connection.execute(wanted).all())
    found: dict[str, list[Read]] = {}
    for row in rows:
        found.setdefault(row.dialogue, []).append(Read(*row))
    return found


def final_outcome(reads: Sequence[Read]) -> Outcome:
    """What the answers to one dialogue (as `load_generations` orders them, at least one) come to.

    Of a step's answers the last one that may train counts, else the last one; the furthest step decides.
    """
    furthest = max(read.step for read in reads)
    of_step = [read for read in reads if read.step == furthest]
    counts = next((read for read in reversed(of_step) if not read.flaw), of_step[-1])
    attempts = max(Counter(read.step for read in reads).values())
    return Outcome(counts.flaw, furthest, attempts, counts.words, counts.unchanged, counts.dimension)


def last_attempts(reads: Mapping[str, Sequence[Read]]) -> dict[str, dict[int, tuple[int, bool]]]:
    """Dialogue → step → (number of the last attempt, whether any answer may train)."""
    found: dict[str, dict[int, tuple[int, bool]]] = {}
    for dialogue, of_dialogue in reads.items():
        steps = found.setdefault(dialogue, {})
        for read in of_dialogue:
            last, usable = steps.get(read.step, (0, False))
            steps[read.step] = max(last, read.attempt), usable or not read.flaw
    return found


async def find_response_set(store: Store, set_id: str) -> ResponseSet:
    """A set of responses by its id.

    Raises:
        UserError: there is none in this database.
    """
    columns = table(ResponseSetRow).c
    wanted = select(columns.id, columns.author, columns.preset, columns.made).where(columns.id == set_id)
    row = await store.read(lambda connection: connection.execute(wanted).one_or_none())
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
    """Ids of the runs whose calls made the responses of these sets, sorted."""
    wanted = (
        select(_invocations.c.run_id)
        .join(_completions, _completions.c.invocation_id == _invocations.c.id)
        .join(_generations, _generations.c.call_key == _completions.c.key)
        .where(_generations.c.set_id.in_(list(set_ids)))
        .distinct()
    )
    return sorted(await store.read(lambda connection: connection.execute(wanted).scalars().all()))


async def response_set_cost(store: Store, set_ids: Iterable[str]) -> float | None:
    """What the answers behind these sets cost in US dollars, each once; None where a price is not known."""
    keys = select(_generations.c.call_key).where(_generations.c.set_id.in_(list(set_ids)))
    costs = _completions.c.cost_usd
    wanted = select(func.count(), func.count(costs), func.coalesce(func.sum(costs), 0.0)).where(
        _completions.c.key.in_(keys)
    )
    answers, priced, total = (await store.read(lambda connection: connection.execute(wanted).all()))[0]
    return float(total) if answers == priced else None
