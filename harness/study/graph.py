"""From a study to its stages: who improves what, what is built of it, who is trained, asked and judged.

Pure but for reading the dataset. The order of the stages is the order in which they are taken when several
may begin: trainings stand before the generations that share the card with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

from agents.hashing import content_id
from agents.judge import Judge, judge_temperature, select_judge_prompt
from agents.models.spec import Model
from agents.responder import Responder
from agents.student_prompt import rendering
from agents.types import Method, Split, Strategy
from finetune.config import with_seed
from finetune.dialogue_selection import LOW_RATED
from harness.data.training_set_spec import TrainingSetSpec
from harness.study import stages
from harness.study.config import BASE, BEST, STUDENT, TRUNCATED_BASE, StudentSpec
from harness.study.context import StudyContext
from harness.study.report_run import page_id
from harness.study.stage_cache import Stage
from harness.study.student_stages import generate_students, served
from harness.workflows.generate import GenerationPlan
from harness.workflows.generation_plan import (
    DialogueSubset,
    direct_responder,
    plan_improvements,
    plan_responses,
)

CARD = "card"
KINDS = ("improve", "build", "base", "train", "respond", "generate", "judge", "choose", "report")
CONTROL_STEP = "sft"


@dataclass(frozen=True)
class StudentPlan:
    """One student to be: a learner, a training set, a seed, a step."""

    learner: StudentSpec
    recipe: str  # the training set's name
    seed: int
    step: str
    has_several_seeds: bool

    @property
    def name(self) -> str:
        """As it is called everywhere: `llama-over-human-naive-dpo`."""
        seed = f"-seed-{self.seed}" if self.has_several_seeds else ""
        return f"{self.learner.name}-{self.recipe}{seed}-{self.step}"

    @property
    def stage(self) -> str:
        """Its training's stage."""
        return f"train {self.name}"


class StudyGraph:
    """A study's stages, by name, in order."""

    def __init__(self, context: StudyContext) -> None:
        self.context = context
        self.study = context.study
        self.stages: dict[str, Stage] = {}

    @classmethod
    async def of(cls, context: StudyContext) -> StudyGraph:
        """The graph of a study in a world.

        Raises:
            UserError: a model cannot be asked, or a prompt is not there.
        """
        graph = cls(context)
        await graph._improve()
        for name, recipe in graph.recipes.items():
            graph._build(name, recipe)
        for learner in graph.study.student_specs:
            graph._base(learner)
            for student in (*graph.students(learner), *graph.controls(learner)):
                graph._train(student)
        graph._contests()
        graph._report()
        return graph

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    # -- what there is to be -------------------------------------------------------------------------

    @cached_property
    def recipes(self) -> dict[str, TrainingSetSpec]:
        """Every training set by its name, the format control's last."""
        study, found = self.study, {}
        common: dict[str, Any] = {"fidelity": study.fidelity, "hold_out": study.data.hold_out}
        common["partial"] = bool(study.data.train_limit)
        for method in study.teaching.methods:
            if method == Method.DIRECT:
                for llm in study.teaching.llms:
                    found[f"direct-{llm}"] = TrainingSetSpec(method, llm=llm, **common)
                continue
            for teacher in study.teaching.teachers:
                model = self.context.models[teacher]
                for strategy in study.teaching.strategies:
                    name = f"{method}-{strategy}"
                    if len(study.teaching.teachers) > 1:
                        name += f"-{model.name}"
                    seed = study.teaching.partition_seed if method == Method.OVER_LLM else None
                    found[name] = TrainingSetSpec(
                        method,
                        strategy=Strategy(strategy),
                        teacher=model.id,
                        tag=self.tag,
                        seed=seed,
                        **common,
                    )
        if LOW_RATED in study.words():
            found[LOW_RATED] = TrainingSetSpec(LOW_RATED, **common)
        return found

    @property
    def tag(self) -> str:
        """What makes the names of these improvements differ from those made in the usual way."""
        temperature = self.study.teaching.temperature
        return "" if temperature is None else f"t{temperature:g}"

    def students(self, learner: StudentSpec) -> list[StudentPlan]:
        """Every student that is a contestant."""
        of = [name for name in self.recipes if name != LOW_RATED]
        return self._students(learner, of, self.study.training.steps)

    def controls(self, learner: StudentSpec) -> list[StudentPlan]:
        """The format controls that are trained: on low-rated human responses, SFT alone."""
        return self._students(learner, [LOW_RATED] if LOW_RATED in self.recipes else [], (CONTROL_STEP,))

    def _students(
        self, learner: StudentSpec, recipes: list[str], steps: tuple[str, ...]
    ) -> list[StudentPlan]:
        seeds = self.study.training.seeds
        return [
            StudentPlan(learner, recipe, seed, step, len(seeds) > 1)
            for recipe in recipes
            for seed in seeds
            for step in steps
        ]

    # -- stages --------------------------------------------------------------------------------------

    def _add(self, stage: Stage) -> str:
        self.stages.setdefault(stage.name, stage)
        return stage.name

    async def improvement_plan(
        self, methods: tuple[str, ...], teacher: str, strategies: tuple[str, ...]
    ) -> GenerationPlan:
        """What a teacher is asked."""
        study, context = self.study, self.context
        return await plan_improvements(
            DialogueSubset(context.dataset, Split.TRAIN, study.data.train_limit or None, study.data.seed),
            context.store,
            context.library,
            [context.models[teacher]],
            [method.removeprefix("over-") for method in methods],
            [Strategy(strategy) for strategy in strategies],
            fidelity=study.fidelity,
            temperature=study.teaching.temperature,
            tag=self.tag,
        )

    async def _improve(self) -> None:
        for method in self.teacher_methods:
            for teacher in self.study.teaching.teachers:
                for strategy in self.study.teaching.strategies:
                    plan = await self.improvement_plan((method,), teacher, (strategy,))
                    self._asking("improve", f"{plan.models[0].id} {method} {strategy}", plan)

    @property
    def teacher_methods(self) -> tuple[str, ...]:
        """The methods that ask a teacher."""
        return tuple(method for method in self.study.teaching.methods if method != Method.DIRECT)

    def _asking(self, kind: str, title: str, plan: GenerationPlan) -> str:
        uses = frozenset(model.id for model in plan.models)
        do = partial(stages.ask, self.context, plan)
        return self._add(Stage(kind, title, plan.spec, do, uses=uses))

    def _build(self, name: str, recipe: TrainingSetSpec) -> None:
        needs: tuple[str, ...] = ()
        if recipe.needs_store:
            needs = (f"improve {recipe.teacher} {recipe.method} {recipe.strategy}",)
        settings = {
            **asdict(recipe),
            "data_sha256": self.context.dataset.sha256,
            "rendering": rendering(library=self.context.library).id,
        }
        self._add(Stage("build", name, settings, partial(stages.make_dataset, self.context, recipe), needs))

    def _base(self, learner: StudentSpec) -> None:
        settings = {"base": learner.base, "revision": learner.revision}
        do = partial(stages.find_base, self.context, learner)
        self._add(Stage("base", learner.name, settings, do))

    def _train(self, student: StudentPlan) -> None:
        learner, training = student.learner, self.study.training
        of_step = with_seed(training.sft if student.step == "sft" else training.dpo, student.seed)
        needs = [f"base {learner.name}", f"build {student.recipe}"]
        if student.step == "dpo":
            first = replace(student, step="sft")
            self._train(first)
            needs.append(first.stage)
        deciding = asdict(of_step)
        deciding.pop("save_steps")
        settings = {"settings": deciding, "form": learner.form, "device": training.device}
        do = partial(stages.train, self.context, of_step, student.step, student.name, learner)
        self._add(Stage("train", student.name, settings, do, tuple(needs), frozenset({CARD})))

    def dialogues(self, split: Split) -> DialogueSubset:
        """What is judged on."""
        data = self.study.data
        return DialogueSubset(self.context.dataset, split, data.limit or None, data.seed)

    def _responses(
        self, word: str, learner: StudentSpec | None, student: StudentPlan | None, split: Split
    ) -> str:
        """The stage that makes a contestant's responses; the name itself where they are there already."""
        if word.startswith(("dataset:", "file:")):
            return word
        if learner is None:
            model = self.context.models[word]
            plan = plan_responses(self.dialogues(split), [self.responder(model)])
            return self._asking("respond", f"{model.id} {split}", plan)
        needs = [f"base {learner.name}"]
        title = f"{learner.name} {word}"
        if student is not None:
            needs.append(student.stage)
            title = student.name
        elif word == BEST:
            needs.append(self._choose(learner))
            title = f"{learner.name} best"
        chosen = self.dialogues(split)
        settings = {
            "preset": self.study.generation.preset,
            "through": self.study.generation.through,
            "dialogues": content_id("dialogues-1", [one.key for one in chosen.dialogues()]),
            "split": str(split),
            "device": self.study.training.device,
            "rendering": rendering(library=self.context.library).id,
        }
        stage = Stage(
            "generate",
            f"{title} {split}",
            settings,
            partial(generate_students, self.context, chosen),
            tuple(needs),
            frozenset({CARD}),
            session_key=f"{learner.name} {split}",
            session=partial(served, self.context, learner, chosen),
        )
        return self._add(stage)

    def judge(self, model: Model) -> Judge:
        """A model as the study has it judge."""
        study = self.study
        prompt = select_judge_prompt(model, study.judging.prompt, study.fidelity, self.context.library)
        return Judge(model, prompt, judge_temperature(study.fidelity, study.judging.samples))

    def responder(self, model: Model) -> Responder:
        """A model as an author of direct responses, as the study has it asked."""
        return direct_responder(model, self.context.library, fidelity=self.study.fidelity)

    def _judge(self, a: str, b: str, judge: str, split: Split) -> str:
        model = self.context.models[judge]
        study = self.study
        by = self.judge(model)
        names = [name.partition(" ")[2].removesuffix(f" {split}") or name for name in (a, b)]
        settings = {
            "judge": by.id,
            "samples": study.judging.samples,
            "split": str(split),
            "limit": study.data.limit,
            "seed": study.data.seed,
            "data_sha256": self.context.dataset.sha256,
        }
        needs = tuple(name for name in (a, b) if name in self.stages)
        uses = frozenset() if by.is_control else frozenset({model.id})
        do = partial(stages.judge, self.context, (a, b), by, split)
        where = "" if split == study.data.split else f" ({split})"
        title = f"{names[0]} : {names[1]} by {by.name}{where}"
        return self._add(Stage("judge", title, settings, do, needs, uses))

    def _choose(self, learner: StudentSpec) -> str:
        chosen = self.study.selection
        assert chosen is not None  # the file is checked: "best" and [selection] belong together
        students = self.students(learner)
        judged = []
        for student in students:
            a = self._responses(STUDENT, learner, student, chosen.split)
            for b in self._of_word(chosen.against, learner, chosen.split):
                judged.append(self._judge(a, b, chosen.judge, chosen.split))
        needs = (*judged, *(student.stage for student in students))
        return self._add(Stage("choose", learner.name, {}, partial(stages.choose, self.context), needs))

    def _of_word(self, word: str, learner: StudentSpec, split: Split) -> list[str]:
        if word == STUDENT:
            return [self._responses(word, learner, one, split) for one in self.students(learner)]
        if word == LOW_RATED:
            return [self._responses(word, learner, one, split) for one in self.controls(learner)]
        if word in (BASE, TRUNCATED_BASE, BEST):
            return [self._responses(word, learner, None, split)]
        return [self._responses(word, None, None, split)]

    def pairs(self) -> list[tuple[str, str]]:
        """Every contest as two stages' names (or two authors'), each once."""
        split = self.study.data.split
        student_specs: tuple[StudentSpec | None, ...] = self.study.student_specs or (None,)
        found = []
        for learner in student_specs:
            for a, b in self.study.judging.contests:
                if learner is None:
                    found.append(
                        (self._responses(a, None, None, split), self._responses(b, None, None, split))
                    )
                    continue
                left, right = (self._of_word(word, learner, split) for word in (a, b))
                found += [(one, other) for one in left for other in right]
        return list(dict.fromkeys(found))

    def _contests(self) -> None:
        split = self.study.data.split
        for a, b in self.pairs():
            for judge in self.study.judging.judges:
                self._judge(a, b, judge, split)

    def _report(self) -> None:
        study = self.study
        on_test = f" ({study.selection.split})" if study.selection else "\n"
        judged = tuple(one.name for one in self if one.kind == "judge" and not one.name.endswith(on_test))
        needs = judged + tuple(one.name for one in self if one.kind == "improve")
        keys = [one.key for one in self.dialogues(study.data.split).dialogues()]
        settings = {
            "title": study.title,
            "fidelity": str(study.fidelity),
            "seed": study.judging.seed,
            "page": page_id(),
        }
        do = partial(stages.report, self.context, keys)
        self._add(Stage("report", study.name, settings, do, needs, run_on_partial_inputs=True))
