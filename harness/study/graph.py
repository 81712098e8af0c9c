"""Stages of a study: improving, building, training, generating, judging, reporting.

Only the dataset is read here. If several stages are ready, they start in the order of the graph: training
comes before generation, which shares the GPU with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

from agents.author_names import AuthorName
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
from harness.study.stage_cache import Stage
from harness.study.student_stages import generate_students, serve_together
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
    """Student to be trained.

    Attributes:
        student_spec: its base model.
        recipe: name of its training set.
        seed: training seed.
        step: "sft" or "dpo".
        has_several_seeds: whether the name contains the seed.
    """

    student_spec: StudentSpec
    recipe: str
    seed: int
    step: str
    has_several_seeds: bool

    @property
    def name(self) -> str:
        """The student's name: `llama-over-human-naive-dpo`."""
        seed = f"-seed-{self.seed}" if self.has_several_seeds else ""
        return f"{self.student_spec.name}-{self.recipe}{seed}-{self.step}"

    @property
    def stage(self) -> str:
        """The name of its training stage."""
        return f"train {self.name}"


class StudyGraph:
    """Stages of a study by name, in order."""

    def __init__(self, context: StudyContext) -> None:
        self.context = context
        self.study = context.study
        self.stages: dict[str, Stage] = {}

    @classmethod
    async def build(cls, context: StudyContext) -> StudyGraph:
        """Return the graph of a study.

        Raises:
            UserError: if a model or a prompt cannot be used.
        """
        graph = cls(context)
        await graph._add_improve()
        for name, recipe in graph.recipes.items():
            graph._add_build(name, recipe)
        for student_spec in graph.study.student_specs:
            graph._add_base(student_spec)
            for student in (*graph.students(student_spec), *graph.controls(student_spec)):
                graph._add_train(student)
        graph._add_contests()
        graph._add_report()
        return graph

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    # -- training sets and students--------------------------------------------------------------------

    @cached_property
    def recipes(self) -> dict[str, TrainingSetSpec]:
        """The specifications of all training sets by name; that of the control comes last."""
        study, specs = self.study, {}
        common: dict[str, Any] = {"fidelity": study.fidelity, "hold_out": study.data.hold_out}
        common["partial"] = bool(study.data.train_limit)
        for method in study.teaching.methods:
            if method == Method.DIRECT:
                for llm in study.teaching.llms:
                    specs[f"direct-{llm}"] = TrainingSetSpec(method, llm=llm, **common)
                continue
            for teacher in study.teaching.teachers:
                model = self.context.models[teacher]
                for strategy in study.teaching.strategies:
                    name = f"{method}-{strategy}"
                    if len(study.teaching.teachers) > 1:
                        name += f"-{model.name}"
                    seed = study.teaching.partition_seed if method == Method.OVER_LLM else None
                    specs[name] = TrainingSetSpec(
                        method,
                        strategy=Strategy(strategy),
                        teacher=model.id,
                        tag=self.tag,
                        seed=seed,
                        **common,
                    )
        if LOW_RATED in study.words():
            specs[LOW_RATED] = TrainingSetSpec(LOW_RATED, **common)
        return specs

    @property
    def tag(self) -> str:
        """Suffix of the improved response sets' names if the teachers' temperature is not the default."""
        temperature = self.study.teaching.temperature
        return "" if temperature is None else f"t{temperature:g}"

    def students(self, student_spec: StudentSpec) -> list[StudentPlan]:
        """Return the students of a base model that are judged."""
        names = [name for name in self.recipes if name != LOW_RATED]
        return self._plan_students(student_spec, names, self.study.training.steps)

    def controls(self, student_spec: StudentSpec) -> list[StudentPlan]:
        """Return the control students, trained on low-rated human responses (SFT only)."""
        return self._plan_students(
            student_spec, [LOW_RATED] if LOW_RATED in self.recipes else [], (CONTROL_STEP,)
        )

    def _plan_students(
        self, student_spec: StudentSpec, recipes: list[str], steps: tuple[str, ...]
    ) -> list[StudentPlan]:
        seeds = self.study.training.seeds
        return [
            StudentPlan(student_spec, recipe, seed, step, len(seeds) > 1)
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
        """Return the plan of a teacher's requests."""
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

    async def _add_improve(self) -> None:
        for method in self.teacher_methods:
            for teacher in self.study.teaching.teachers:
                for strategy in self.study.teaching.strategies:
                    plan = await self.improvement_plan((method,), teacher, (strategy,))
                    self._add_request_stage("improve", f"{plan.models[0].id} {method} {strategy}", plan)

    @property
    def teacher_methods(self) -> tuple[str, ...]:
        """The training methods that need a teacher."""
        return tuple(method for method in self.study.teaching.methods if method != Method.DIRECT)

    def _add_request_stage(self, kind: str, title: str, plan: GenerationPlan) -> str:
        uses = frozenset(model.id for model in plan.models)
        do = partial(stages.ask, self.context, plan)
        return self._add(Stage(kind, title, plan.spec, do, uses=uses))

    def _add_build(self, name: str, recipe: TrainingSetSpec) -> None:
        needs: tuple[str, ...] = ()
        if recipe.needs_store:
            needs = (f"improve {recipe.teacher} {recipe.method} {recipe.strategy}",)
        settings = {
            **asdict(recipe),
            "data_sha256": self.context.dataset.sha256,
            "rendering": rendering(library=self.context.library).id,
        }
        self._add(Stage("build", name, settings, partial(stages.make_dataset, self.context, recipe), needs))

    def _add_base(self, student_spec: StudentSpec) -> None:
        settings = {"base": student_spec.base, "revision": student_spec.revision}
        do = partial(stages.find_base, self.context, student_spec)
        self._add(Stage("base", student_spec.name, settings, do))

    def _add_train(self, student: StudentPlan) -> None:
        student_spec, training = student.student_spec, self.study.training
        config = with_seed(training.sft if student.step == "sft" else training.dpo, student.seed)
        needs = [f"base {student_spec.name}", f"build {student.recipe}"]
        if student.step == "dpo":
            first = replace(student, step="sft")
            self._add_train(first)
            needs.append(first.stage)
        relevant = asdict(config)
        relevant.pop("save_steps")
        settings = {"settings": relevant, "form": student_spec.form, "device": training.device}
        do = partial(stages.train, self.context, config, student.step, student.name, student_spec)
        self._add(Stage("train", student.name, settings, do, tuple(needs), frozenset({CARD})))

    def dialogues(self, split: Split) -> DialogueSubset:
        """Return the dialogues of a split that are judged."""
        data = self.study.data
        return DialogueSubset(self.context.dataset, split, data.limit or None, data.seed)

    def _add_responses(
        self, author: str, student_spec: StudentSpec | None, student: StudentPlan | None, split: Split
    ) -> str:
        """Add the stage that generates an author's responses; return its name, or that of an existing
        author.
        """
        if not AuthorName.parse(author).kind.is_generated:
            return author
        if student_spec is None:
            model = self.context.models[author]
            plan = plan_responses(self.dialogues(split), [self.responder(model)])
            return self._add_request_stage("respond", f"{model.id} {split}", plan)
        needs = [f"base {student_spec.name}"]
        title = f"{student_spec.name} {author}"
        if student is not None:
            needs.append(student.stage)
            title = student.name
        elif author == BEST:
            needs.append(self._add_choose(student_spec))
            title = f"{student_spec.name} best"
        dialogues = self.dialogues(split)
        settings = {
            "preset": self.study.generation.preset,
            "through": self.study.generation.through,
            "dialogues": content_id("dialogues-1", [dialogue.key for dialogue in dialogues.dialogues()]),
            "split": str(split),
            "device": self.study.training.device,
            "rendering": rendering(library=self.context.library).id,
        }
        stage = Stage(
            "generate",
            f"{title} {split}",
            settings,
            partial(generate_students, self.context, dialogues),
            tuple(needs),
            frozenset({CARD}),
            session_key=f"{student_spec.name} {split}",
            session=partial(serve_together, self.context, student_spec, dialogues),
        )
        return self._add(stage)

    def judge(self, model: Model) -> Judge:
        """Return a model as a judge, with the study's prompt and temperature."""
        study = self.study
        prompt = select_judge_prompt(model, study.judging.prompt, study.fidelity, self.context.library)
        return Judge(model, prompt, judge_temperature(study.fidelity, study.judging.samples))

    def responder(self, model: Model) -> Responder:
        """Return a model as an author of direct responses, with the study's settings."""
        return direct_responder(model, self.context.library, fidelity=self.study.fidelity)

    def _add_judge(self, a: str, b: str, judge: str, split: Split) -> str:
        model = self.context.models[judge]
        study = self.study
        configured_judge = self.judge(model)
        names = [name.partition(" ")[2].removesuffix(f" {split}") or name for name in (a, b)]
        settings = {
            "judge": configured_judge.id,
            "samples": study.judging.samples,
            "split": str(split),
            "limit": study.data.limit,
            "seed": study.data.seed,
            "data_sha256": self.context.dataset.sha256,
        }
        needs = tuple(name for name in (a, b) if name in self.stages)
        uses = frozenset() if configured_judge.is_control else frozenset({model.id})
        run = partial(stages.judge, self.context, (a, b), configured_judge, split)
        suffix = "" if split == study.data.split else f" ({split})"
        title = f"{names[0]} : {names[1]} by {configured_judge.name}{suffix}"
        return self._add(Stage("judge", title, settings, run, needs, uses))

    def _add_choose(self, student_spec: StudentSpec) -> str:
        selection = self.study.selection
        assert selection is not None  # the file was validated: "best" requires [selection]
        students = self.students(student_spec)
        judged = []
        for student in students:
            a = self._add_responses(STUDENT, student_spec, student, selection.split)
            for b in self._response_stages(selection.against, student_spec, selection.split):
                judged.append(self._add_judge(a, b, selection.judge, selection.split))
        needs = (*judged, *(student.stage for student in students))
        return self._add(Stage("choose", student_spec.name, {}, partial(stages.choose, self.context), needs))

    def _response_stages(self, author: str, student_spec: StudentSpec, split: Split) -> list[str]:
        if author == STUDENT:
            return [
                self._add_responses(author, student_spec, plan, split) for plan in self.students(student_spec)
            ]
        if author == LOW_RATED:
            return [
                self._add_responses(author, student_spec, plan, split) for plan in self.controls(student_spec)
            ]
        if author in (BASE, TRUNCATED_BASE, BEST):
            return [self._add_responses(author, student_spec, None, split)]
        return [self._add_responses(author, None, None, split)]

    def pairs(self) -> list[tuple[str, str]]:
        """Return every contest once, as two names of stages or authors."""
        split = self.study.data.split
        student_specs: tuple[StudentSpec | None, ...] = self.study.student_specs or (None,)
        contests = []
        for student_spec in student_specs:
            for a, b in self.study.judging.contests:
                if student_spec is None:
                    contests.append(
                        (self._add_responses(a, None, None, split), self._add_responses(b, None, None, split))
                    )
                    continue
                left, right = (self._response_stages(author, student_spec, split) for author in (a, b))
                contests += [(first, second) for first in left for second in right]
        return list(dict.fromkeys(contests))

    def _add_contests(self) -> None:
        split = self.study.data.split
        for a, b in self.pairs():
            for judge in self.study.judging.judges:
                self._add_judge(a, b, judge, split)

    def _add_report(self) -> None:
        study = self.study
        suffix = f" ({study.selection.split})" if study.selection else "\n"
        judged = tuple(
            stage.name for stage in self if stage.kind == "judge" and not stage.name.endswith(suffix)
        )
        needs = judged + tuple(stage.name for stage in self if stage.kind == "improve")
        settings = {
            "title": study.title,
            "fidelity": str(study.fidelity),
            "seed": study.judging.seed,
            "page": stages.page_id(),
        }
        do = partial(stages.report, self.context)
        self._add(Stage("report", study.name, settings, do, needs, run_on_partial_inputs=True))
