"""Stages that serve a base model with its students and generate their responses.

One server (or engine) serves the base and every student that is ready, in the same batches. Each stage then
takes the responses of its own author.
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
async def serve_together(
    context: StudyContext, student_spec: StudentSpec, dialogues: DialogueSubset, stages: Sequence[StageInputs]
) -> AsyncIterator[GenerationResult]:
    """Serve the authors of these stages together and generate their responses.

    Yields:
        The result of the generation.

    Raises:
        UserError: if they cannot be served.
    """
    for name, value in {
        "TQDM_DISABLE": "1",
        **thread_environment(student_spec),
    }.items():  # progress bars would overwrite the progress of the study
        os.environ.setdefault(name, value)
    base = _locate_base(context, student_spec, stages[0])
    check_base(base.folder)
    by_author = {author.author: author for author in (stage_author(context, ready, base) for ready in stages)}
    study = context.study
    name = f"serve {student_spec.name}, {len(by_author)} authors together"
    serving = ServingConfig(
        backend=study.generation.through,
        preset=study.generation.preset,
        device="cpu" if study.training.device == "cpu" else default_device(),
        on_progress=partial(context.tell, name),
    )
    async with await Store.open(context.db) as store:
        models = await resolve_identities(
            store, ServedModels(base, tuple(by_author.values())), serving, context.library
        )
        plan = plan_responses(
            dialogues,
            [build_responder(author, models, serving, context.library) for author in models.authors],
        )
        run_id = content_id("run-1", [plan.kind, plan.spec])
        async with report_progress(store, run_id, name, context.tell, len(plan.agents) * len(plan.dialogues)):
            summary = await respond(
                store, context.registry, dialogues, models, serving, context.settings, context.library
            )
        yield summary


async def generate_students(
    context: StudyContext, dialogues: DialogueSubset, inputs: StageInputs
) -> StageOutput:
    """Return the responses of one author from those that were generated together."""
    summary: GenerationResult = inputs.opened
    if summary.interrupted:
        raise StudyInterrupted("interrupted; all answers are stored")
    base = _locate_base(context, _student_spec(context, inputs), inputs)
    author = stage_author(context, inputs, base).author
    (own_set,) = (response_set for response_set in summary.sets if response_set.response_set.author == author)
    if own_set.missing:
        reason = next((endpoint.stopped for endpoint in summary.endpoints.values() if endpoint.stopped), "")
        raise StageNotFinished(
            f"{own_set.missing} dialogues got no answer; the same command asks again. {reason}".strip()
        )
    async with await Store.open(context.db) as store:
        return await response_set_output(store, summary, [own_set], dialogues.dialogues())


def stage_author(context: StudyContext, inputs: StageInputs, base: LocalModel) -> ServedAuthor:
    """Return the author of a stage: a trained or selected student, or the base."""
    trained = [record.result for record in inputs.needs.values() if record.kind in ("train", "choose")]
    if trained:
        checkpoint = read_checkpoint(context.folder / trained[0]["folder"])
        check_prompt_encoding(checkpoint, base.folder)
        return ServedAuthor(f"{STUDENT}{checkpoint.name}", checkpoint)
    truncated = TRUNCATED_BASE in inputs.stage.title.split(" ")
    name = f"{BASE_CUT if truncated else BASE}:{short_name(base.base.name)}"
    return ServedAuthor(name, truncated=truncated)


def _student_spec(context: StudyContext, inputs: StageInputs) -> StudentSpec:
    return next(spec for spec in context.study.student_specs if f"base {spec.name}" in inputs.needs)


def _locate_base(context: StudyContext, student_spec: StudentSpec, inputs: StageInputs) -> LocalModel:
    """Return the base model as its stage recorded it.

    Raises:
        UserError: if the folder contains other weights now.
    """
    result = inputs.needs[f"base {student_spec.name}"].result
    location = base_location(context, result)
    folder = Path(result["at"]) if result["at"] else Path(location)
    weights = weights_id(folder)
    if weights != result["weights"]:
        raise UserError(
            "the weights of the base model changed since the study began",
            code="base-model.changed-weights",
            where=str(folder),
            found=weights,
            remedy=f"Restore the weights {result['weights']}, or start the study again with another --out.",
        )
    return LocalModel(folder, Base(location, result["revision"], weights))
