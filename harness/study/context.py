"""Context in which a study is planned or run: dataset, models, prompts, database, folder.

Options of the command line override the study file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.spec import Model
from harness.data.dataset import Dataset
from harness.data.dataset import load as load_dataset
from harness.engine.limits import Limits
from harness.engine.run import RequestSettings
from harness.study.config import BEST, STUDENT, Study
from harness.study.progress import Tell
from harness.study.stage_cache import StageCache
from prompts import Library
from results.db.store import Store


def _silent(stage: str, how_far: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class StudyContext:
    """Everything that the stages of a study need.

    Attributes:
        models: models by their name in the study; emulated models if the study is emulated.
        settings: settings of requests.
        db: the database, as `Store.open` accepts it.
        memory: cache of finished stages, in the study's folder.
        store: open database, for planning.
        budget_usd: cap on the spending of all runs of the study, in US dollars; None for none.
        tell: called with the name of a stage and its progress.
    """

    study: Study
    dataset: Dataset
    registry: Registry
    models: Mapping[str, Model]
    library: Library
    settings: RequestSettings
    db: str
    memory: StageCache
    store: Store
    budget_usd: float | None = None
    tell: Tell = _silent

    @property
    def folder(self) -> Path:
        """The folder of the study's files."""
        return self.memory.folder

    def relative_path(self, path: Path) -> str:
        """Return a path relative to the folder, so that the folder can be moved."""
        return str(path.relative_to(self.folder))


def resolve_backend(study: Study) -> Study:
    """Return the study with the inference backend for this machine."""
    if study.generation.through != "auto":
        return study
    through = "server" if find_spec("vllm") is not None else "transformers"
    return replace(study, generation=replace(study.generation, through=through))


def load_study_dataset(study: Study, data: str | None) -> Dataset:
    """Return the study's dataset; `--data` overrides the file.

    Raises:
        UserError: if the dataset is missing or invalid.
    """
    try:
        return load_dataset(data or study.data.source or None)
    except UserError as error:
        if data or not study.data.source:
            raise
        fields = asdict(error.fault) | {"where": f"{study.source} [data] source"}
        raise UserError(**fields, faults=error.faults) from error


def requested_models(study: Study) -> tuple[str, ...]:
    """Return the names of all models of the study: teachers, authors, judges."""
    authors = sorted(author for author in study.words() if _is_model_name(author))
    judges = (*study.judging.judges, *((study.selection.judge,) if study.selection else ()))
    return tuple(dict.fromkeys((*study.teaching.teachers, *authors, *judges)))


def _is_model_name(word: str) -> bool:
    return "/" in word and ":" not in word and word not in (STUDENT, BEST)


def emulated_models(names: tuple[str, ...], registry: Registry, definition: str) -> dict[str, Model]:
    """Return emulated models by the names of the real ones, without an address; for planning."""
    return {name: registry.emulated(registry.model(name), "http://emulated", definition) for name in names}


def study_settings(study: Study, settings: RequestSettings, models: Mapping[str, Model]) -> RequestSettings:
    """Return the settings of requests: those of the command line, else those of the study.

    Raises:
        UserError: if a limit names a model that the study does not use.
    """
    unknown = [name for name in study.limits if name and name not in models]
    if unknown:
        raise UserError(
            "limits for a model that the study does not use",
            code="study.unused-limits",
            where=f"{study.source} [limits]",
            found=", ".join(unknown),
            remedy=f"Choose one of: {', '.join(models)}.",
        )
    endpoint_limits = {models[name].id: limits for name, limits in study.limits.items() if name}
    has_own_limits = settings.limits != Limits()
    return replace(
        settings,
        limits=settings.limits if has_own_limits else study.limits.get("", Limits()),
        endpoint_limits={} if has_own_limits else endpoint_limits,
        budget_usd=None,  # stages with requests that cost something set it
        study=study.name,
        quiet=True,  # the study shows the progress of its stages
    )
