"""Resolution of what a user types into an id: that of a run or its beginning, a study, or `last`."""

from __future__ import annotations

from pathlib import Path

import orjson
from sqlalchemy import func, select

from agents.errors import Fault, UserError
from results.db.schema import InvocationRow, RunRow, table
from results.db.store import Store
from results.db.studies import STUDY_TAG, load_studies
from results.queries.study_runs import runs_of
from results.report.batch_queries import rows_of

LAST = "last"
JUDGING = "judging"
JUDGING_KINDS = (JUDGING, "judging until known")  # with early stopping
_TAG = "run-1:"
_SHOWN = 5


async def find_run(store: Store, written: str) -> str:
    """Return the id of the run or study that a user means; that of a study is `study:NAME`.

    Args:
        written: an id or its beginning, with or without `run-1:`; a study's name, title or file; or `last`,
            the study or judging run that was worked on last.

    Raises:
        UserError: no run matches, or several do.
    """
    run, invocation = table(RunRow).c, table(InvocationRow).c
    worked_on = func.coalesce(func.max(invocation.started_at), run.created_at)
    rows = await rows_of(
        store,
        select(run.id, run.kind, worked_on.label("worked_on"))
        .join(table(InvocationRow), invocation.run_id == run.id, isouter=True)
        .group_by(run.id, run.kind, run.created_at)
        .order_by(worked_on.desc(), run.id),
    )
    judging = [row for row in rows if row.kind in JUDGING_KINDS]
    if not rows or (written == LAST and not judging):
        raise UserError(
            "the database has no judging run",
            code="run.none-judged",
            where=store.database.shown,
            remedy="Run empathy judge A B --judge MODEL first.",
        )
    studies = [
        study for study in await store.read(load_studies) if await runs_of(store, f"{STUDY_TAG}{study.name}")
    ]
    if written == LAST:
        if studies and studies[0].updated_at >= judging[0].worked_on:
            return f"{STUDY_TAG}{studies[0].name}"
        return str(judging[0].id)
    name = Path(written).stem if written.endswith(".toml") else written.removeprefix(STUDY_TAG)
    for study in studies:
        if name in (study.name, study.title):
            return f"{STUDY_TAG}{study.name}"
    of_study = await _of_earlier_study(store, name, [row.id for row in judging])
    if of_study:
        return of_study
    query = written.removeprefix(_TAG)
    matches = [row for row in rows if row.id == written or (query and _bare(row.id).startswith(query))]
    if len(matches) == 1:
        return str(matches[0].id)
    if not matches:
        newest = [Fault(f"{row.id} ({row.kind})") for row in rows[:_SHOWN]]
        raise UserError(
            "run not found",
            code="run.not-found",
            where=store.database.shown,
            found=repr(written),
            remedy="Pass the beginning of a run id, a study's name, or 'last'. The newest runs:",
            faults=newest,
        )
    raise UserError(
        f"{len(matches)} runs match",
        code="run.ambiguous",
        where=store.database.shown,
        found=repr(written),
        remedy="Pass more characters of the run id.",
        faults=[Fault(f"{row.id} ({row.kind})") for row in matches[:_SHOWN]],
    )


async def _of_earlier_study(store: Store, name: str, judging: list[str]) -> str:
    """Return the newest run that an earlier version stored for a study of this name; "" if there is none."""
    run = table(RunRow).c
    query = select(run.id, run.spec).where(run.kind == JUDGING, run.spec.contains('"study"'))
    named = set()
    for row in await rows_of(store, query):
        spec = orjson.loads(row.spec)
        if name and name in (spec.get("name"), spec.get("study")):
            named.add(row.id)
    return next((run_id for run_id in judging if run_id in named), "")


def _bare(run_id: str) -> str:
    return run_id.removeprefix(_TAG)
