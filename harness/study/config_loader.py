"""Reader of study files: TOML to a validated `Study`.

Unknown keys are rejected. All faults are reported at once, with their lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from agents.author_names import STORED_NAMES, stored_name
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
    PRESETS,
    PROMPT_STYLES,
    STEPS,
    STUDENT,
    TRUNCATED_BASE,
    Data,
    GenerationSection,
    Judging,
    Selection,
    StudentSpec,
    Study,
    Teaching,
    Training,
)
from harness.study.toml_locations import FaultCollector, TomlTable, read_toml

STUDIES = "harness.studies"
OPPONENTS = (BASE, "base-truncated", "low-rated-control")  # of the selection


def shipped() -> list[str]:
    """Return the names of the included studies."""
    names = [entry.name for entry in resources.files(STUDIES).iterdir()]
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load(name: str) -> Study:
    """Return the study of a file, or an included study by its name.

    Raises:
        UserError: if it does not exist or is invalid; the error lists every fault.
    """
    if name in shipped() and not Path(name).is_file():
        source = f"{name}.toml"
        return parse(resources.files(STUDIES).joinpath(source), name, source)
    path = Path(name)
    if not path.is_file():
        remedy = f"Name a file, or a shipped study: {', '.join(shipped())}."
        raise UserError("unknown study", code="study.not-found", found=repr(name), remedy=remedy)
    return parse(path, path.stem, str(path))


def parse(path: Any, name: str, source: str) -> Study:
    """Parse and validate the content of a study file.

    Args:
        name: name of the study.
        source: path of the file, for messages.

    Raises:
        UserError: if the file is invalid; the error lists every fault.
    """
    values, lines = read_toml(path, source)
    mistakes = FaultCollector(source, lines)
    top = TomlTable(values, (), mistakes)
    fidelity = Fidelity(top.value("fidelity", "paper", choices=list(Fidelity)))
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
        student_specs=tuple(_student_spec(table) for table in top.tables("student")),
        training=_training(top.table("training"), fidelity),
        generation=_generation(top.table("generation")),
        judging=_judging(top.table("judging")),
        selection=_selection(top.table("selection")) if "selection" in top else None,
        limits=limits,
        budget_usd=budget,
    )
    top.done()
    _check_consistency(study, mistakes)
    mistakes.raise_if_any("invalid study file", "See docs/studies.md.", code="study.invalid")
    return study


def _data(table: TomlTable) -> Data:
    values = Data(
        source=table.value("source", ""),
        split=Split(table.value("split", "test", choices=list(Split))),
        limit=table.value("limit", 0, least=1),
        train_limit=table.value("train_limit", 0, least=1),
        hold_out=table.value("hold_out", False),
        seed=table.value("seed", 0),
    )
    table.done()
    return values


def _teaching(table: TomlTable) -> Teaching:
    values = Teaching(
        teachers=table.texts("teachers"),
        methods=table.texts("methods", choices=list(Method)),
        strategies=table.texts("strategies", choices=list(Strategy)),
        llms=table.texts("llms", choices=(*LLMS, COMBINED)),
        temperature=table.value("temperature", 0.0, least=0) if "temperature" in table else None,
        partition_seed=table.value("partition_seed", 0) if "partition_seed" in table else None,
    )
    improving_methods = [method for method in values.methods if method != Method.DIRECT]
    if improving_methods and not values.teachers:
        table.wrong(
            "teachers",
            f"missing; the method {improving_methods[0]} needs it",
            remedy='Write for example ["openai/gpt-6.1-sol"].',
            code="study.missing-key",
        )
    if improving_methods and not values.strategies:
        table.wrong(
            "strategies",
            f"missing; the method {improving_methods[0]} needs it",
            remedy='Write for example "all".',
            code="study.missing-key",
        )
    if (Method.DIRECT in values.methods) != bool(values.llms):
        table.wrong(
            "llms",
            'llms and the method "direct" need each other',
            list(values.llms) or None,
            "Write both, or neither.",
            code="study.inconsistent",
        )
    table.done()
    return values


def _student_spec(table: TomlTable) -> StudentSpec:
    table.accept_old_key("prompt_style", "form")
    values = StudentSpec(
        name=table.value("name", ""),
        base=table.value("base", ""),
        revision=table.value("revision", ""),
        form=table.value("prompt_style", "auto", choices=PROMPT_STYLES),
    )
    for key in ("name", "base"):
        if not getattr(values, key):
            table.wrong(key, "missing", code="study.missing-key")
    if values.name and not values.name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        what = "must consist of letters, digits, '-', '_' and '.'"
        table.wrong("name", what, values.name, code="study.invalid-name")
    table.done()
    return values


def _training(table: TomlTable, fidelity: Fidelity) -> Training:
    steps = table.texts("steps", STEPS, choices=STEPS)
    seeds = table.take("seeds")
    if seeds is not None and (
        not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds)
    ):
        remedy = "Write for example [1, 2, 3]."
        table.wrong("seeds", "must be a list of whole numbers", seeds, remedy, code="study.wrong-type")
        seeds = None
    device = table.value("device", "auto", choices=DEVICES)
    own = {step: table.table(step) for step in STEPS}
    common = table.rest()
    configs = {step: _settings(table, common, own[step], fidelity) for step in STEPS}
    if "seed" in common:
        remedy = "Write seeds = [1, 2, 3]."
        table.wrong("seed", "unknown key; the key is seeds", common["seed"], remedy, code="study.unknown-key")
    return Training(steps, tuple(seeds or Training.seeds), device, configs["sft"], configs["dpo"])


def _settings(
    table: TomlTable, common: Mapping[str, Any], step_table: TomlTable, fidelity: Fidelity
) -> TrainingSettings:
    """Parse the settings of one training step; faults of shared keys are reported only once."""
    own_values = step_table.rest()
    try:
        return parse_training_config({**common, **own_values}, fidelity, "training")
    except UserError as error:
        for fault in error.faults:
            key = fault.where.rpartition(" ")[2]
            if key in own_values or step_table.path[-1] == STEPS[0]:
                table_path = step_table.path if key in own_values else table.path
                path = (*table_path, key)
                table.mistakes.add(path, fault.what, fault.found, fault.remedy, code=fault.code)
    return TrainingSettings()


def _generation(table: TomlTable) -> GenerationSection:
    table.accept_old_key("backend", "through")
    values = GenerationSection(
        preset=stored_name(table.value("preset", "truncated", choices=(*PRESETS, "cut"))),
        through=table.value("backend", "server", choices=BACKENDS),
    )
    table.done()
    return values


def _judging(table: TomlTable) -> Judging:
    contests = table.take("contests")
    is_valid = isinstance(contests, list) and bool(contests)
    is_valid = is_valid and all(
        isinstance(contest, list)
        and len(contest) == 2
        and all(isinstance(name, str) and name for name in contest)
        for contest in contests
    )
    if not is_valid:
        remedy = 'Write for example [["student", "base"]].'
        if contests is None:
            table.wrong("contests", "missing", remedy=remedy, code="study.missing-key")
        else:
            table.wrong("contests", "must be a list of pairs", contests, remedy, code="study.wrong-type")
    judges = table.texts("judges")
    if not judges:
        remedy = 'Write for example ["openai/gpt-6-luna"].'
        table.wrong("judges", "missing", remedy=remedy, code="study.missing-key")
    values = Judging(
        judges=Registry(None, {}).expanded(judges),
        contests=tuple((stored_name(a), stored_name(b)) for a, b in contests) if is_valid else (),
        prompt=table.value("prompt", DEFAULT_PROMPT),
        samples=table.value("samples", 1, least=1),
        seed=table.value("seed", 0),
    )
    table.done()
    return values


def _selection(table: TomlTable) -> Selection:
    values = Selection(
        judge=table.value("judge", ""),
        against=stored_name(table.value("against", BASE, choices=(*OPPONENTS, *STORED_NAMES.values()))),
        split=Split(table.value("split", "development", choices=("development", "test"))),
    )
    if not values.judge:
        remedy = 'Write for example "openai/gpt-6-luna".'
        table.wrong("judge", "missing", remedy=remedy, code="study.missing-key")
    table.done()
    return values


def _limits(table: TomlTable) -> dict[str, Limits]:
    """Parse the limits of every endpoint (key "") and of named models (`[limits."openai/gpt-6-luna"]`)."""
    names = ("requests_per_minute", "tokens_per_minute")
    integer_names = ("requests_per_day", "tokens_per_day", "max_in_flight")

    def parse_limits(limit_table: TomlTable) -> Limits:
        values: dict[str, Any] = {name: limit_table.value(name, 0.0) for name in names if name in limit_table}
        values |= {name: limit_table.value(name, 0) for name in integer_names if name in limit_table}
        limits = Limits(**values)
        try:
            limits.check("limits")
        except UserError as error:
            limit_table.mistakes.take(error, limit_table.path)
        return limits

    limits_by_model = {"": parse_limits(table)}
    for key, value in table.rest().items():
        if not isinstance(value, dict) or "/" not in key:
            remedy = (
                f"Choose one of: {', '.join((*names, *integer_names))}; or a model: "
                '[limits."openai/gpt-6-luna"].'
            )
            table.mistakes.add((*table.path, key), "unknown key", repr(key), remedy, code="study.unknown-key")
            continue
        model_table = TomlTable(value, (*table.path, key), table.mistakes)
        limits_by_model[key] = parse_limits(model_table)
        model_table.done()
    return limits_by_model


def _budget(table: TomlTable) -> float | None:
    usd = table.value("usd", 0.0, least=0) if "usd" in table else None
    if usd is not None and not 0 < usd < float("inf"):
        remedy = "Remove it for no limit."
        table.wrong("usd", "must be above 0", usd, remedy, code="study.out-of-range")
    table.done()
    return usd


def _check_consistency(study: Study, mistakes: FaultCollector) -> None:
    """Check rules that concern several tables."""
    names = [student_spec.name for student_spec in study.student_specs]
    for name in sorted({name for name in names if names.count(name) > 1 and name}):
        second = names.index(name, names.index(name) + 1)
        mistakes.add(("student", second), "duplicate name", repr(name), code="study.duplicate-name")
    words, contests_path = study.words(), ("judging", "contests")
    student_words = words & {STUDENT, BASE, TRUNCATED_BASE, BEST, LOW_RATED}
    if student_words and not study.student_specs:
        what = f"the contest needs a [[student]] for {sorted(student_words)[0]!r}"
        mistakes.add(contests_path, what, remedy="Add a [[student]] table.", code="study.inconsistent")
    if words & {STUDENT, BEST} and not study.teaching.methods:
        remedy = "Write methods in [teaching]."
        mistakes.add(
            contests_path, "the students have no training method", remedy=remedy, code="study.inconsistent"
        )
    if study.teaching.methods and not words & {STUDENT, BEST}:
        remedy = 'Name "student" or "best" in a contest.'
        mistakes.add(
            contests_path, "no contest judges the students", remedy=remedy, code="study.inconsistent"
        )
    if (BEST in words) != (study.selection is not None):
        what = '[selection] and the author "best" need each other'
        remedy = "Write both, or neither."
        mistakes.add(("selection",), what, remedy=remedy, code="study.inconsistent")
    selection = study.selection
    if selection and selection.split is Split.DEVELOPMENT and not study.data.hold_out:
        what = "the development dialogues are also used for training"
        remedy = "Write hold_out = true in [data], so that selection uses held-out dialogues."
        mistakes.add(("selection",), what, remedy=remedy, code="study.inconsistent")
    _check_authors(study, mistakes, contests_path)


def _check_authors(study: Study, mistakes: FaultCollector, contests_path: tuple[str, str]) -> None:
    """Check the names of authors and judges."""
    words = (STUDENT, BEST, BASE, TRUNCATED_BASE, LOW_RATED)
    shown = (STUDENT, BEST, *OPPONENTS)
    for a, b in study.judging.contests:
        for name in (a, b):
            if name not in words and "/" not in name and ":" not in name:
                remedy = f"Write one of {', '.join(shown)}; or openai/gpt-6-luna, dataset:human, file:PATH."
                mistakes.add(contests_path, "unknown author", repr(name), remedy, code="author.invalid-name")
        if a == b:
            mistakes.add(
                contests_path, "an author is judged against itself", repr(a), code="contest.same-author"
            )
    for judge in study.judging.judges:
        if "/" not in judge:
            path, remedy = ("judging", "judges"), "Write it as provider/name."
            mistakes.add(path, "invalid judge", repr(judge), remedy, code="judge.invalid-name")
