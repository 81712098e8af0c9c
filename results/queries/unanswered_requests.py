"""Requests of a run that were attempted and have no completion."""

from __future__ import annotations

from sqlalchemy import func, select

from results.db.schema import AttemptRow, CompletionRow, InvocationRow, table
from results.db.store import Store


async def count_unanswered(store: Store, run_id: str) -> dict[str, int]:
    """Return the number of a run's requests with a failed attempt and no completion, by model."""
    attempt, invocation, completion = (table(row).c for row in (AttemptRow, InvocationRow, CompletionRow))
    answered = select(completion.key).where(completion.key == attempt.key).exists()
    runs = select(invocation.id).where(invocation.run_id == run_id)
    query = (
        select(attempt.model, func.count(attempt.key.distinct()))
        .where(attempt.invocation_id.in_(runs), ~answered)
        .group_by(attempt.model)
    )
    return {
        model: int(count)
        for model, count in await store.read(lambda connection: connection.execute(query).all())
    }
