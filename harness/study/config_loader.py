"""The study file, read: TOML that reads like a paper's method section → a frozen `Study`.

Unknown keys are refused; every mistake is told at once, with its line. Asks and computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.judge import DEFAULT_PROMPT
from agents.models.registry import Registry
from agents.types import Fidelity, Method, Split, Strategy
from finetune.config import TrainingConfig as TrainingSettings
from finetune.config import parse_training_config
from finetune.dialogue_selection import COMBINED, LLMS, LOW_RATED
from harness.engine.limits import Limits
from harness.study.config import (
    BACKENDS,
    BASE,
    BEST,
    DEVICES,
    FORMS,
    PRESETS,
    STEPS,
    STUDENT,
    TRUNCATED_BASE,
    Data,
    Generation,
    Judging,
    Selection,
    StudentSpec,
    Study,
    Teaching,
    Training,
)
from harness.study.toml_locations import FaultCollector, TomlTable, read_toml

STUDIES = "harness.studies"


def shipped() -> list[str]:
    """Names of the studies that are shipped."""
    names = [entry.name for entry in resources.files(STUDIES).iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load(named: str) -> Study:
    """The study of a file's path, or a shipped one by its name.

    Raises:
        UserError: there is none, or it cannot be used: every mistake at once.
    """
    if named in shipped() and not Path(named).is_file():
        source = f"{named}.toml"
        return parse(resources.files(STUDIES).joinpath(source), named, source)
    path = Path(named)
    if not path.is_file():
        remedy = f"Name a file, or a shipped study: {', '.join(shipped())}."
        raise UserError("unknown study", code="study.not-found", found=repr(named), remedy=remedy)
    return parse(path, path.stem, str(path))


def parse(path: Any, name: str, source: str) -> Study:
    """A study file's content, checked.

    Raises:
        UserError: as `load`.
    """
    values, lines = read_toml(path, source)
    mistakes = FaultCollector(source, lines)
    top = TomlTable(values, (), mistakes)
    fidelity = Fidelity(top.value("fidelity", "paper", of=list(Fidelity)))
    limits, budget = _limits(top.table("limits")), _budget(top.table("budget"))
    study = Study(
        name=name,
        source=source,
        title=top.value("title", name),
        about=top.value("about", "").strip(),
        fidelity=fidelity,
        emulate=top.value("emulate", False),
        data=_data(top.table("data")),
        teaching=_teaching(top.table("teaching")),
        student_specs=tuple(_learner(table) for table in top.tables("student")),
        training=_training(top.table("training"), fidelity),
        generation=_generation(top.table("generation")),
        judging=_judging(top.table("judging")),
        selection=_selection(top.table("selection")) if "selection" in top else None,
        limits=limits,
        budget_usd=budget,
    )
    top.done()
    _check_together(study, mistakes)
    mistakes.raise_if_any("invalid study file", "See docs/studies.md.", code="study.invalid")
    return study


def _data(table: TomlTable) -> Data:
    got = Data(
        source=table.value("source", ""),
        split=Split(table.value("split", "test", of=list(Split))),
        limit=table.value("limit", 0, least=1),
        train_limit=table.value("train_limit", 0, least=1),
        hold_out=table.value("hold_out", False),
        seed=table.value("seed", 0),
    )
    table.done()
    return got


def _teaching(table: TomlTable) -> Teaching:
    got = Teaching(
        teachers=table.texts("teachers"),
        methods=table.texts("methods", of=list(Method)),
        strategies=table.texts("strategies", of=list(Strategy)),
        llms=table.texts("llms", of=(*LLMS, COMBINED)),
        temperature=table.value("temperature", 0.0, least=0) if "temperature" in table else None,
        partition_seed=table.value("partition_seed", 0) if "partition_seed" in table else None,
    )
    improving = [method for method in got.methods if method != Method.DIRECT]
    if improving and not got.teachers:
        table.wrong(
            "teachers",
            f"missing; the method {improving[0]} needs it",
            remedy='Write for example ["openai/gpt-6.1-sol"].',
            code="study.missing-key",
        )
    if improving and not got.strategies:
        table.wrong(
            "strategies",
            f"missing; the method {improving[0]} needs it",
            remedy='Write for example "all".',
            code="study.missing-key",
        )
    if (Method.DIRECT in got.methods) != bool(got.llms):
        table.wrong(
            "llms",
            'llms and the method "direct" need each other',
            list(got.llms) or None,
            "Write both, or neither.",
            code="study.inconsistent",
        )
    table.done()
    return got


def _learner(table: TomlTable) -> StudentSpec:
    got = StudentSpec(
        name=table.value("name", ""),
        base=table.value("base", ""),
        revision=table.value("revision", ""),
        form=table.value("form", "auto", of=FORMS),
    )
    for key in ("name", "base"):
        if not getattr(got, key):
            table.wrong(key, "missing", code="study.missing-key")
    if got.name and not got.name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        what = "must consist of letters, digits, '-', '_' and '.'"
        table.wrong("name", what, got.name, code="study.invalid-name")
    table.done()
    return got


def _training(table: TomlTable, fidelity: Fidelity) -> Training:
    steps = table.texts("steps", STEPS, of=STEPS)
    seeds = table.take("seeds")
    if seeds is not None and (
        not isinstance(seeds, list) or not seeds or not all(type(one) is int and one >= 0 for one in seeds)
    ):
        remedy = "Write for example [1, 2, 3]."
        table.wrong("seeds", "must be a list of whole numbers", seeds, remedy, code="study.wrong-type")
        seeds = None
    device = table.value("device", "auto", of=DEVICES)
    own = {step: table.table(step) for step in STEPS}
    common = table.rest()
    made = {step: _settings(table, common, own[step], fidelity) for step in STEPS}
    if "seed" in common:
        remedy = "Write seeds = [1, 2, 3]."
        table.wrong("seed", "unknown key; the key is seeds", common["seed"], remedy, code="study.unknown-key")
    return Training(steps, tuple(seeds or Training.seeds), device, made["sft"], made["dpo"])


def _settings(
    table: TomlTable, common: Mapping[str, Any], own: TomlTable, fidelity: Fidelity
) -> TrainingSettings:
    """One step's numbers; a mistake is told where it stands, what both steps share once."""
    mine = own.rest()
    try:
        return parse_training_config({**common, **mine}, fidelity, "training")
    except UserError as error:
        for fault in error.faults:
            key = fault.where.rpartition(" ")[2]
            if key in mine or own.path[-1] == STEPS[0]:
                place = own.path if key in mine else table.path
                path = (*place, key)
                table.mistakes.add(path, fault.what, fault.found, fault.remedy, code=fault.code)
    return TrainingSettings()


def _generation(table: TomlTable) -> Generation:
    got = Generation(
        preset=table.value("preset", "cut", of=PRESETS),
        through=table.value("through", "server", of=BACKENDS),
    )
    table.done()
    return got


def _judging(table: TomlTable) -> Judging:
    contests = table.take("contests")
    fits = isinstance(contests, list) and bool(contests)
    fits = fits and all(
        isinstance(one, list) and len(one) == 2 and all(isinstance(name, str) and name for name in one)
        for one in contests
    )
    if not fits:
        remedy = 'Write for example [["student", "base"]].'
        if contests is None:
            table.wrong("contests", "missing", remedy=remedy, code="study.missing-key")
        else:
            table.wrong("contests", "must be a list of pairs", contests, remedy, code="study.wrong-type")
    judges = table.texts("judges")
    if not judges:
        remedy = 'Write for example ["openai/gpt-6-luna"].'
        table.wrong("judges", "missing", remedy=remedy, code="study.missing-key")
    got = Judging(
        judges=Registry(None, {}).expanded(judges),
        contests=tuple((one[0], one[1]) for one in contests) if fits else (),
        prompt=table.value("prompt", DEFAULT_PROMPT),
        samples=table.value("samples", 1, least=1),
        seed=table.value("seed", 0),
    )
    table.done()
    return got


def _selection(table: TomlTable) -> Selection:
    got = Selection(
        judge=table.value("judge", ""),
        against=table.value("against", BASE, of=(BASE, TRUNCATED_BASE, LOW_RATED)),
        split=Split(table.value("split", "development", of=("development", "test"))),
    )
    if not got.judge:
        remedy = 'Write for example "openai/gpt-6-luna".'
        table.wrong("judge", "missing", remedy=remedy, code="study.missing-key")
    table.done()
    return got


def _limits(table: TomlTable) -> dict[str, Limits]:
    """Limits of every lane ("") and of those that are named: `[limits."openai/gpt-6-luna"]`."""
    names = ("requests_per_minute", "tokens_per_minute")
    whole = ("requests_per_day", "tokens_per_day", "max_in_flight")

    def one(of: TomlTable) -> Limits:
        given: dict[str, Any] = {name: of.value(name, 0.0) for name in names if name in of}
        given |= {name: of.value(name, 0) for name in whole if name in of}
        limits = Limits(**given)
        try:
            limits.check("limits")
        except UserError as error:
            of.mistakes.take(error, of.path)
        return limits

    found = {"": one(table)}
    for key, value in table.rest().items():
        if not isinstance(value, dict) or "/" not in key:
            remedy = (
                f'Choose one of: {", ".join((*names, *whole))}; or a model: [limits."openai/gpt-6-luna"].'
            )
            table.mistakes.add((*table.path, key), "unknown key", repr(key), remedy, code="study.unknown-key")
            continue
        own = TomlTable(value, (*table.path, key), table.mistakes)
        found[key] = one(own)
        own.done()
    return found


def _budget(table: TomlTable) -> float | None:
    usd = table.value("usd", 0.0, least=0) if "usd" in table else None
    if usd is not None and not 0 < usd < float("inf"):
        remedy = "Remove it for no limit."
        table.wrong("usd", "must be above 0", usd, remedy, code="study.out-of-range")
    table.done()
    return usd


def _check_together(study: Study, mistakes: FaultCollector) -> None:
    """What no table can know by itself."""
    names = [one.name for one in study.student_specs]
    for name in sorted({name for name in names if names.count(name) > 1 and name}):
        second = names.index(name, names.index(name) + 1)
        mistakes.add(("student", second), "duplicate name", repr(name), code="study.duplicate-name")
    words, at = study.words(), ("judging", "contests")
    of_learner = words & {STUDENT, BASE, TRUNCATED_BASE, BEST, LOW_RATED}
    if of_learner and not study.student_specs:
        what = f"the contest needs a [[student]] for {sorted(of_learner)[0]!r}"
        mistakes.add(at, what, remedy="Add a [[student]] table.", code="study.inconsistent")
    if words & {STUDENT, BEST} and not study.teaching.methods:
        remedy = "Write methods in [teaching]."
        mistakes.add(at, "the students have no training method", remedy=remedy, code="study.inconsistent")
    if study.teaching.methods and not words & {STUDENT, BEST}:
        remedy = 'Name "student" or "best" in a contest.'
        mistakes.add(at, "no contest judges the students", remedy=remedy, code="study.inconsistent")
    if (BEST in words) != (study.selection is not None):
        what = '[selection] and the author "best" need each other'
        remedy = "Write both, or neither."
        mistakes.add(("selection",), what, remedy=remedy, code="study.inconsistent")
    chosen = study.selection
    if chosen and chosen.split is Split.DEVELOPMENT and not study.data.hold_out:
        what = "the development dialogues are also used for training"
        remedy = "Write hold_out = true in [data], so that selection uses held-out dialogues."
        mistakes.add(("selection",), what, remedy=remedy, code="study.inconsistent")
    _check_authors(study, mistakes, at)


def _check_authors(study: Study, mistakes: FaultCollector, at: tuple[str, str]) -> None:
    """Whether contests and judges are written as authors and judges are."""
    words = (STUDENT, BEST, BASE, TRUNCATED_BASE, LOW_RATED)
    for a, b in study.judging.contests:
        for name in (a, b):
            if name not in words and "/" not in name and ":" not in name:
                remedy = f"Write one of {', '.join(words)}; or openai/gpt-6-luna, dataset:human, file:PATH."
                mistakes.add(at, "unknown author", repr(name), remedy, code="author.invalid-name")
        if a == b:
            mistakes.add(at, "an author is judged against itself", repr(a), code="contest.same-author")
    for judge in study.judging.judges:
        if "/" not in judge:
            path, remedy = ("judging", "judges"), "Write it as provider/name."
            mistakes.add(path, "invalid judge", repr(judge), remedy, code="judge.invalid-name")
