"""One run, and one page, of all that a study has judged.

Each contest is judged by a run of its own; here they are put together as one run of the database, so that
the report (and `empathy report`) tells the study as a whole. Nothing is asked.
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
    """Content id of what writes the page: another page is another report."""
    files = [file for file in _files(resources.files("results.report")) if not file.name.endswith(".pyc")]
    return content_id("page-1", sorted([file.name, sha256(file.read_bytes()).hexdigest()] for file in files))


def _files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


async def create_study_run(
    world: StudyContext,
    store: Store,
    judged: Sequence[Mapping[str, Any]],
    asked: Sequence[Mapping[str, Any]],
    dialogues: Sequence[str],
) -> str:
    """The run of all these contests; its id.

    It names the runs that its answers came from and the teachers' sets, so that the report can tell what all
    of it took.

    Args:
        judged: results of judging stages.
        asked: results of stages that asked teachers.
        dialogues: keys of what is judged on, in the study's order.
    """
    study = world.study
    samples = study.judging.samples
    contests = sorted((one["judge_id"], one["set_a"], one["set_b"], samples) for one in judged)
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
        "data_sha256": world.dataset.sha256,
        "runs": sorted({str(one["run"]) for one in (*judged, *asked)}),
        "taught": sorted({str(one["set"]) for one in asked}),
    }
    context = provenance.run_context(study=study.source)
    run_id, invocation = await store.start_run(
        JUDGING, spec, command=provenance.redacted_command_line(), context=context
    )
    try:
        async with store.transaction():
            await store.save_run_dialogues(run_id, dialogues)
            await store.save_contests(run_id, contests)
    finally:
        await store.finish_run(invocation)
    return run_id


async def write_report(world: StudyContext, store: Store, run_id: str, ready: StageInputs) -> StageOutput:
    """The page of a run, `NAME-….html` in the study's folder."""
    from results.report import render

    page = await render(store, run_id)
    place = ready.folder(world.folder / "reports").with_suffix(".html")
    atomic_write(place, page)
    return StageOutput(
        f"sha256:{sha256(page.encode()).hexdigest()}", {"file": world.relative_path(place), "run": run_id}
    )
