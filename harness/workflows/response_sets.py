"""A set of responses as a run left it: what is there, missing or wrong; from the database alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.text_extraction import WORD_LIMIT
from agents.types import Dialogue, ResponseSet
from results.db.store import Store
from results.queries.responses import (
    Outcome,
    count_endings,
    final_outcome,
    load_generations,
    response_set_cost,
)


@dataclass(frozen=True)
class ResponseSetSummary:
    """What there is of one set, over the run's dialogues.

    Attributes:
        of: the set.  dialogues: those it is made for.
        responses: how many of them have one.
        flaws: why the others may not train, or why those there may not: reason → count.
        missing: dialogues without any answer yet, or with a chain that broke off on a failed call.
        rambling: responses whose author wrote more than one: another turn, or more than 97 words.
        over_limit: responses of more than 97 words.  unchanged: those that say what the original said.
        asked_again: dialogues that took more than one attempt.
        dimensions: what teachers named as lacking → count.
        mean_words: of the responses; None where there are none.
        cost_usd: of every answer behind the set; None where a price is not known.
    """

    of: ResponseSet
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
        """As users write it."""
        return self.of.name


async def summarize_response_set(
    store: Store, of: ResponseSet, dialogues: Sequence[Dialogue]
) -> ResponseSetSummary:
    """What there is of one set, from the database alone."""
    keys = {dialogue.key for dialogue in dialogues}
    responses = {one.dialogue: one for one in await store.responses(of.id) if one.dialogue in keys}
    outcomes: dict[str, Outcome] = {
        key: final_outcome(reads)
        for key, reads in (await load_generations(store, of.id)).items()
        if key in keys
    }
    words = [len(one.text.split()) for one in responses.values()]
    flaws = Counter(one.flaw for one in outcomes.values() if one.flaw)
    told = set(responses) | {key for key, one in outcomes.items() if one.flaw}
    return ResponseSetSummary(
        of=of,
        dialogues=len(keys),
        responses=len(responses),
        flaws=dict(sorted(flaws.items())),
        missing=len(keys - told),
        rambling=(await count_endings(store, of.id, keys)).rambling,
        over_limit=sum(count > WORD_LIMIT for count in words),
        unchanged=sum(one.unchanged for key, one in outcomes.items() if key in responses),
        asked_again=sum(one.attempts > 1 for one in outcomes.values()),
        dimensions=dict(sorted(Counter(one.dimension for one in outcomes.values() if one.dimension).items())),
        mean_words=sum(words) / len(words) if words else None,
        cost_usd=await response_set_cost(store, [of.id]),
    )
