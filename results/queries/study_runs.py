"""Runs behind the id of a run or a study."""

from __future__ import annotations

from results.db.store import Store
from results.db.studies import judging_runs, study_name


async def runs_of(store: Store, run_id: str) -> list[str]:
    """Return the run of this id; for a study, the runs of its finished contests.

    All runs of a study judge the same dialogues in the same order.
    """
    study = study_name(run_id)
    if not study:
        return [run_id]
    return await store.read(lambda connection: judging_runs(connection, study))
