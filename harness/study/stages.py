"""What each kind of stage does: the chain, composed of what the other commands do.

    improve → build → train → generate → judge → choose → report      (and: base, respond)

Every function takes a stage that may begin and gives what it made. All of them can be killed anywhere and
begun again: calls are remembered by the database, trainings by their own folder, files are written whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import orjson

from agents.errors import EmpathyError
from agents.hashing import content_id
from agents.judge import Judge
from agents.types import Dialogue, Response, Split
from finetune.checkpoint import read_checkpoint
from finetune.config import TrainingConfig as TrainingSettings
from finetune.dataset_folder import MANIFEST, dataset_id
from harness.data.author_resolver import Author, resolve_author
from harness.data.training_set_spec import TrainingSetSpec
from harness.study.config import TINY, StudentSpec
from harness.study.context import StudyContext
from harness.study.progress import report_progress
from harness.study.report_run import create_study_run, write_report
from harness.study.stage_cache import StageInputs, StageOutput
from harness.study.train_worker import run_in_subprocess
from harness.workflows.build_dataset import build
from harness.workflows.generate import GenerationPlan, GenerationResult, generate
from harness.workflows.generation_cost import estimate_generation_cost
from harness.workflows.judge import judge_contest, plan_judging
from harness.workflows.judge_cost import estimate_judging_cost
from harness.workflows.records import save_checkpoints
from harness.workflows.response_sets import ResponseSetSummary
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.statistics.judgment_table import JudgmentTable

TINY_NEW_TOKENS = 32  # of the check after training: a tiny student has nothing to say


class StageNotFinished(EmpathyError):  # noqa: N818  (it is what happened)
    """A stage that did not come to its end; the same command goes on with it."""


class StudyInterrupted(EmpathyError):  # noqa: N818  (it is what happened)
    """The user asked us to stop; what is answered is stored."""


async def ask(context: StudyContext, plan: GenerationPlan, ready: StageInputs) -> StageOutput:
    """Improve or respond: every response of a plan that is not there yet."""
    async with await Store.open(context.db) as store:
        cost = _most([each.maximum_usd for each in await _costs(store, context, plan)])
        run_id = content_id("run-1", [plan.kind, plan.spec])
        async with context.purse.reserve(run_id, cost) as budget:
            settings = replace(context.settings, budget_usd=budget)
            async with report_progress(store, run_id, ready.stage.name, context.tell):
                summary = await generate(store, context.registry, plan, settings)
        _check_whole(context, summary)
        return await response_set_output(store, summary, summary.sets, plan.dialogues)


async def response_set_output(
    store: Store, summary: GenerationResult, sets: Sequence[ResponseSetSummary], dialogues: Iterable[Dialogue]
) -> StageOutput:
    """The output of a run that made responses: of every set, which response each dialogue has.

    Args:
        sets: those that count, the one that the stage is about last.
    """
    keys = {dialogue.key for dialogue in dialogues}
    told = {one.of.id: _ids(await store.responses(one.of.id), keys) for one in sets}
    last = sets[-1]
    result = {
        "run": summary.run_id,
        "set": last.of.id,
        "author": last.name,
        "responses": last.responses,
        "dialogues": last.dialogues,
        "unusable": sum(last.flaws.values()),
        "words": last.mean_words,
        "cost_usd": last.cost_usd,
    }
    return StageOutput(content_id("responses-1", told), result)


async def make_dataset(context: StudyContext, recipe: TrainingSetSpec, ready: StageInputs) -> StageOutput:
    """The training set of a recipe, in a folder of this key's own."""
    folder = ready.folder(context.folder / "data")
    if not (folder / MANIFEST).is_file():  # it is written whole: what is there is this one
        async with await Store.open(context.db) as store:
            built = await build(context.dataset, store, recipe)
        built.write(folder, context.library, ())
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    rows = {name: manifest["rows"][name] for name in ("sft", "dpo")}
    left_out = manifest["excluded"]
    return StageOutput(
        dataset_id(manifest), {"folder": context.relative_path(folder), **rows, "left_out": left_out}
    )


async def find_base(context: StudyContext, student_spec: StudentSpec, ready: StageInputs) -> StageOutput:
    """The base on this machine, known by its weights."""
    folder = ready.folder(context.folder / "models")
    tiny = student_spec.base.removeprefix(TINY) if student_spec.base.startswith(TINY) else ""
    job = {
        "do": "base",
        "base": student_spec.base,
        "revision": student_spec.revision,
        "tiny": tiny,
        "new": str(folder),
    }
    got = await run_in_subprocess(
        job, _log(context, ready), partial(context.tell, ready.stage.name), thread_environment(student_spec)
    )
    if tiny:
        got |= {"base": "", "at": "", "folder": context.relative_path(folder)}
    return StageOutput(got["weights"], got)


async def train(
    context: StudyContext,
    settings: TrainingSettings,
    step: str,
    name: str,
    student_spec: StudentSpec,
    ready: StageInputs,
) -> StageOutput:
    """One step of fine-tuning, in a child process; a killed one goes on from its last save."""
    base = ready.needs[f"base {student_spec.name}"].result
    name = f"{name}-{ready.key.rpartition(':')[2][:6]}"  # another training is another student
    data = next(one for one in ready.needs.values() if one.kind == "build").result
    parent = next((one for one in ready.needs.values() if one.kind == "train"), None)
    out = ready.folder(context.folder / "checkpoints")
    tiny = student_spec.base.startswith(TINY)
    job = {
        "do": "train",
        "base": base_location(context, base),
        "revision": base["revision"],
        "form": student_spec.form,
        "data": str(context.folder / data["folder"]),
        "parent": str(context.folder / parent.result["folder"]) if parent else "",
        "out": str(out),
        "name": name,
        "settings": asdict(settings),
        "cpu": context.study.training.device == "cpu",
        "new_tokens": TINY_NEW_TOKENS if tiny else 128,
    }
    got = await run_in_subprocess(
        job, _log(context, ready), partial(context.tell, ready.stage.name), thread_environment(student_spec)
    )
    async with await Store.open(context.db) as store:
        await save_checkpoints(store, [read_checkpoint(out)])
    return StageOutput(
        got["id"], {"student": name, "step": step, "folder": context.relative_path(out), **got}
    )


def thread_environment(student_spec: StudentSpec) -> dict[str, str]:
    """A tiny model gains nothing by a second thread, and threads that wait by spinning lose whole minutes
    where anything else computes; a real one is left to torch."""
    return {"OMP_NUM_THREADS": "1"} if student_spec.base.startswith(TINY) else {}


def base_location(context: StudyContext, base: Mapping[str, Any]) -> str:
    """Where a base is: its name on the Hub or its folder."""
    return str(base["base"]) or str(context.folder / base["folder"])


async def judge(
    context: StudyContext, names: tuple[str, str], by: Judge, split: Split, ready: StageInputs
) -> StageOutput:
    """One contest under one judge, every pair in both orders."""
    study = context.study
    async with await Store.open(context.db) as store:
        a, b = [await contestant(context, store, name, ready) for name in names]
        plan = plan_judging(
            context.dataset,
            a,
            b,
            [by],
            split=split,
            limit=study.data.limit or None,
            samples=study.judging.samples,
            seed=study.data.seed,
        )
        cost = _most(
            [each.maximum_usd for each in await estimate_judging_cost(store, plan, context.settings)]
        )
        run_id = content_id("run-1", [plan.kind, plan.spec])
        async with context.purse.reserve(run_id, cost) as budget:
            settings = replace(context.settings, budget_usd=budget, adapt=False)
            async with report_progress(
                store, run_id, ready.stage.name, context.tell, plan.requests_per_judge
            ):
                summary = await judge_contest(store, context.registry, plan, settings)
        (one,) = summary.judges
        if summary.interrupted:
            raise StudyInterrupted("interrupted; every answer is stored")
        if one.endpoint is not None and (one.endpoint.stopped or one.endpoint.failed):
            raise StageNotFinished(_unanswered(context, by.name, one.endpoint))
        if not one.has_verdicts:
            raise StageNotFinished(f"{by.name}: {one.problem}")
        rate = one.hard
        result = {
            "run": summary.run_id,
            "split": str(split),
            "judge": by.name,
            "judge_id": by.id,
            "a": a.name,
            "b": b.name,
            "set_a": a.set.id,
            "set_b": b.set.id,
            "win_rate": rate.rate,
            "low": rate.low,
            "high": rate.high,
            "order_robust": list(rate.order_robust),
            "n": rate.n,
            "incomplete": rate.incomplete,
            "unscored": one.unscored,
            "kin": [same_family.to_dict() for same_family in one.contest.same_family],
            "answerers": dict(one.contest.answerers),
            "answered_by_several": len(one.contest.answerers) > 1,
            "answered": one.contest.answering_model_note,
            "cost_usd": one.contest.cost_usd,
        }
        told = [by.id, a.set.id, b.set.id, _verdicts(one.contest.columns)]
        return StageOutput(content_id("judgments-1", told), result)


async def contestant(context: StudyContext, store: Store, name: str, ready: StageInputs) -> Author:
    """A contest's author: from the stage that made its responses, or as it is named."""
    if name in ready.needs:
        made = ready.needs[name].result
        return await resolve_author(
            f"{made['author'].partition('@')[0]}@{made['set']}", context.dataset, store
        )
    return await resolve_author(name, context.dataset, store)


async def choose(context: StudyContext, ready: StageInputs) -> StageOutput:
    """The best of the students by their win rate on the development dialogues; equal ones by name."""
    found = [
        (one.result["win_rate"], one.result["a"], name)
        for name, one in ready.needs.items()
        if one.kind == "judge" and one.result["win_rate"] is not None
    ]
    if not found:
        raise StageNotFinished("no student has a win rate to be chosen by")
    ranked = sorted(found, key=lambda one: (-one[0], one[1]))
    rate, author, _ = ranked[0]
    student = author.partition("@")[0].removeprefix("student:")
    trained = next(
        one for one in ready.needs.values() if one.kind == "train" and one.result["student"] == student
    )
    result = {
        **{name: trained.result[name] for name in ("student", "folder", "id", "step")},
        "win_rate": rate,
        "of": len(ranked),
    }
    return StageOutput(trained.output, result)


async def report(context: StudyContext, dialogues: Iterable[str], ready: StageInputs) -> StageOutput:
    """One page of every contest that is judged, from the database alone."""
    judged = [one.result for one in ready.needs.values() if one.kind == "judge"]
    asked = [one.result for one in ready.needs.values() if one.kind == "improve"]
    if not judged:
        raise StageNotFinished("nothing is judged yet")
    async with await Store.open(context.db) as store:
        run_id = await create_study_run(context, store, judged, asked, list(dialogues))
        return await write_report(context, store, run_id, ready)


def _check_whole(context: StudyContext, summary: GenerationResult) -> None:
    """Every call was answered; what may not train is an answer too.

    Raises:
        Interrupted, NotFinished: it was not.
    """
    if summary.interrupted:
        raise StudyInterrupted("interrupted; every answer is stored")
    for name, endpoint in summary.endpoints.items():
        if endpoint.stopped or endpoint.failed:
            raise StageNotFinished(_unanswered(context, name, endpoint))


def _unanswered(context: StudyContext, name: str, endpoint: EndpointReport) -> str:
    """Why a lane did not come to its end, and what to do."""
    if not endpoint.stopped:
        return f"{name}: {endpoint.failed} calls got no answer; the same command asks them again"
    ceiling = context.purse.ceiling_usd
    whole = "" if ceiling is None else f" (What the whole study may cost: ${ceiling:g}.)"
    return f"{name}: {endpoint.stopped}{whole}"


def _verdicts(columns: JudgmentTable) -> list[list[Any]]:
    """Who was preferred at each place, in an order of its own; None where it is unscored."""
    outcome = [None if isnan(value) else value for value in columns.outcome.tolist()]
    places = zip(columns.dialogue.tolist(), columns.a_first.tolist(), columns.sample.tolist(), strict=True)
    return [
        [*place, value] for place, value in sorted(zip(places, outcome, strict=True), key=lambda one: one[0])
    ]


def _ids(responses: Iterable[Response], keys: set[str]) -> list[str]:
    return sorted(one.id for one in responses if one.dialogue in keys)


async def _costs(store: Store, context: StudyContext, plan: GenerationPlan) -> list[Any]:
    return (
        await estimate_generation_cost(store, plan, context.settings)
        if context.purse.ceiling_usd is not None
        else []
    )


def _most(costs: list[float | None]) -> float | None:
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _log(context: StudyContext, ready: StageInputs) -> Path:
    return ready.folder(context.folder / "logs").with_suffix(".log")
