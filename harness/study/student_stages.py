"""Base and students of a study, served together and asked: from stages to `harness/workflows/generate_students.py` and back.

One server (or engine) serves the base and every student that is ready, in the same batches; each stage then
takes its own author out of what came.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from agents.errors import UserError
from agents.hashing import content_id
from agents.model_files.weights import check_base
from finetune.checkpoint import Base, read_checkpoint, weights_id
from finetune.model_loader import LocalModel
from finetune.tokenizer_identity import check_prompt_encoding
from harness.serving.backends import ServingConfig
from harness.serving.checkpoint_resolver import (
    BASE,
    BASE_CUT,
    STUDENT,
    ServedAuthor,
    ServedModels,
    short_name,
)
from harness.serving.hardware import default_device
from harness.study.config import TRUNCATED_BASE, StudentSpec
from harness.study.context import StudyContext
from harness.study.progress import report_progress
from harness.study.stage_cache import StageInputs, StageOutput
from harness.study.stages import (
    StageNotFinished,
    StudyInterrupted,
    base_location,
    response_set_output,
    thread_environment,
)
from harness.workflows.generate import GenerationResult
from harness.workflows.generate_students import build_responder, resolve_identities, respond
from harness.workflows.generation_plan import DialogueSubset, plan_responses
from results.db.store import Store


@asynccontextmanager
async def served(
    context: StudyContext, student_spec: StudentSpec, chosen: DialogueSubset, group: Sequence[StageInputs]
) -> AsyncIterator[GenerationResult]:
    """What the authors of these stages, served together, responded to the chosen dialogues.

    Raises:
        UserError: they cannot be served.
    """
    for name, value in {
        "TQDM_DISABLE": "1",
        **thread_environment(student_spec),
    }.items():  # bars would cover our progress
        os.environ.setdefault(name, value)
    base = _located(context, student_spec, group[0])
    check_base(base.folder)
    by_author = {one.author: one for one in (stage_author(context, ready, base) for ready in group)}
    study = context.study
    name = f"serve {student_spec.name}, {len(by_author)} authors together"
    how = ServingConfig(
        backend=study.generation.through,
        preset=study.generation.preset,
        device="cpu" if study.training.device == "cpu" else default_device(),
        on_progress=partial(context.tell, name),
    )
    async with await Store.open(context.db) as store:
        who = await resolve_identities(
            store, ServedModels(base, tuple(by_author.values())), how, context.library
        )
        plan = plan_responses(
            chosen, [build_responder(one, who, how, context.library) for one in who.authors]
        )
        run_id = content_id("run-1", [plan.kind, plan.spec])
        async with report_progress(store, run_id, name, context.tell, len(plan.agents) * len(plan.dialogues)):
            summary = await respond(
                store, context.registry, chosen, who, how, context.settings, context.library
            )
        yield summary


async def generate_students(context: StudyContext, chosen: DialogueSubset, ready: StageInputs) -> StageOutput:
    """One author's responses, out of what was made together."""
    summary: GenerationResult = ready.opened
    if summary.interrupted:
        raise StudyInterrupted("interrupted; every answer is stored")
    base = _located(context, _learner(context, ready), ready)
    author = stage_author(context, ready, base).author
    (mine,) = (one for one in summary.sets if one.response_set.author == author)
    if mine.missing:
        why = next((endpoint.stopped for endpoint in summary.endpoints.values() if endpoint.stopped), "")
        raise StageNotFinished(
            f"{mine.missing} dialogues got no answer; the same command asks again. {why}".strip()
        )
    async with await Store.open(context.db) as store:
        return await response_set_output(store, summary, [mine], chosen.dialogues())


def stage_author(context: StudyContext, ready: StageInputs, base: LocalModel) -> ServedAuthor:
    """Who a stage's author is: a student that was trained (or chosen), or the base."""
    trained = [one.result for one in ready.needs.values() if one.kind in ("train", "choose")]
    if trained:
        made = read_checkpoint(context.folder / trained[0]["folder"])
        check_prompt_encoding(made, base.folder)
        return ServedAuthor(f"{STUDENT}{made.name}", made)
    cut = TRUNCATED_BASE in ready.stage.title.split(" ")
    return ServedAuthor(f"{BASE_CUT if cut else BASE}:{short_name(base.base.name)}", cut=cut)


def _learner(context: StudyContext, ready: StageInputs) -> StudentSpec:
    return next(one for one in context.study.student_specs if f"base {one.name}" in ready.needs)


def _located(context: StudyContext, student_spec: StudentSpec, ready: StageInputs) -> LocalModel:
    """The base as its stage recorded it.

    Raises:
        UserError: the folder holds other weights by now.
    """
    told = ready.needs[f"base {student_spec.name}"].result
    place = base_location(context, told)
    folder = Path(told["at"]) if told["at"] else Path(place)
    weights = weights_id(folder)
    if weights != told["weights"]:
        raise UserError(
            "the weights of the base model changed since the study began",
            code="base-model.changed-weights",
            where=str(folder),
            found=weights,
            remedy=f"Restore the weights {told['weights']}, or start the study again with another --out.",
        )
    return LocalModel(folder, Base(place, told["revision"], weights))
