"""Audits on the real ratings: how many pairs there are, what the floors reach, out of fold on train."""

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


async def done(tmp_path: Path, dataset: Dataset, **options: object) -> AuditSummary:
    plan = plan_audit(dataset, [], PROMPT, **options)  # type: ignore[arg-type]  # options of plan_audit, by name
    async with await Store.open(str(tmp_path / "audit.sqlite")) as store:
        return await run_audit(store, Registry(None, {}), plan, RequestSettings(quiet=True))


def agreement(summary: AuditSummary) -> dict[str, float]:
    return {one.name: one.audit.agreement.value or 0.0 for one in summary.baselines}


def test_there_are_as_many_pairs_as_the_method_says(real_dataset: Path) -> None:
    dataset = real(real_dataset)
    assert len(plan_audit(dataset, [], PROMPT, split=Split.TRAIN).pairs) == 9260
    assert len(plan_audit(dataset, [], PROMPT, split=Split.TEST).pairs) == 1462


async def test_the_floors_on_the_test_dialogues_are_the_methods(real_dataset: Path, tmp_path: Path) -> None:
    summary = await done(tmp_path, real(real_dataset))
    found = agreement(summary)
    assert round(found[audit_baselines.LENIENCY], 3) == 0.664
    assert round(found["control/author"], 3) == 0.596
    assert round(found["control/longer"], 3) == 0.471
    assert round(found["control/ratings"], 4) == 0.5424
    assert found["control/first"] == 0.5
    first = next(one.audit for one in summary.baselines if one.name == "control/first")
    assert (first.consistency, first.first_position_rate, first.n) == (0.0, 1.0, 1462)
    async with await Store.open(
        str(tmp_path / "audit.sqlite")
    ) as store:  # and again, from the database alone
        again = await summarize_audit(store, summary.data.run_id)
    assert agreement(again) == found


async def test_within_raters_the_floors_know_nothing_of_single_responses(
    real_dataset: Path, tmp_path: Path
) -> None:
    summary = await done(tmp_path, real(real_dataset))
    found = {one.name: one.audit.within for one in summary.baselines}
    for name in ("control/author", "control/first", "control/random"):
        within = found[name]
        assert isinstance(within, WithinRaters)
        assert within.n == 1462
        assert within.p > 0.01
    lenient = found[audit_baselines.LENIENCY]
    assert isinstance(lenient, WithinRaters)
    assert lenient.agreement > 0.66  # and yet it has read nothing
    assert lenient.excess < 0.02


async def test_on_train_the_fitted_judges_stand_out_of_fold_alone(real_dataset: Path, tmp_path: Path) -> None:
    dataset = real(real_dataset)
    plan = plan_audit(dataset, controls_named("ratings", "author"), PROMPT, split=Split.TRAIN)
    assert {judge.name for judge in plan.judges} == {"control/longer", "control/first", "control/random"}
    found = await stored(tmp_path, plan)
    score = audit_baselines.ratings_out_of_fold(found)
    assert agreement_shares(score, found.pairs.better).mean() == pytest.approx(
        0.5781, abs=2e-3
    )  # as the fit's script
    assert 0.6 < agreement_shares(audit_baselines.leniency(found), found.pairs.better).mean() < 0.75
    folds = audit_baselines.assign_folds(found)
    part = np.array([found.dialogues[place].part for place in found.dialogue_of])
    assert all(len(set(folds[part == one])) == 1 for one in set(part[:200]))


async def stored(tmp_path: Path, plan: object) -> AuditData:
    """The plan's pairs as read from a database in which nothing has been asked yet."""
    async with await Store.open(str(tmp_path / "audit.sqlite")) as store:
        run_id, invocation = await store.start_run("audit", plan.spec, command="", context={})  # type: ignore[attr-defined]
        await store.save_dialogues(plan.dialogues)  # type: ignore[attr-defined]
        for of, responses in zip(plan.sets, plan.responses, strict=True):  # type: ignore[attr-defined]
            await store.save_responses(of, [responses[one.key] for one in plan.dialogues])  # type: ignore[attr-defined]
        await store.save_run_dialogues(run_id, [one.key for one in plan.dialogues])  # type: ignore[attr-defined]
        await store.finish_run(invocation)
        return await load_audit(store, run_id)


async def test_a_second_run_asks_nothing_and_a_larger_one_only_what_is_new(tmp_path: Path) -> None:
    small = await done(tmp_path, sample(), limit=8)
    again = await done(tmp_path, sample(), limit=8)
    assert agreement(small) == agreement(again)
    assert small.data.run_id == again.data.run_id
    larger = await done(tmp_path, sample(), limit=12)
    endpoints = [one.verdicts for one in larger.baselines if one.verdicts]
    assert all(said.judgments == 2 * len(larger.data.pairs) for said in endpoints)


def test_splits_are_audited_apart_and_there_must_be_pairs() -> None:
    with user_error("audit.invalid-split", found="all"):
        plan_audit(sample(), [], PROMPT, split=Split.ALL)
    alike = sample()
    ratings = tuple(
        type(one)(one.dialogue_id, one.responder, 2, one.rater, one.part) for one in alike.ratings
    )
    with user_error("audit.no-pairs", where="alike"):
        plan_audit(Dataset("alike", "0", alike.dialogues, alike.texts, ratings), [], PROMPT, split=Split.TEST)
