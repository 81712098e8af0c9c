"""What `plan`, `run` and `status` share: a study, its world, and how they are named on the command line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agents.errors import UserError
from agents.models.retirement import is_retired
from harness.cli.options.common import CallOptions, library, tell, warn_about_models
from harness.data.dataset import ENVIRONMENT

if TYPE_CHECKING:
    from harness.study.config import Study
    from harness.study.context import StudyContext
    from harness.study.graph import StudyGraph
    from harness.study.progress import Tell
    from harness.study.scheduler import StudyResult, Watch
    from harness.study.stage_cache import Stage

FOLDER = Path("runs/studies")
Command = Callable[..., Any]


def out_option(command: Command) -> Command:
    """`--out`: where studies keep what they make."""
    return click.option(
        "--out",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        default=FOLDER,
        show_default=True,
        help="Where studies keep their training sets, checkpoints, reports, and what is done.",
    )(command)


def judge_option(command: Command) -> Command:
    """`--judge`: other judges than the study's."""
    return click.option(
        "--judge",
        "judges",
        multiple=True,
        metavar="MODEL",
        help="A judge in place of the study's; repeat for more.",
    )(command)


@dataclass(frozen=True)
class StudySession:
    """A study as the command line names it, with everything that it may say over the file."""

    named: str
    judges: tuple[str, ...]
    data: str | None
    db: str
    prompts_folder: Path | None
    folder: Path
    calls: CallOptions

    def study(self) -> Study:
        """The study.

        Raises:
            UserError: it cannot be used.
        """
        from harness.study.config_loader import load

        study = load(self.named)
        if self.judges:
            study = study.judged_by(self.calls.registry().expanded(self.judges))
        return replace(study, emulate=study.emulate or self.calls.emulate)

    @asynccontextmanager
    async def context(
        self, study: Study, *, live: bool, tell: Tell | None = None
    ) -> AsyncIterator[StudyContext]:
        """Everything around the study while the block runs.

        Args:
            tell: is told how far a stage is.
            live: models can be asked and the database is made; else nothing is started and nothing written.
        """
        from harness.study.budget import StudyBudget
        from harness.study.context import (
            StudyContext,
            emulated_models,
            load_study_dataset,
            requested_models,
            resolve_backend,
            study_settings,
        )
        from harness.study.stage_cache import StageCache

        study = resolve_backend(study)
        dataset, names = load_study_dataset(study, self.data), requested_models(study)
        calls = replace(self.calls, emulate=study.emulate)
        given = calls.settings()
        budget = self.calls.budget or study.budget_usd
        async with AsyncExitStack() as stack:
            if live or not study.emulate:
                registry, found = stack.enter_context(calls.models(names))
                models = dict(zip(names, found, strict=True))
            else:
                from harness.emulator.config import EmulatorConfig

                registry = calls.registry()
                models = emulated_models(names, registry, EmulatorConfig().definition_hash)
                warn_about_models(registry, list(models.values()))
            store = await stack.enter_async_context(await self._store(stack, live=live))
            memory = StageCache(self.folder)
            place = self.folder / "money" / f"{study.name}.json"
            yield StudyContext(
                study=study,
                dataset=dataset,
                registry=registry,
                models=models,
                library=library(self.prompts_folder),
                settings=study_settings(study, given, models),
                db=self.db,
                memory=memory,
                store=store,
                purse=StudyBudget(budget, place, store.spent_usd),
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
        """Run the study here; how it ended.

        Args:
            only, since: which stages, as `harness.study.scheduler.select_stages` takes them.
            watch, tell: are told what happens, and how far a stage is.
            before: is given the stages, and the names of those that will run, before anything is done.

        Raises:
            UserError: it cannot be run, or another process runs one in this folder.
        """
        from harness.study.estimate import plan_study
        from harness.study.graph import KINDS, StudyGraph
        from harness.study.scheduler import StageScheduler, StageState, select_stages, stage_statuses
        from harness.study.stage_cache import StageCache

        with StageCache(self.folder).lock():
            async with self.context(study, live=True, tell=tell) as context:
                graph = await StudyGraph.of(context)
                pick = select_stages(list(graph), KINDS, only, since)
                refused = {model.id for model in context.models.values() if is_retired(model)}
                if any(stage.uses & refused for stage in graph if stage.name in pick):
                    await plan_study(graph)  # refuses what would be asked
                left = [
                    one.stage
                    for one in stage_statuses(graph, context.memory)
                    if one.state is not StageState.DONE
                ]
                self._tell_keys(context, [stage for stage in left if stage.name in pick])
                if before is not None:
                    await before(graph, pick)
                self.remember(study)
                return await StageScheduler(graph, context.memory, pick=pick, watch=watch).run()

    def _tell_keys(self, context: StudyContext, stages: Sequence[Stage]) -> None:
        """Say which keys these stages lack, all at once: what needs none of them goes on."""
        requested_models = {name for stage in stages for name in stage.uses}
        try:
            context.registry.keys(model for model in context.models.values() if model.id in requested_models)
        except UserError as error:
            tell(f"empathy: {error}")

    async def _store(self, stack: AsyncExitStack, *, live: bool) -> Any:
        from results.db.store import Store

        if live or _is_there(self.db):
            return await Store.open(self.db, create=live)
        nowhere = stack.enter_context(tempfile.TemporaryDirectory())
        return await Store.open(str(Path(nowhere) / "nothing.sqlite"))

    def remember(self, study: Study) -> None:
        """What `empathy status` needs to look at the same study."""
        import json

        from harness.atomic_write import atomic_write

        told = {
            "study": str(Path(self.named).resolve()) if Path(self.named).is_file() else self.named,
            "title": study.title,
            "judges": list(self.judges),
            "emulate": self.calls.emulate,
            "data": self.data or (None if study.data.source else os.environ.get(ENVIRONMENT)),
            "db": self.db,
            "prompts": str(self.prompts_folder) if self.prompts_folder else None,
            "models": str(self.calls.models_file) if self.calls.models_file else None,
        }
        atomic_write(self.folder / "studies" / f"{study.name}.json", json.dumps(told, indent=1) + "\n")


def _is_there(db: str) -> bool:
    return "://" in db or Path(db).exists()


def default_call_options(
    models_file: Path | None = None, *, emulate: bool = False, quiet: bool = True
) -> CallOptions:
    """Calls as they are made where nothing is said of them."""
    return CallOptions(
        max_in_flight=None,
        rpm=None,
        tpm=None,
        rpd=None,
        tpd=None,
        budget=None,
        prices=(),
        emulate=emulate,
        client="http",
        timeout=None,
        patience="1h",
        models_file=models_file,
        quiet=quiet,
        yes=True,
    )


def load_session(folder: Path, name: str) -> StudySession:
    """A study that was run here, as it was given then.

    Raises:
        UserError: it was not run here.
    """
    import json

    place = folder / "studies" / f"{name}.json"
    if not place.is_file():
        there = sorted(path.stem for path in (folder / "studies").glob("*.json"))
        raise UserError(
            "this study was not run in this folder",
            code="study.not-run",
            where=os.fspath(folder),
            found=repr(name),
            remedy=f"Choose one of: {', '.join(there)}." if there else "Run one with: empathy run tiny",
        )
    told = json.loads(place.read_text(encoding="utf-8"))
    prompts, models = (Path(told[key]) if told[key] else None for key in ("prompts", "models"))
    calls = default_call_options(models, emulate=told["emulate"])
    return StudySession(
        told["study"], tuple(told["judges"]), told["data"], told["db"], prompts, folder, calls
    )
