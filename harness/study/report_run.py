"""Combination of all contests of a study into one run and one report page.

Each contest is judged by a run of its own. Here they become one run of the database, so that the report
describes the study as a whole. No requests are sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from agents.hashing import content_id
from harness import provenance
from harness.atomic_write import atomic_write
from harness.study.context import StudyContext
from harness.study.stage_cache import StageInputs, StageOutput
from harness.workflows.judge import JUDGING
from results.db.store import Store


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


async def create_study_run(
    context: StudyContext,
    store: Store,
    judged: Sequence[Mapping[str, Any]],
    improved: Sequence[Mapping[str, Any]],
    dialogues: Sequence[str],
) -> str:
    """Create the run of all these contests and return its id.

    It names the runs with the verdicts and the teachers' response sets, so that the report can sum up cost
    and time.

    Args:
        judged: results of the judging stages.
        asked: results of the stages that asked teachers.
        dialogues: keys of the judged dialogues, in the study's order.
    """
    study = context.study
    samples = study.judging.samples
    contests = sorted((result["judge_id"], result["set_a"], result["set_b"], samples) for result in judged)
    spec = {
        "study": study.title,
        "name": study.name,
        "about": study.about,
        "fidelity": str(study.fidelity),
        "contests": contests,
        "dialogues": content_id("dialogues-1", list(dialogues)),
        "samples": samples,
        "seed": study.judging.seed,
        "split": str(study.data.split),
        "data_sha256": context.dataset.sha256,
        "runs": sorted({str(result["run"]) for result in (*judged, *improved)}),
        "taught": sorted({str(result["set"]) for result in improved}),
    }
    run_context = provenance.run_context(study=study.source)
    run_id, invocation = await store.start_run(
        JUDGING, spec, command=provenance.redacted_command_line(), context=run_context
    )
    try:
        async with store.transaction():
            await store.save_run_dialogues(run_id, dialogues)
            await store.save_contests(run_id, contests)
    finally:
        await store.finish_run(invocation)
    return run_id


async def write_report(context: StudyContext, store: Store, run_id: str, inputs: StageInputs) -> StageOutput:
    """Write the page of a run, `NAME-….html`, in the study's folder."""
    from results.report import render

    page = await render(store, run_id)
    path = inputs.folder(context.folder / "reports").with_suffix(".html")
    atomic_write(path, page)
    return StageOutput(
        f"sha256:{sha256(page.encode()).hexdigest()}", {"file": context.relative_path(path), "run": run_id}
    )
