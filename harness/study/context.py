"""What a study meets when it is planned or run: dataset, models, prompts, the database, the folder.

Puts together what the command line was told and what the study file says; the command line wins.
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
from harness.study.budget import StudyBudget
from harness.study.config import BEST, STUDENT, Study
from harness.study.progress import Tell
from harness.study.stage_cache import StageCache
from prompts import Library
from results.db.store import Store


def _silent(stage: str, how_far: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class StudyContext:
    """Everything around a study.

    Attributes:
        models: every model that may be asked, by the name that the study gives it (stand-ins where it is
            rehearsed).
        settings: how calls are made.
        db: the database, as `Store.open` takes it.
        memory: the folder.
        store: open, for planning.
        tell: is told how far a stage is.
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
    purse: StudyBudget
    tell: Tell = _silent

    @property
    def folder(self) -> Path:
        """Where the study's files are."""
        return self.memory.folder

    def relative_path(self, path: Path) -> str:
        """A path as records keep it: within the folder, so that the folder can be moved."""
        return str(path.relative_to(self.folder))


def resolve_backend(study: Study) -> Study:
    """The study with what it leaves to this machine decided: through what students answer."""
    if study.generation.through != "auto":
        return study
    through = "server" if find_spec("vllm") is not None else "transformers"
    return replace(study, generation=replace(study.generation, through=through))


def load_study_dataset(study: Study, given: str | None) -> Dataset:
    """The study's dataset; `--data` wins.

    Raises:
        UserError: as `harness.data.dataset.load`.
    """
    try:
        return load_dataset(given or study.data.source or None)
    except UserError as error:
        if given or not study.data.source:
            raise
        told = asdict(error.fault) | {"where": f"{study.source} [data] source"}
        raise UserError(**told, faults=error.faults) from error


def requested_models(study: Study) -> tuple[str, ...]:
    """Every model that the study may ask, by name: teachers, contestants, judges."""
    words = sorted(word for word in study.words() if _is_model(word))
    judges = (*study.judging.judges, *((study.selection.judge,) if study.selection else ()))
    return tuple(dict.fromkeys((*study.teaching.teachers, *words, *judges)))


def _is_model(word: str) -> bool:
    return "/" in word and ":" not in word and word not in (STUDENT, BEST)


def emulated_models(names: tuple[str, ...], registry: Registry, definition: str) -> dict[str, Model]:
    """The emulator's models by the names they stand for, at no address: for planning, not for asking."""
    return {name: registry.emulated(registry.model(name), "http://emulated", definition) for name in names}


def study_settings(study: Study, given: RequestSettings, models: Mapping[str, Model]) -> RequestSettings:
    """How calls are made: what the command line says, else what the study says.

    Raises:
        UserError: a limit is for a model that the study never asks.
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
    lanes = {models[name].id: limits for name, limits in study.limits.items() if name}
    told = given.limits != Limits()
    return replace(
        given,
        limits=given.limits if told else study.limits.get("", Limits()),
        endpoint_limits={} if told else lanes,
        budget_usd=None,  # the study's purse grants each run its own
        quiet=True,  # the study shows its stages
    )
