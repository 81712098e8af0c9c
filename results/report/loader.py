"""Loader of the report context from the database.

Everything in a report is read here once; rendering is a pure function of `ReportContext`. A study is reported
like a run, with the contests of all its runs. Earlier versions stored it as a run that names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import func, literal, select

from agents.errors import UserError
from results.analysis.contest_results import ContestResult, load_contest_results
from results.analysis.judge_audit import load_audits
from results.db.schema import (
    AttemptRow,
    InvocationRow,
    PromptRow,
    RunRow,
    StudyRow,
    table,
)
from results.db.store import Store
from results.db.studies import study_name
from results.queries.checkpoints import CheckpointRecord
from results.queries.contests import CONTROL, Contest
from results.queries.study_runs import runs_of
from results.queries.test_set_uses import load_test_set_uses
from results.report.author_descriptions import load_report_author, students_of_sets, trainings
from results.report.batch_queries import chunks, rows_of
from results.report.context import (
    AuthorPair,
    FailureCount,
    InvocationSummary,
    PromptText,
    ReportContext,
)
from results.report.cost import summarize_cost
from results.report.examples import EXAMPLES, select_examples
from results.report.judge_agreement import judge_agreements
from results.report.run_lookup import JUDGING_KINDS
from results.report.seed_summary import summarize_seeds
from results.report.table1_grid import Table1Grid, build_table1_grid

_FEWEST_EXAMPLES = 2  # of a pair of authors, however many pairs there are


async def build_context(
    store: Store,
    run_id: str,
    *,
    seed: int | None = None,
    examples: int = EXAMPLES,
    snapshots: Collection[str] = (),
) -> ReportContext:
    """Load everything that the report of a run needs.

    Args:
        seed: None for the run's own.
        examples: maximum number of examples over all pairs of authors.
        snapshots: see `results.queries.contests.load_contests`.

    Raises:
        UserError: the run does not exist, or has no contests.
    """
    spec = orjson.loads(await store.spec_of(run_id))
    kind, created_at = await _kind_and_time(store, run_id)
    results = await load_contest_results(store, run_id, seed=seed, snapshots=snapshots)
    contests = [result.contest for result in results]
    if kind not in JUDGING_KINDS and not contests:
        raise UserError(
            "the run has no contests to report",
            code="report.no-contests",
            where=run_id,
            found=f"run of kind {kind!r}",
            remedy="Pass a judging run; 'last' is the newest.",
        )
    own_seed = int(spec.get("seed", 0)) if seed is None else seed
    sets = {response_set.id: response_set for contest in contests for response_set in (contest.a, contest.b)}
    trained = await students_of_sets(store, list(sets.values()))
    dialogues = contests[0].dialogues if contests else ()
    authors = {
        key: await load_report_author(store, response_set, dialogues, trained)
        for key, response_set in sets.items()
    }
    own_run = [] if study_name(run_id) else [run_id]
    runs = [*own_run, *map(str, spec.get("runs", ()))]
    pairs = await _pairs(store, results, own_seed, examples)
    complete = [result.contest for result in results if result.stopped is None]
    models = [
        [judged.contest for judged in pair.judged if not judged.is_control and judged.stopped is None]
        for pair in pairs
    ]
    judges = {result.contest.judge_id for result in results if not result.is_control}
    return ReportContext(
        run_id=run_id,
        spec=spec,
        created_at=created_at,
        seed=own_seed,
        pairs=pairs,
        authors=authors,
        trained=await trainings(store, trained),
        seeds=summarize_seeds(complete, trained, own_seed),
        grid=_grid(complete, trained, run_id, own_seed),
        agreements=judge_agreements(models, own_seed),
        audits=await load_audits(store, judges),
        looks=await load_test_set_uses(store, set(sets)),
        spending=await summarize_cost(
            store,
            run_id,
            [(contest.judge_id, contest.a.id, contest.b.id) for contest in contests],
            set(sets),
            [str(set_id) for set_id in spec.get("taught", ())],
            runs,
        ),
        prompts=await _prompts(store, {contest.prompt_version for contest in contests}),
        invocations=await _invocations(store, await runs_of(store, run_id)),
        failures=await _failures(store, runs),
    )


async def _kind_and_time(store: Store, run_id: str) -> tuple[str, float]:
    """Return the kind of a run and when it began; a study counts as judging."""
    if study := study_name(run_id):
        query = select(literal(JUDGING_KINDS[0]), table(StudyRow).c.created_at).where(
            table(StudyRow).c.name == study
        )
    else:
        query = select(table(RunRow).c.kind, table(RunRow).c.created_at).where(table(RunRow).c.id == run_id)
    ((kind, created_at),) = await rows_of(store, query)
    return kind, created_at


async def _pairs(
    store: Store, results: Sequence[ContestResult], seed: int, examples: int
) -> tuple[AuthorPair, ...]:
    by_pair: dict[tuple[str, str], list[ContestResult]] = {}
    for result in sorted(results, key=lambda each: (each.contest.b.name, each.contest.a.name)):
        by_pair.setdefault((result.contest.a.id, result.contest.b.id), []).append(result)
    pairs = []
    for judged in by_pair.values():
        judged.sort(key=lambda each: each.is_control)  # models before their baseline
        share = max(_FEWEST_EXAMPLES, examples // len(by_pair))
        contests = [result.contest for result in judged]
        chosen = await select_examples(store, contests, seed=seed, limit=share)
        pairs.append(AuthorPair(contests[0].a, contests[0].b, tuple(judged), chosen))
    return tuple(pairs)


def _grid(
    contests: Sequence[Contest], trained: Mapping[str, CheckpointRecord], run_id: str, seed: int
) -> Table1Grid | None:
    """Return Table 1's layout of the models' verdicts, or of the control judges' if there are no models."""
    models = [contest for contest in contests if contest.judge_provider != CONTROL]
    samplings = {contest.judge_id: contest.sampling for contest in contests}
    return build_table1_grid(models or contests, trained, samplings, run=run_id, seed=seed)


async def _prompts(store: Store, versions: set[str]) -> tuple[PromptText, ...]:
    columns = table(PromptRow).c
    query = (
        select(columns.version, columns.name, columns.text)
        .where(columns.version.in_(sorted(versions - {""})))
        .order_by(columns.name, columns.version)
    )
    return tuple(PromptText(*row) for row in await rows_of(store, query))


async def _invocations(store: Store, runs: Sequence[str]) -> tuple[InvocationSummary, ...]:
    """Return the commands of these runs; one process may have worked on many."""
    columns = table(InvocationRow).c
    rows: list[Any] = []
    for chunk in chunks(runs):
        rows += await rows_of(store, select(table(InvocationRow)).where(columns.run_id.in_(chunk)))
    by_process: dict[tuple[Any, ...], list[Any]] = {}
    for row in sorted(rows, key=lambda row: (row.started_at, row.id)):
        process = (row.place, row.pid, row.process_started, row.command)
        by_process.setdefault(process, []).append(row)
    return tuple(
        InvocationSummary(
            of_process[0].command,
            orjson.loads(of_process[0].context),
            of_process[0].started_at,
            None if None in (ends := [row.ended_at for row in of_process]) else max(ends),
            sum(row.spent_usd for row in of_process),
        )
        for of_process in by_process.values()
    )


async def _failures(store: Store, runs: Sequence[str]) -> tuple[FailureCount, ...]:
    attempt, invocation = table(AttemptRow).c, table(InvocationRow).c
    found: Counter[tuple[str, str]] = Counter()
    for chunk in chunks(runs):
        query = (
            select(attempt.model, attempt.failure, func.count())
            .join(table(InvocationRow), invocation.id == attempt.invocation_id)
            .where(invocation.run_id.in_(chunk))
            .group_by(attempt.model, attempt.failure)
        )
        for model, failure, count in await rows_of(store, query):
            found[model, failure] += int(count)
    return tuple(FailureCount(*who, count) for who, count in sorted(found.items()))
