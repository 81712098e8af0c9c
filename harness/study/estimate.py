"""What a study would take, before anything is asked or trained: calls, tokens, card hours, money, time.

Calls are exact: what a teacher or a contestant is asked is rendered, a contest is two orders of every
dialogue. They are marked where they cannot be known (a contestant may answer nothing; in fidelity `ours` an
answer may be asked again). Rows and steps of training are counted from the ratings. Everything else is an
estimate and is called so; what it rests on stands beside it. What is done already costs nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agents.errors import UserError
from agents.hashing import content_id
from agents.judge import Judge
from agents.model_files.decoder_config import parse_decoder_config
from agents.seeded_order import seeded_order
from agents.student_prompt import rendering
from agents.types import Fidelity, Response, ResponseSet, Split
from finetune.config import TrainingConfig as TrainingSettings
from finetune.dialogue_selection import LOW_RATED, DialogueSelection, select_dialogues
from finetune.memory_plan import TrainingPlan, load_base_config, plan_stage
from harness.data.author_resolver import Author
from harness.data.dataset_summary import training_ratings
from harness.data.splits import dialogues_in_split
from harness.data.training_set_spec import TrainingSetSpec
from harness.study.config import BASE, BEST, STUDENT, TRUNCATED_BASE
from harness.study.graph import StudentPlan, StudyGraph
from harness.study.scheduler import StageState, StageStatus, stage_statuses
from harness.workflows.generation_cost import (
    STAND_IN,
    TYPICAL_OUTPUT_TOKENS,
    GenerationCost,
    estimate_generation_cost,
)
from harness.workflows.generation_plan import plan_responses
from harness.workflows.judge import JudgingPlan
from harness.workflows.judge_cost import CostEstimate, estimate_judging_cost

CHARACTERS_PER_TOKEN = 4.2  # of English under LLaMA-3's and Mistral's tokenizers
CARD_TERAFLOPS = 60.0  # assumed: what an RTX 4090 keeps up in bf16 LoRA training; not yet measured
CARD_TOKENS_PER_SECOND = 1000.0  # assumed: what it generates in batches; not yet measured
START_SECONDS = 120.0  # assumed: of a server, weights from the disk
JUDGE_NOTE = "fewer where a contestant answers nothing; tokens as for responses of usual length"
MAX_NEW_TOKENS = {"cut": 192, "paper": 4096, "released": 4096}


@dataclass(frozen=True)
class EstimateLine:
    """One line of the plan.

    Attributes:
        kind, what: which stages.
        stages, done: how many there are, and are finished.
        calls: still to be made; None where the kind makes none.
        bound: "" where that is exact; "≤" or "≥" where it is at most or at least so many.
        input_tokens, output_tokens: estimates.
        card_hours: estimate of the card's time.
        seconds: estimate of the calls' time at the limits given; None where none is.
        expected_usd, maximum_usd: estimate and upper bound; None where the price is not known.
        note: what else is to be known.
        lane: whose calls they are, by the model's id; "" where there are none.
    """

    kind: str
    what: str
    stages: int
    done: int
    calls: int | None = None
    bound: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    card_hours: float = 0.0
    seconds: float | None = 0.0
    expected_usd: float | None = 0.0
    maximum_usd: float | None = 0.0
    note: str = ""
    lane: str = ""


async def plan_study(graph: StudyGraph) -> list[EstimateLine]:
    """Every line of the plan, in the order of the chain."""
    found = stage_statuses(graph, graph.context.memory)
    return [
        *await _improving(graph, found),
        *_building(found),
        *_training(graph, found),
        *await _responding(graph, found),
        *_generating(graph, found),
        *await _judging(graph, found),
    ]


def _of(found: Sequence[StageStatus], kind: str, *holds: str) -> tuple[int, int]:
    """(stages, those that are done) of a kind whose name holds all of these."""
    mine = [one for one in found if one.stage.kind == kind and all(part in one.stage.name for part in holds)]
    return len(mine), sum(one.state is StageState.DONE for one in mine)


async def _improving(graph: StudyGraph, found: Sequence[StageStatus]) -> list[EstimateLine]:
    study, context, lines = graph.study, graph.context, []
    for teacher in study.teaching.teachers if graph.teacher_methods else ():
        count = _of(found, "improve", context.models[teacher].id)
        plan = await graph.improvement_plan(graph.teacher_methods, teacher, study.teaching.strategies)
        (cost,) = await estimate_generation_cost(context.store, plan, context.settings)
        again = study.fidelity is Fidelity.OURS
        note = "an answer that cannot be used, or is too long, is asked once more" if again else ""
        lines.append(_line("improve", cost.model, count, cost, bound="≥" if again else "", note=note))
    return lines


async def _responding(graph: StudyGraph, found: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    for one in found:
        if one.stage.kind == "respond":
            name, _, split = one.stage.title.rpartition(" ")
            model = next(model for model in graph.context.models.values() if model.id == name)
            plan = plan_responses(graph.dialogues(Split(split)), [graph.responder(model)])
            (cost,) = await estimate_generation_cost(graph.context.store, plan, graph.context.settings)
            lines.append(_line("respond", one.stage.title, (1, int(one.state is StageState.DONE)), cost))
    return lines


def _line(
    kind: str, what: str, count: tuple[int, int], cost: GenerationCost, *, bound: str = "", note: str = ""
) -> EstimateLine:
    return EstimateLine(
        kind,
        what,
        *count,
        calls=cost.calls,
        bound=bound,
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        seconds=cost.seconds,
        expected_usd=cost.expected_usd,
        maximum_usd=cost.maximum_usd,
        note=note,
        lane=cost.model,
    )


def _building(found: Sequence[StageStatus]) -> list[EstimateLine]:
    stages, done = _of(found, "build")
    return [EstimateLine("build", "training sets", stages, done)] if stages else []


def _training(graph: StudyGraph, found: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    state = {one.stage.name: one.state for one in found}
    for student_spec in graph.study.student_specs:
        for step in ("sft", "dpo"):
            students = _trained(graph, found, student_spec.name, step)
            if not students:
                continue
            left = [one for one in students if state[one.stage] is not StageState.DONE]
            plans = [_stage_plan(graph, one) for one in left]
            known = [one for one in plans if one is not None]
            rows = sum(len(_rows(graph, one)) for one in left)
            note = f"{rows:,} rows" if step == "sft" else f"{rows:,} pairs"
            if known:
                steps, most = sum(one.steps for one in known), max(one.memory.total for one in known)
                note += f", {steps:,} steps, {most / 2**30:.1f} GiB at the peak"
                if not all(one.fits for one in known):
                    note += "; does not fit a 24 GB card: see `empathy train plan`"
            hours = sum(one.teraflop for one in known) / CARD_TERAFLOPS / 3600
            what = f"{student_spec.base}, {step.upper()}"
            lines.append(
                EstimateLine(
                    "train", what, len(students), len(students) - len(left), card_hours=hours, note=note
                )
            )
    return lines


def _trained(
    graph: StudyGraph, found: Sequence[StageStatus], student_spec: str, step: str
) -> list[StudentPlan]:
    """Every training of a learner's step, those on the way to another step included."""
    there = {one.stage.name for one in found}
    (of,) = (one for one in graph.study.student_specs if one.name == student_spec)
    all_of = (*graph.students(of), *graph.controls(of))
    wanted = {replace(one, step=step) for one in all_of}
    return sorted((one for one in wanted if one.stage in there), key=lambda one: one.name)


def _rows(graph: StudyGraph, student: StudentPlan) -> list[tuple[int, int]]:
    """(tokens of the row, of its completion) of every row, estimated from characters.

    A response that is not there yet counts as long as the human one.
    """
    context, recipe = graph.context, graph.recipes[student.recipe]
    train = dialogues_in_split(context.dataset, Split.TRAIN)
    kept = {one.id for one in train}
    if graph.study.data.train_limit and recipe.needs_store:
        kept = {one.id for one in seeded_order(train, graph.study.data.seed)[: graph.study.data.train_limit]}
    if recipe.hold_out:
        kept -= {one.id for one in dialogues_in_split(context.dataset, Split.DEVELOPMENT)}
    members = _members(graph, recipe)
    words = rendering(library=context.library)
    turns = {one.id: len(words.turn(one)) for one in train}

    def said(dialogue: str, role: str) -> int:
        texts = context.dataset.texts
        return len(texts.get(role, texts["human"])[dialogue])

    if student.step == "sft":
        rows = [(one.dialogue, said(one.dialogue, role)) for one in members.sft for role in one.responses]
        return [_tokens(turns[name] + length, length) for name, length in rows if name in kept]
    pairs = [
        (one.dialogue, said(one.dialogue, one.chosen), said(one.dialogue, one.rejected))
        for one in members.dpo
    ]
    return [_tokens(turns[name] + max(a, b), a + b) for name, a, b in pairs if name in kept]


def _members(graph: StudyGraph, recipe: TrainingSetSpec) -> DialogueSelection:
    rated = training_ratings(graph.context.dataset)
    return select_dialogues(recipe.method, rated, recipe.fidelity, llm=recipe.llm, seed=recipe.seed)


def _tokens(whole: int, said: int) -> tuple[int, int]:
    return round(whole / CHARACTERS_PER_TOKEN) + 2, round(said / CHARACTERS_PER_TOKEN) + 1


def _stage_plan(graph: StudyGraph, student: StudentPlan) -> TrainingPlan | None:
    """Steps, memory and arithmetic of one training; None where the base's shape is not at hand."""
    training = graph.study.training
    settings: TrainingSettings = training.sft if student.step == "sft" else training.dpo
    try:
        shape = parse_decoder_config(load_base_config(student.learner.base))
    except UserError:
        return None
    rows = _rows(graph, student)
    lengths, said = tuple(one[0] for one in rows), tuple(one[1] for one in rows)
    return plan_stage(shape, settings, "sft" if student.step == "sft" else "dpo", lengths, said)


def _generating(graph: StudyGraph, found: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    most = MAX_NEW_TOKENS[graph.study.generation.preset]
    for student_spec in graph.study.student_specs:
        mine = [
            one
            for one in found
            if one.stage.kind == "generate" and one.stage.session_key.split(" ")[0] == student_spec.name
        ]
        if not mine:
            continue
        left = [one for one in mine if one.state is not StageState.DONE]
        alone = [one for one in left if one.stage.title.split(" ")[1:2] in ([BASE], [TRUNCATED_BASE])]
        bases = list(
            {one.stage.session_key: one for one in alone}.values()
        )  # the cut base is asked nothing more
        asked = [*bases, *(one for one in left if one not in alone)]
        prompts = sum(
            len(graph.dialogues(Split(one.stage.title.rsplit(" ", 1)[1])).dialogues()) for one in asked
        )
        each = prompts / max(len(asked), 1)
        tokens = round(each * (len(bases) * most + (len(asked) - len(bases)) * TYPICAL_OUTPUT_TOKENS))
        starts = START_SECONDS * len({one.stage.session_key for one in left})
        lines.append(
            EstimateLine(
                "generate",
                f"{student_spec.base} and its students",
                len(mine),
                len(mine) - len(left),
                output_tokens=tokens,
                card_hours=(tokens / CARD_TOKENS_PER_SECOND + starts) / 3600,
                note=f"{prompts:,} prompts, preset {graph.study.generation.preset}",
            )
        )
    return lines


async def _judging(graph: StudyGraph, found: Sequence[StageStatus]) -> list[EstimateLine]:
    """For each judge: one contest between stand-ins is counted, and taken times the contests."""
    context, study, lines = graph.context, graph.study, []
    names = (*study.judging.judges, *((study.selection.judge,) if study.selection else ()))
    words = study.words()
    for name in dict.fromkeys(names):
        model = context.models[name]
        by = graph.judge(model)
        mine = [one for one in found if one.stage.kind == "judge" and f" by {by.name}" in one.stage.name]
        left = [one for one in mine if one.state is not StageState.DONE]
        total = CostEstimate(by.name, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
        for split in dict.fromkeys(str(one.stage.settings["split"]) for one in left):
            times = sum(one.stage.settings["split"] == split for one in left)
            (one_contest,) = await estimate_judging_cost(
                context.store, _stand_ins(graph, by, Split(split)), context.settings
            )
            total = _sum(total, one_contest, times)
        lines.append(
            EstimateLine(
                "judge",
                by.name,
                len(mine),
                len(mine) - len(left),
                calls=total.calls,
                bound="≤" if words & {STUDENT, BEST, BASE, TRUNCATED_BASE, LOW_RATED} else "",
                input_tokens=round(total.input_tokens),
                output_tokens=round(total.output_tokens),
                seconds=total.seconds,
                expected_usd=total.expected_usd,
                maximum_usd=total.maximum_usd,
                note=JUDGE_NOTE,
                lane=model.id,
            )
        )
    return lines


def _stand_ins(graph: StudyGraph, by: Judge, split: Split) -> JudgingPlan:
    dialogues = graph.dialogues(split).dialogues()
    authors = []
    for name in ("one", "other"):
        of = ResponseSet(content_id("set-1", ["stand-in", name]), f"stand-in:{name}", "default", "")
        text = f"{STAND_IN}{name}"
        authors.append(Author(of, {one.key: Response(one.key, of.author, text, of.id) for one in dialogues}))
    return JudgingPlan(authors[0], authors[1], dialogues, (by,), graph.study.judging.samples)


def _sum(total: CostEstimate, one: CostEstimate, times: int) -> CostEstimate:
    def plus(left: float | None, right: float | None) -> float | None:
        return None if left is None or right is None else left + times * right

    return CostEstimate(
        total.judge,
        total.calls + times * one.calls,
        0,
        total.input_tokens + times * one.input_tokens,
        total.output_tokens + times * one.output_tokens,
        plus(total.seconds, one.seconds),
        plus(total.expected_usd, one.expected_usd),
        plus(total.maximum_usd, one.maximum_usd),
    )


def total(lines: Iterable[EstimateLine]) -> EstimateLine:
    """All lines together; time is that of the lane that takes longest, since lanes go on side by side."""
    every = list(lines)
    lanes: dict[str, list[float | None]] = {}
    for one in every:
        lanes.setdefault(one.lane, []).append(one.seconds)

    def summed(values: list[float | None]) -> float | None:
        return None if None in values else sum(value for value in values if value is not None)

    seconds = [summed(of_lane) for of_lane in lanes.values()]
    return EstimateLine(
        "total",
        "",
        sum(one.stages for one in every),
        sum(one.done for one in every),
        calls=sum(one.calls or 0 for one in every),
        bound="≈" if any(one.bound for one in every) else "",
        input_tokens=sum(one.input_tokens for one in every),
        output_tokens=sum(one.output_tokens for one in every),
        card_hours=sum(one.card_hours for one in every),
        seconds=None if None in seconds else max((one for one in seconds if one is not None), default=0.0),
        expected_usd=summed([one.expected_usd for one in every]),
        maximum_usd=summed([one.maximum_usd for one in every]),
    )
