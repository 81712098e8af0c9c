"""Functions of the stages of a study, built on the workflows that the other commands use.

    improve → build → train → generate → judge → choose → report      (and: base, respond)

Every function takes the inputs of a stage and returns its output. Each can be killed at any moment and run
again: answers are in the database, training resumes from its folder, and files are written atomically.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from math import isnan
from pathlib import Path
from typing import Any

import orjson

from agents.author_names import AuthorName
from agents.errors import EmpathyError
from agents.hashing import content_id
from agents.judge import Judge
from agents.types import Dialogue, Response, Split
from finetune.checkpoint import read_checkpoint
from finetune.config import TrainingConfig as TrainingSettings
from finetune.dataset_folder import MANIFEST, dataset_id
from harness.atomic_write import atomic_write
from harness.data.author_resolver import Author, resolve_author
from harness.data.training_set_spec import TrainingSetSpec
from harness.study.config import TINY, StudentSpec
from harness.study.context import StudyContext
from harness.study.progress import report_progress
from harness.study.stage_cache import StageInputs, StageOutput
from harness.study.train_worker import run_in_subprocess
from harness.workflows.build_dataset import build
from harness.workflows.generate import GenerationPlan, GenerationResult, generate
from harness.workflows.judge import judge_contest, plan_judging
from harness.workflows.records import save_checkpoints
from harness.workflows.response_sets import ResponseSetSummary
from results.analysis.endpoint_report import EndpointReport
from results.db.store import Store
from results.db.studies import STUDY_TAG
from results.statistics.judgment_table import JudgmentTable

TINY_NEW_TOKENS = 32  # in the check after training; longer output of a tiny student is noise


class StageNotFinished(EmpathyError):  # noqa: N818  (it is what happened)
    """Raised when a stage did not finish; running the study again continues it."""


class StudyInterrupted(EmpathyError):  # noqa: N818  (it is what happened)
    """Raised when the user interrupted the study; all answers are stored."""


async def ask(context: StudyContext, plan: GenerationPlan, inputs: StageInputs) -> StageOutput:
    """Generate all missing responses of a plan (stages improve and respond)."""
    async with await Store.open(context.db) as store:
        run_id = content_id("run-1", [plan.kind, plan.spec])
        settings = replace(context.settings, budget_usd=context.budget_usd)
        async with report_progress(store, run_id, inputs.stage.name, context.tell):
            summary = await generate(store, context.registry, plan, settings)
        _check_finished(summary)
        return await response_set_output(store, summary, summary.sets, plan.dialogues)


async def response_set_output(
    store: Store, summary: GenerationResult, sets: Sequence[ResponseSetSummary], dialogues: Iterable[Dialogue]
) -> StageOutput:
    """Return the output of a stage that generated responses.

    Args:
        sets: the response sets whose responses identify the output; the result describes the last one.
        dialogues: the dialogues of the plan; other responses are ignored.
    """
    keys = {dialogue.key for dialogue in dialogues}
    response_ids = {
        each.response_set.id: _response_ids(await store.responses(each.response_set.id), keys)
        for each in sets
    }
    last = sets[-1]
    result = {
        "run": summary.run_id,
        "set": last.response_set.id,
        "author": last.name,
        "responses": last.responses,
        "dialogues": last.dialogues,
        "unusable": sum(last.flaws.values()),
        "words": last.mean_words,
        "cost_usd": last.cost_usd,
    }
    return StageOutput(content_id("responses-1", response_ids), result)


async def make_dataset(context: StudyContext, spec: TrainingSetSpec, inputs: StageInputs) -> StageOutput:
    """Build the training set of a specification in a folder for this stage key."""
    folder = inputs.folder(context.folder / "data")
    if not (folder / MANIFEST).is_file():  # the folder is written atomically, so it is complete
        async with await Store.open(context.db) as store:
            training_set = await build(context.dataset, store, spec)
        training_set.write(folder, context.library, ())
    manifest = orjson.loads((folder / MANIFEST).read_bytes())
    rows = {name: manifest["rows"][name] for name in ("sft", "dpo")}
    left_out = manifest["excluded"]
    return StageOutput(
        dataset_id(manifest), {"folder": context.relative_path(folder), **rows, "left_out": left_out}
    )


async def find_base(context: StudyContext, student_spec: StudentSpec, inputs: StageInputs) -> StageOutput:
    """Locate (or build) the base model and identify it by its weights."""
    folder = inputs.folder(context.folder / "models")
    tiny = student_spec.base.removeprefix(TINY) if student_spec.base.startswith(TINY) else ""
    job = {
        "do": "base",
        "base": student_spec.base,
        "revision": student_spec.revision,
        "tiny": tiny,
        "new": str(folder),
    }
    result = await run_in_subprocess(
        job,
        _log_path(context, inputs),
        partial(context.tell, inputs.stage.name),
        thread_environment(student_spec),
    )
    if tiny:
        result |= {"base": "", "at": "", "folder": context.relative_path(folder)}
    return StageOutput(result["weights"], result)


async def train(
    context: StudyContext,
    settings: TrainingSettings,
    step: str,
    name: str,
    student_spec: StudentSpec,
    inputs: StageInputs,
) -> StageOutput:
    """Run one training step in a subprocess; an interrupted one resumes from its last save."""
    base = inputs.needs[f"base {student_spec.name}"].result
    name = f"{name}-{inputs.key.rpartition(':')[2][:6]}"  # another training gets another name
    data = next(record for record in inputs.needs.values() if record.kind == "build").result
    parent = next((record for record in inputs.needs.values() if record.kind == "train"), None)
    out = inputs.folder(context.folder / "checkpoints")
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
    result = await run_in_subprocess(
        job,
        _log_path(context, inputs),
        partial(context.tell, inputs.stage.name),
        thread_environment(student_spec),
    )
    async with await Store.open(context.db) as store:
        await save_checkpoints(store, [read_checkpoint(out)])
    return StageOutput(
        result["id"], {"student": name, "step": step, "folder": context.relative_path(out), **result}
    )


def thread_environment(student_spec: StudentSpec) -> dict[str, str]:
    """Return environment variables for the subprocess of a model.

    A tiny model gains nothing from a second thread, and threads that spin while they wait slow down other
    processes.
    """
    return {"OMP_NUM_THREADS": "1"} if student_spec.base.startswith(TINY) else {}


def base_location(context: StudyContext, base: Mapping[str, Any]) -> str:
    """Return the base model's name on the Hub or its folder."""
    return str(base["base"]) or str(context.folder / base["folder"])


async def judge(
    context: StudyContext, authors: tuple[str, str], judge: Judge, split: Split, inputs: StageInputs
) -> StageOutput:
    """Judge one contest with one judge, each pair in both orders."""
    study = context.study
    async with await Store.open(context.db) as store:
        a, b = [await contest_author(context, store, name, inputs) for name in authors]
        plan = plan_judging(
            context.dataset,
            a,
            b,
            [judge],
            split=split,
            limit=study.data.limit or None,
            samples=study.judging.samples,
            seed=study.data.seed,
        )
        run_id = content_id("run-1", [plan.kind, plan.spec])
        settings = replace(context.settings, budget_usd=context.budget_usd, adapt=False)
        async with report_progress(store, run_id, inputs.stage.name, context.tell, plan.requests_per_judge):
            summary = await judge_contest(store, context.registry, plan, settings)
        (contest_result,) = summary.contests
        if summary.interrupted:
            raise StudyInterrupted("interrupted; all answers are stored")
        endpoint = summary.endpoint(contest_result)
        if endpoint is not None and (endpoint.stopped or endpoint.failed):
            raise StageNotFinished(_describe_unanswered(judge.name, endpoint))
        if not contest_result.has_verdicts:
            raise StageNotFinished(f"{judge.name}: {contest_result.problem}")
        rate = contest_result.hard
        result = {
            "run": summary.run_id,
            "split": str(split),
            "judge": judge.name,
            "judge_id": judge.id,
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
            "unscored": contest_result.unscored,
            "kin": [same_family.to_dict() for same_family in contest_result.contest.same_family],
            "answerers": dict(contest_result.contest.answering_models),
            "answered_by_several": len(contest_result.contest.answering_models) > 1,
            "answered": contest_result.contest.answering_model_note,
            "cost_usd": contest_result.contest.cost_usd,
        }
        identity = [judge.id, a.set.id, b.set.id, _sorted_outcomes(contest_result.contest.columns)]
        return StageOutput(content_id("judgments-1", identity), result)


async def contest_author(context: StudyContext, store: Store, name: str, inputs: StageInputs) -> Author:
    """Return an author of a contest: from the stage that generated its responses, or by its name."""
    if name in inputs.needs:
        result = inputs.needs[name].result
        return await resolve_author(
            f"{result['author'].partition('@')[0]}@{result['set']}", context.dataset, store
        )
    return await resolve_author(name, context.dataset, store)


async def choose(context: StudyContext, inputs: StageInputs) -> StageOutput:
    """Select the student with the highest win rate on the development dialogues; ties go to the first
    name.
    """
    candidates = [
        (record.result["win_rate"], record.result["a"], name)
        for name, record in inputs.needs.items()
        if record.kind == "judge" and record.result["win_rate"] is not None
    ]
    if not candidates:
        raise StageNotFinished("no student has a win rate yet")
    ranked = sorted(candidates, key=lambda record: (-record[0], record[1]))
    rate, author, _ = ranked[0]
    student = AuthorName.parse(author).name
    trained = next(
        record
        for record in inputs.needs.values()
        if record.kind == "train" and record.result["student"] == student
    )
    result = {
        **{name: trained.result[name] for name in ("student", "folder", "id", "step")},
        "win_rate": rate,
        "of": len(ranked),
    }
    return StageOutput(trained.output, result)


async def report(context: StudyContext, inputs: StageInputs) -> StageOutput:
    """Write one report page of all judged contests, from the database."""
    from results.report import render

    if all(record.kind != "judge" for record in inputs.needs.values()):
        raise StageNotFinished("no contest is judged yet")
    study_id = f"{STUDY_TAG}{context.study.name}"
    async with await Store.open(context.db) as store:
        page = await render(store, study_id)
    path = inputs.folder(context.folder / "reports").with_suffix(".html")
    atomic_write(path, page)
    result = {"file": context.relative_path(path), "run": study_id}
    return StageOutput(f"sha256:{sha256(page.encode()).hexdigest()}", result)


def page_id() -> str:
    """Return the content id of the code that renders the page; another renderer makes another report."""
    files = [
        file for file in _files_below(resources.files("results.report")) if not file.name.endswith(".pyc")
    ]
    return content_id("page-1", sorted([file.name, sha256(file.read_bytes()).hexdigest()] for file in files))


def _files_below(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files_below(entry)
        else:
            yield entry


def _check_finished(summary: GenerationResult) -> None:
    """Check that every request was answered.

    Raises:
        StudyInterrupted: if the user interrupted the run.
        StageNotFinished: if requests are unanswered.
    """
    if summary.interrupted:
        raise StudyInterrupted("interrupted; all answers are stored")
    for name, endpoint in summary.endpoints.items():
        if endpoint.stopped or endpoint.failed:
            raise StageNotFinished(_describe_unanswered(name, endpoint))


def _describe_unanswered(name: str, endpoint: EndpointReport) -> str:
    """Return why an endpoint left requests unanswered, and what to do."""
    unanswered = f"{endpoint.failed} calls got no answer; the same command asks them again"
    return f"{name}: {endpoint.stopped or unanswered}"


def _sorted_outcomes(columns: JudgmentTable) -> list[list[Any]]:
    """Return the outcome of each comparison, sorted; None stands for unscored."""
    outcome = [None if isnan(value) else value for value in columns.outcome.tolist()]
    comparisons = zip(
        columns.dialogue.tolist(), columns.a_first.tolist(), columns.sample.tolist(), strict=True
    )
    return [
        [*comparison, value]
        for comparison, value in sorted(zip(comparisons, outcome, strict=True), key=lambda pair: pair[0])
    ]


def _response_ids(responses: Iterable[Response], keys: set[str]) -> list[str]:
    return sorted(response.id for response in responses if response.dialogue in keys)


def _log_path(context: StudyContext, inputs: StageInputs) -> Path:
    return inputs.folder(context.folder / "logs").with_suffix(".log")
