"""Study session: a study with the options that override its file, and its run."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from agents.errors import UserError
from agents.models.retirement import is_retired
from agents.prompt_lookup import load_library
from harness.atomic_write import atomic_write
from harness.data.dataset import ENVIRONMENT
from harness.emulator.config import EmulatorConfig
from harness.study import FOLDER
from harness.study.config import Study
from harness.study.config_loader import load
from harness.study.context import (
    StudyContext,
    emulated_models,
    load_study_dataset,
    requested_models,
    resolve_backend,
    study_settings,
)
from harness.study.estimate import EstimateLine, plan_study
from harness.study.graph import KINDS, StudyGraph
from harness.study.progress import Tell
from harness.study.scheduler import (
    StageScheduler,
    StageStatus,
    StudyResult,
    Watch,
    select_stages,
    stage_statuses,
)
from harness.study.stage_cache import Stage, StageCache, StageState, lock_folder
from harness.workflows.request_options import RequestOptions, warn_about_models
from results.db import DEFAULT_DB
from results.db.store import Store
from results.db.studies import StoredStage, StoredStudy, load_stages, load_studies, save_study


@dataclass(frozen=True)
class StudySession:
    """Study with the options of the command line that override its file.

    Attributes:
        named: path of the study file, or name of an included study.
        judges: judges instead of the study's.
        data: the dataset; None for that of the study.
        db: the database.
        prompts_folder: folder of the user's prompts.
        folder: folder of the study's files.
        options: options of requests.
    """

    named: str
    judges: tuple[str, ...]
    data: str | None
    db: str
    prompts_folder: Path | None
    folder: Path
    options: RequestOptions

    def study(self) -> Study:
        """Return the study.

        Raises:
            UserError: if it does not exist or is invalid.
        """

        study = load(self.named)
        if self.judges:
            study = study.judged_by(self.options.registry().expanded(self.judges))
        return replace(study, emulate=study.emulate or self.options.emulate)

    @asynccontextmanager
    async def context(
        self, study: Study, *, live: bool, tell: Tell | None = None
    ) -> AsyncIterator[StudyContext]:
        """Provide the context of the study while the block runs.

        Args:
            live: whether requests may be sent; otherwise nothing is started or written.
            tell: called with the name of a stage and its progress.
        """

        study = resolve_backend(study)
        dataset, names = load_study_dataset(study, self.data), requested_models(study)
        options = replace(self.options, emulate=study.emulate)
        settings = options.settings()
        async with AsyncExitStack() as stack:
            if live or not study.emulate:
                registry, selected = stack.enter_context(options.models(names))
                models = dict(zip(names, selected, strict=True))
            else:
                registry = options.registry()
                models = emulated_models(names, registry, EmulatorConfig().definition_hash)
                warn_about_models(registry, list(models.values()), self.options.warn)
            store = await stack.enter_async_context(await self._open_store(stack, live=live))
            memory = await StageCache.open(self.folder, store, study.name)
            yield StudyContext(
                study=study,
                dataset=dataset,
                registry=registry,
                models=models,
                library=load_library(self.prompts_folder),
                settings=study_settings(study, settings, models),
                db=self.db,
                memory=memory,
                store=store,
                budget_usd=self.options.budget_usd or study.budget_usd,
                **({} if tell is None else {"tell": tell}),
            )

    async def run(
        self,
        study: Study,
        *,
        only: str = "",
        since: str = "",
        watch: Watch | None = None,
        tell: Tell | None = None,
        before: Callable[[StudyGraph, set[str]], Awaitable[None]] | None = None,
    ) -> StudyResult:
        """Run the study and return its result.

        Args:
            only, since: selection of stages, as in `harness.study.scheduler.select_stages`.
            watch: called when a stage begins or ends.
            tell: called with the name of a stage and its progress.
            before: called with the stages and the names of the selected ones before anything runs.

        Raises:
            UserError: if the study cannot run, or another process runs one in this folder.
        """

        with lock_folder(self.folder):
            async with self.context(study, live=True, tell=tell) as context:
                graph = await StudyGraph.build(context)
                pick = select_stages(list(graph), KINDS, only, since)
                refused = {model.id for model in context.models.values() if is_retired(model)}
                if any(stage.uses & refused for stage in graph if stage.name in pick):
                    await plan_study(graph)  # raises an error for retired models
                missing = [
                    status.stage
                    for status in stage_statuses(graph, context.memory)
                    if status.state is not StageState.DONE
                ]
                self._print_missing_keys(context, [stage for stage in missing if stage.name in pick])
                if before is not None:
                    await before(graph, pick)
                await self._save(context)
                return await StageScheduler(
                    graph, context.memory, pick=pick, watch=watch, interrupt=context.settings.interrupt
                ).run()

    def _print_missing_keys(self, context: StudyContext, stages: Sequence[Stage]) -> None:
        """Print which API keys these stages lack; stages that need none of them run anyway."""
        requested_models = {name for stage in stages for name in stage.uses}
        try:
            context.registry.keys(model for model in context.models.values() if model.id in requested_models)
        except UserError as error:
            self.options.warn(f"empathy: {error}")

    async def _open_store(self, stack: AsyncExitStack, *, live: bool) -> Any:

        if live or _exists(self.db):
            return await Store.open(self.db, create=live)
        nowhere = stack.enter_context(tempfile.TemporaryDirectory())
        return await Store.open(str(Path(nowhere) / "nothing.sqlite"))

    async def estimate(self, study: Study) -> tuple[list[EstimateLine], int]:
        """Return the estimate of the study and the number of its test dialogues; send no request.

        Raises:
            UserError: the study is invalid, or its files are missing.
        """
        async with self.context(study, live=False) as context:
            graph = await StudyGraph.build(context)
            return await plan_study(graph), len(graph.dialogues(study.data.split).dialogues())

    async def statuses(self) -> list[StageStatus]:
        """Return the status of every stage; send no request and write nothing.

        Raises:
            UserError: the study is invalid, or its files are missing.
        """
        async with self.context(self.study(), live=False) as context:
            return stage_statuses(await StudyGraph.build(context), context.memory)

    @property
    def command(self) -> str:
        """Command that continues the study with the same options."""
        options = [
            ("--out", self.folder, FOLDER),
            ("--db", self.db, DEFAULT_DB),
            ("--data", self.data, None),
        ]
        words = [
            f" {name} {shlex.quote(str(value))}" for name, value, usual in options if value and value != usual
        ]
        words += [f" --judge {shlex.quote(judge)}" for judge in self.judges]
        emulate = " --emulate" if self.options.emulate else ""
        return f"empathy run {shlex.quote(self.named)}{''.join(words)}{emulate}"

    def _document(self, study: Study) -> dict[str, Any]:
        """Return the options that continue this session."""
        return {
            "study": str(Path(self.named).resolve()) if Path(self.named).is_file() else self.named,
            "title": study.title,
            "judges": list(self.judges),
            "emulate": self.options.emulate,
            "data": self.data or (None if study.data.source else os.environ.get(ENVIRONMENT)),
            "db": self.db,
            "prompts": str(self.prompts_folder) if self.prompts_folder else None,
            "models": str(self.options.models_file) if self.options.models_file else None,
        }

    async def _save(self, context: StudyContext) -> None:
        """Store the study and this session, for `empathy status` and reports."""
        study = context.study
        session = self._document(study)
        atomic_write(self.folder / "studies" / f"{study.name}.json", json.dumps(session, indent=1) + "\n")
        spec = {
            "study": study.title,
            "name": study.name,
            "about": study.about,
            "fidelity": str(study.fidelity),
            "samples": study.judging.samples,
            "seed": study.judging.seed,
            "split": str(study.data.split),
            "data_sha256": context.dataset.sha256,
        }
        stored = StoredStudy(study.name, study.title, spec, session, context.budget_usd)
        runs = _earlier_runs(self.folder / "money" / f"{study.name}.json")
        await context.store.database.write(lambda connection: save_study(connection, stored, runs))


def _earlier_runs(path: Path) -> list[str]:
    """Return the runs whose spending an earlier version counted, in a file."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _exists(db: str) -> bool:
    return "://" in db or Path(db).exists()


def study_names(folder: Path) -> list[str]:
    """Return the names of the studies that were run in a folder."""
    return sorted(path.stem for path in (folder / "studies").glob("*.json"))


async def load_stored_studies(db: str) -> dict[str, list[StoredStage]]:
    """Return the stages of all studies in a database by study; nothing if it does not exist."""
    if not _exists(db):
        return {}

    def load(connection: Connection) -> dict[str, list[StoredStage]]:
        return {study.name: load_stages(connection, study.name) for study in load_studies(connection)}

    async with await Store.open(db, create=False) as store:
        return await store.read(load)


def load_session(folder: Path, name: str) -> StudySession:
    """Return the stored session of a study that was run in this folder.

    Raises:
        UserError: if it was not run here.
    """
    path = folder / "studies" / f"{name}.json"
    if not path.is_file():
        names = study_names(folder)
        raise UserError(
            "this study was not run in this folder",
            code="study.not-run",
            where=os.fspath(folder),
            found=repr(name),
            remedy=f"Choose one of: {', '.join(names)}." if names else "Run one with: empathy run tiny",
        )
    data = json.loads(path.read_text(encoding="utf-8"))
    prompts, models = (Path(data[key]) if data[key] else None for key in ("prompts", "models"))
    options = RequestOptions(models_file=models, emulate=data["emulate"])
    return StudySession(
        data["study"], tuple(data["judges"]), data["data"], data["db"], prompts, folder, options
    )
