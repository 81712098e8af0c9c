"""Summary of a response set after a run, computed from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.text_extraction import WORD_LIMIT
from agents.types import Dialogue, ResponseSet
from results.db.store import Store
from results.queries.responses import (
    DialogueOutcome,
    count_endings,
    final_outcome,
    load_generations,
    response_set_cost,
)


@dataclass(frozen=True)
class ResponseSetSummary:
    """Summary of one response set over the dialogues of a run.

    Attributes:
        response_set: the response set.
        dialogues: number of dialogues of the run.
        responses: number of dialogues with a response.
        flaws: exclusion reason → number of dialogues.
        missing: number of dialogues without a completion, or whose chain broke off on a failed request.
        rambling: number of completions with more than one response: another turn or more than 97 words.
        over_limit: number of responses with more than 97 words.
        unchanged: number of responses identical to the original response.
        asked_again: number of dialogues with more than one attempt.
        dimensions: dimension that a teacher named as lacking → count.
        mean_words: mean length in words; None without responses.
        cost_usd: cost of all completions of the set; None when a price is unknown.
    """

    response_set: ResponseSet
    dialogues: int
    responses: int
    flaws: Mapping[str, int]
    missing: int
    rambling: int
    over_limit: int
    unchanged: int
    asked_again: int
    dimensions: Mapping[str, int]
    mean_words: float | None
    cost_usd: float | None

    @property
    def name(self) -> str:
        """Name of the response set."""
        return self.response_set.name


async def summarize_response_set(
    store: Store, response_set: ResponseSet, dialogues: Sequence[Dialogue]
) -> ResponseSetSummary:
    """Summarize one response set over these dialogues."""
    keys = {dialogue.key for dialogue in dialogues}
    responses = {
        item.dialogue: item for item in await store.responses(response_set.id) if item.dialogue in keys
    }
    outcomes: dict[str, DialogueOutcome] = {
        key: final_outcome(generations)
        for key, generations in (await load_generations(store, response_set.id)).items()
        if key in keys
    }
    words = [len(item.text.split()) for item in responses.values()]
    flaws = Counter(item.flaw for item in outcomes.values() if item.flaw)
    settled = set(responses) | {key for key, item in outcomes.items() if item.flaw}
    return ResponseSetSummary(
        response_set=response_set,
        dialogues=len(keys),
        responses=len(responses),
        flaws=dict(sorted(flaws.items())),
        missing=len(keys - settled),
        rambling=(await count_endings(store, response_set.id, keys)).rambling,
        over_limit=sum(count > WORD_LIMIT for count in words),
        unchanged=sum(item.unchanged for key, item in outcomes.items() if key in responses),
        asked_again=sum(item.attempts > 1 for item in outcomes.values()),
        dimensions=dict(
            sorted(Counter(item.dimension for item in outcomes.values() if item.dimension).items())
        ),
        mean_words=sum(words) / len(words) if words else None,
        cost_usd=await response_set_cost(store, [response_set.id]),
    )
