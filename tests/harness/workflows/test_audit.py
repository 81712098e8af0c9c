"""Judge audits on the real ratings: number of pairs, baselines, cross-validation on the train split."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from agents.control_judges import rules
from agents.judge import DEFAULT_PROMPT, Judge
from agents.models.registry import Registry
from agents.types import Split
from harness.data.dataset import Dataset, load, sample
from harness.engine.run import RequestSettings
from harness.workflows.audit import plan_audit, run_audit
from prompts import Library
from results.analysis import audit_baselines
from results.analysis.judge_audit import AuditSummary, summarize_audit
from results.db.store import Store
from results.queries.judge_audits import AuditData, load_audit
from results.statistics import WithinRaters
from results.statistics.judge_accuracy import agreement_shares
from tests.errors import user_error

PROMPT = Library()[DEFAULT_PROMPT]


@cache
def real(path: Path) -> Dataset:
    return load(str(path))


def controls_named(*names: str) -> list[Judge]:
    return [Judge(rules.model(name), PROMPT) for name in names]


async def run_small_audit(tmp_path: Path, dataset: Dataset, **options: object) -> AuditSummary:
    plan = plan_audit(dataset, [], PROMPT, **options)  # type: ignore[arg-type]  # options of plan_audit, by name
    async with await Store.open(str(tmp_path / "audit.sqlite")) as store:
        return await run_audit(store, Registry(None, {}), plan, RequestSettings(quiet=True))


def agreement(summary: AuditSummary) -> dict[str, float]:
    return {result.name: result.audit.agreement.value or 0.0 for result in summary.baselines}


def test_number_of_pairs_matches_the_method_document(real_dataset: Path) -> None:
    dataset = real(real_dataset)
    assert len(plan_audit(dataset, [], PROMPT, split=Split.TRAIN).pairs) == 9260
    assert len(plan_audit(dataset, [], PROMPT, split=Split.TEST).pairs) == 1462


async def test_baselines_on_the_test_split_match_the_method_document(
    real_dataset: Path, tmp_path: Path
) -> None:
    summary = await run_small_audit(tmp_path, real(real_dataset))
    agreements = agreement(summary)
    assert round(agreements[audit_baselines.LENIENCY], 3) == 0.664
    assert round(agreements["control/author"], 3) == 0.596
    assert round(agreements["control/longer"], 3) == 0.471
    assert round(agreements["control/ratings"], 4) == 0.5424
    assert agreements["control/first"] == 0.5
    first = next(result.audit for result in summary.baselines if result.name == "control/first")
    assert (first.consistency, first.first_position_rate, first.n) == (0.0, 1.0, 1462)
    async with await Store.open(str(tmp_path / "audit.sqlite")) as store:  # again, from the database
        again = await summarize_audit(store, summary.data.run_id)
    assert agreement(again) == agreements


async def test_baselines_have_no_agreement_within_raters(real_dataset: Path, tmp_path: Path) -> None:
    summary = await run_small_audit(tmp_path, real(real_dataset))
    within_by_name = {result.name: result.audit.within for result in summary.baselines}
    for name in ("control/author", "control/first", "control/random"):
        within = within_by_name[name]
        assert isinstance(within, WithinRaters)
        assert within.n == 1462
        assert within.p > 0.01
    lenient = within_by_name[audit_baselines.LENIENCY]
    assert isinstance(lenient, WithinRaters)
    assert lenient.agreement > 0.66  # although it reads no response
    assert lenient.excess < 0.02


async def test_fitted_judges_are_cross_validated_on_the_train_split(
    real_dataset: Path, tmp_path: Path
) -> None:
    dataset = real(real_dataset)
    plan = plan_audit(dataset, controls_named("ratings", "author"), PROMPT, split=Split.TRAIN)
    assert {judge.name for judge in plan.judges} == {"control/longer", "control/first", "control/random"}
    data = await stored(tmp_path, plan)
    score = audit_baselines.ratings_out_of_fold(data)
    assert agreement_shares(score, data.pairs.better).mean() == pytest.approx(
        0.5781, abs=2e-3
    )  # as in the fitting script
    assert 0.6 < agreement_shares(audit_baselines.leniency(data), data.pairs.better).mean() < 0.75
    folds = audit_baselines.assign_folds(data)
    part = np.array([data.dialogues[position].part for position in data.dialogue_of])
    assert all(len(set(folds[part == task])) == 1 for task in set(part[:200]))


async def stored(tmp_path: Path, plan: object) -> AuditData:
    """Return the pairs of a plan, read from a database without judgments."""
    async with await Store.open(str(tmp_path / "audit.sqlite")) as store:
        run_id, invocation = await store.start_run("audit", plan.spec, command="", context={})  # type: ignore[attr-defined]
        await store.save_dialogues(plan.dialogues)  # type: ignore[attr-defined]
        for response_set, responses in zip(plan.sets, plan.responses, strict=True):  # type: ignore[attr-defined]
            await store.save_responses(response_set, [responses[dialogue.key] for dialogue in plan.dialogues])  # type: ignore[attr-defined]
        await store.save_run_dialogues(run_id, [dialogue.key for dialogue in plan.dialogues])  # type: ignore[attr-defined]
        await store.finish_run(invocation)
        return await load_audit(store, run_id)


async def test_repeated_audit_sends_only_new_requests(tmp_path: Path) -> None:
    small = await run_small_audit(tmp_path, sample(), limit=8)
    again = await run_small_audit(tmp_path, sample(), limit=8)
    assert agreement(small) == agreement(again)
    assert small.data.run_id == again.data.run_id
    larger = await run_small_audit(tmp_path, sample(), limit=12)
    controls = [result.verdicts for result in larger.baselines if result.verdicts]
    assert all(verdicts.judgments == 2 * len(larger.data.pairs) for verdicts in controls)


def test_invalid_audit_plans_are_refused() -> None:
    with user_error("audit.invalid-split", found="all"):
        plan_audit(sample(), [], PROMPT, split=Split.ALL)
    alike = sample()
    ratings = tuple(
        type(rating)(rating.dialogue_id, rating.responder, 2, rating.rater, rating.part)
        for rating in alike.ratings
    )
    with user_error("audit.no-pairs", where="alike"):
        plan_audit(Dataset("alike", "0", alike.dialogues, alike.texts, ratings), [], PROMPT, split=Split.TEST)
