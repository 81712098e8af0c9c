"""Estimate of a study: requests, tokens, GPU hours, cost and time.

The number of requests is exact: requests to teachers and authors are rendered, and a contest has two orders
of every dialogue. It is marked as a bound where it cannot be known (an author may leave dialogues unanswered;
with fidelity `ours` a request may be repeated). Rows and steps of training are counted from the ratings. All
other numbers are estimates, and their assumptions are stated. Finished stages cost nothing.
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
from harness.study.scheduler import StageStatus, stage_statuses
from harness.study.stage_cache import StageState
from harness.workflows.generation_cost import (
    STAND_IN,
    TYPICAL_OUTPUT_TOKENS,
    GenerationCost,
    estimate_generation_cost,
)
from harness.workflows.generation_plan import plan_responses
from harness.workflows.judge import JudgingPlan
from harness.workflows.judge_cost import CostEstimate, estimate_judging_cost

CHARACTERS_PER_TOKEN = 4.2  # English text, LLaMA 3 and Mistral tokenizers
CARD_TERAFLOPS = 60.0  # assumed for bf16 LoRA training on an RTX 4090; not measured
CARD_TOKENS_PER_SECOND = 1000.0  # assumed for batched generation; not measured
START_SECONDS = 120.0  # assumed start time of a server
JUDGE_NOTE = "fewer if an author leaves dialogues unanswered; tokens for responses of typical length"
MAX_NEW_TOKENS = {"cut": 192, "paper": 4096, "released": 4096}


@dataclass(frozen=True)
class EstimateLine:
    """One line of the estimate.

    Attributes:
        kind, what: kind of the stages, and what they are about.
        stages, done: number of stages, and of those that are finished.
        calls: number of requests still to send; None if the kind sends none.
        bound: "" if `calls` is exact, "≤" for an upper and "≥" for a lower bound.
        input_tokens, output_tokens: estimated tokens.
        card_hours: estimated GPU time, in hours.
        seconds: estimated time of the requests at the given limits; None if unknown.
        expected_usd, maximum_usd: estimate and upper bound of the cost; None if the price is unknown.
        note: remark.
        endpoint: id of the model that gets the requests; "" if there are none.
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
    endpoint: str = ""


async def plan_study(graph: StudyGraph) -> list[EstimateLine]:
    """Return all lines of the estimate, in the order of the stages."""
    statuses = stage_statuses(graph, graph.context.memory)
    return [
        *await _improve_lines(graph, statuses),
        *_build_lines(statuses),
        *_train_lines(graph, statuses),
        *await _respond_lines(graph, statuses),
        *_generate_lines(graph, statuses),
        *await _judge_lines(graph, statuses),
    ]


def _count_stages(statuses: Sequence[StageStatus], kind: str, *parts: str) -> tuple[int, int]:
    """Return the number of stages of a kind whose names contain these parts, and of those that are done."""
    matching = [
        status
        for status in statuses
        if status.stage.kind == kind and all(part in status.stage.name for part in parts)
    ]
    return len(matching), sum(status.state is StageState.DONE for status in matching)


async def _improve_lines(graph: StudyGraph, statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    study, context, lines = graph.study, graph.context, []
    for teacher in study.teaching.teachers if graph.teacher_methods else ():
        count = _count_stages(statuses, "improve", context.models[teacher].id)
        plan = await graph.improvement_plan(graph.teacher_methods, teacher, study.teaching.strategies)
        (cost,) = await estimate_generation_cost(context.store, plan, context.settings)
        may_repeat = study.fidelity is Fidelity.OURS
        note = "a response that is unusable or too long is requested once more" if may_repeat else ""
        lines.append(
            _cost_line("improve", cost.model, count, cost, bound="≥" if may_repeat else "", note=note)
        )
    return lines


async def _respond_lines(graph: StudyGraph, statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    for status in statuses:
        if status.stage.kind == "respond":
            name, _, split = status.stage.title.rpartition(" ")
            model = next(model for model in graph.context.models.values() if model.id == name)
            plan = plan_responses(graph.dialogues(Split(split)), [graph.responder(model)])
            (cost,) = await estimate_generation_cost(graph.context.store, plan, graph.context.settings)
            lines.append(
                _cost_line("respond", status.stage.title, (1, int(status.state is StageState.DONE)), cost)
            )
    return lines


def _cost_line(
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
        endpoint=cost.model,
    )


def _build_lines(statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    stages, done = _count_stages(statuses, "build")
    return [EstimateLine("build", "training sets", stages, done)] if stages else []


def _train_lines(graph: StudyGraph, statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    states = {status.stage.name: status.state for status in statuses}
    for student_spec in graph.study.student_specs:
        for step in ("sft", "dpo"):
            students = _planned_trainings(graph, statuses, student_spec.name, step)
            if not students:
                continue
            missing = [plan for plan in students if states[plan.stage] is not StageState.DONE]
            plans = [_stage_plan(graph, plan) for plan in missing]
            known = [plan for plan in plans if plan is not None]
            rows = sum(len(_rows(graph, plan)) for plan in missing)
            note = f"{rows:,} rows" if step == "sft" else f"{rows:,} pairs"
            if known:
                steps, peak_bytes = (
                    sum(plan.steps for plan in known),
                    max(plan.memory.total for plan in known),
                )
                note += f", {steps:,} steps, {peak_bytes / 2**30:.1f} GiB at the peak"
                if not all(plan.fits for plan in known):
                    note += "; does not fit a 24 GB card: see `empathy train plan`"
            hours = sum(plan.teraflop for plan in known) / CARD_TERAFLOPS / 3600
            what = f"{student_spec.base}, {step.upper()}"
            lines.append(
                EstimateLine(
                    "train", what, len(students), len(students) - len(missing), card_hours=hours, note=note
                )
            )
    return lines


def _planned_trainings(
    graph: StudyGraph, statuses: Sequence[StageStatus], student_spec: str, step: str
) -> list[StudentPlan]:
    """Return all trainings of a base model in one step, including those that other steps start from."""
    existing = {plan.stage.name for plan in statuses}
    (spec,) = (plan for plan in graph.study.student_specs if plan.name == student_spec)
    all_plans = (*graph.students(spec), *graph.controls(spec))
    wanted = {replace(plan, step=step) for plan in all_plans}
    return sorted((plan for plan in wanted if plan.stage in existing), key=lambda plan: plan.name)


def _rows(graph: StudyGraph, student: StudentPlan) -> list[tuple[int, int]]:
    """Return (tokens of the row, tokens of its completion) of each row, estimated from characters.

    A response that does not exist yet counts as long as the human one.
    """
    context, recipe = graph.context, graph.recipes[student.recipe]
    train = dialogues_in_split(context.dataset, Split.TRAIN)
    selected_ids = {item.id for item in train}
    if graph.study.data.train_limit and recipe.needs_store:
        selected_ids = {
            item.id for item in seeded_order(train, graph.study.data.seed)[: graph.study.data.train_limit]
        }
    if recipe.hold_out:
        selected_ids -= {item.id for item in dialogues_in_split(context.dataset, Split.DEVELOPMENT)}
    selection = _select_dialogues(graph, recipe)
    prompt_format = rendering(library=context.library)
    turns = {item.id: len(prompt_format.turn(item)) for item in train}

    def response_length(dialogue: str, role: str) -> int:
        texts = context.dataset.texts
        return len(texts.get(role, texts["human"])[dialogue])

    if student.step == "sft":
        rows = [
            (item.dialogue, response_length(item.dialogue, role))
            for item in selection.sft
            for role in item.responses
        ]
        return [
            _estimate_tokens(turns[name] + length, length) for name, length in rows if name in selected_ids
        ]
    pairs = [
        (
            item.dialogue,
            response_length(item.dialogue, item.chosen),
            response_length(item.dialogue, item.rejected),
        )
        for item in selection.dpo
    ]
    return [_estimate_tokens(turns[name] + max(a, b), a + b) for name, a, b in pairs if name in selected_ids]


def _select_dialogues(graph: StudyGraph, recipe: TrainingSetSpec) -> DialogueSelection:
    rated = training_ratings(graph.context.dataset)
    return select_dialogues(recipe.method, rated, recipe.fidelity, llm=recipe.llm, seed=recipe.seed)


def _estimate_tokens(row_length: int, completion_length: int) -> tuple[int, int]:
    return round(row_length / CHARACTERS_PER_TOKEN) + 2, round(completion_length / CHARACTERS_PER_TOKEN) + 1


def _stage_plan(graph: StudyGraph, student: StudentPlan) -> TrainingPlan | None:
    """Return steps, memory and operations of one training; None if the base's configuration is
    unavailable.
    """
    training = graph.study.training
    settings: TrainingSettings = training.sft if student.step == "sft" else training.dpo
    try:
        shape = parse_decoder_config(load_base_config(student.student_spec.base))
    except UserError:
        return None
    rows = _rows(graph, student)
    lengths, completion_lengths = tuple(row[0] for row in rows), tuple(row[1] for row in rows)
    return plan_stage(shape, settings, "sft" if student.step == "sft" else "dpo", lengths, completion_lengths)


def _generate_lines(graph: StudyGraph, statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    lines = []
    max_tokens = MAX_NEW_TOKENS[graph.study.generation.preset]
    for student_spec in graph.study.student_specs:
        matching = [
            status
            for status in statuses
            if status.stage.kind == "generate" and status.stage.session_key.split(" ")[0] == student_spec.name
        ]
        if not matching:
            continue
        missing = [status for status in matching if status.state is not StageState.DONE]
        base_statuses = [
            status for status in missing if status.stage.title.split(" ")[1:2] in ([BASE], [TRUNCATED_BASE])
        ]
        bases = list(
            {status.stage.session_key: status for status in base_statuses}.values()
        )  # the truncated base needs no further requests
        to_generate = [*bases, *(status for status in missing if status not in base_statuses)]
        prompts = sum(
            len(graph.dialogues(Split(status.stage.title.rsplit(" ", 1)[1])).dialogues())
            for status in to_generate
        )
        each = prompts / max(len(to_generate), 1)
        tokens = round(
            each * (len(bases) * max_tokens + (len(to_generate) - len(bases)) * TYPICAL_OUTPUT_TOKENS)
        )
        starts = START_SECONDS * len({status.stage.session_key for status in missing})
        lines.append(
            EstimateLine(
                "generate",
                f"{student_spec.base} and its students",
                len(matching),
                len(matching) - len(missing),
                output_tokens=tokens,
                card_hours=(tokens / CARD_TOKENS_PER_SECOND + starts) / 3600,
                note=f"{prompts:,} prompts, preset {graph.study.generation.preset}",
            )
        )
    return lines


async def _judge_lines(graph: StudyGraph, statuses: Sequence[StageStatus]) -> list[EstimateLine]:
    """Estimate each judge: one contest between placeholder responses, times the number of contests."""
    context, study, lines = graph.context, graph.study, []
    names = (*study.judging.judges, *((study.selection.judge,) if study.selection else ()))
    words = study.words()
    for name in dict.fromkeys(names):
        model = context.models[name]
        judge = graph.judge(model)
        matching = [
            status
            for status in statuses
            if status.stage.kind == "judge" and f" by {judge.name}" in status.stage.name
        ]
        missing = [status for status in matching if status.state is not StageState.DONE]
        total = CostEstimate(judge.name, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
        for split in dict.fromkeys(str(status.stage.settings["split"]) for status in missing):
            times = sum(status.stage.settings["split"] == split for status in missing)
            (one_contest,) = await estimate_judging_cost(
                context.store, _placeholder_plan(graph, judge, Split(split)), context.settings
            )
            total = _add_estimate(total, one_contest, times)
        lines.append(
            EstimateLine(
                "judge",
                judge.name,
                len(matching),
                len(matching) - len(missing),
                calls=total.calls,
                bound="≤" if words & {STUDENT, BEST, BASE, TRUNCATED_BASE, LOW_RATED} else "",
                input_tokens=round(total.input_tokens),
                output_tokens=round(total.output_tokens),
                seconds=total.seconds,
                expected_usd=total.expected_usd,
                maximum_usd=total.maximum_usd,
                note=JUDGE_NOTE,
                endpoint=model.id,
            )
        )
    return lines


def _placeholder_plan(graph: StudyGraph, judge: Judge, split: Split) -> JudgingPlan:
    dialogues = graph.dialogues(split).dialogues()
    authors = []
    for name in ("one", "other"):
        response_set = ResponseSet(content_id("set-1", ["stand-in", name]), f"stand-in:{name}", "default", "")
        text = f"{STAND_IN}{name}"
        authors.append(
            Author(
                response_set,
                {
                    dialogue.key: Response(dialogue.key, response_set.author, text, response_set.id)
                    for dialogue in dialogues
                },
            )
        )
    return JudgingPlan(authors[0], authors[1], dialogues, (judge,), graph.study.judging.samples)


def _add_estimate(total: CostEstimate, contest: CostEstimate, times: int) -> CostEstimate:
    def plus(left: float | None, right: float | None) -> float | None:
        return None if left is None or right is None else left + times * right

    return CostEstimate(
        total.judge,
        total.calls + times * contest.calls,
        0,
        total.input_tokens + times * contest.input_tokens,
        total.output_tokens + times * contest.output_tokens,
        plus(total.seconds, contest.seconds),
        plus(total.expected_usd, contest.expected_usd),
        plus(total.maximum_usd, contest.maximum_usd),
    )


def total(lines: Iterable[EstimateLine]) -> EstimateLine:
    """Return the sum of all lines; its time is that of the slowest endpoint, because endpoints run in
    parallel.
    """
    all_lines = list(lines)
    seconds_by_endpoint: dict[str, list[float | None]] = {}
    for line in all_lines:
        seconds_by_endpoint.setdefault(line.endpoint, []).append(line.seconds)

    def sum_known(values: list[float | None]) -> float | None:
        return None if None in values else sum(value for value in values if value is not None)

    seconds = [sum_known(endpoint_seconds) for endpoint_seconds in seconds_by_endpoint.values()]
    return EstimateLine(
        "total",
        "",
        sum(line.stages for line in all_lines),
        sum(line.done for line in all_lines),
        calls=sum(line.calls or 0 for line in all_lines),
        bound="≈" if any(line.bound for line in all_lines) else "",
        input_tokens=sum(line.input_tokens for line in all_lines),
        output_tokens=sum(line.output_tokens for line in all_lines),
        card_hours=sum(line.card_hours for line in all_lines),
        seconds=None if None in seconds else max((line for line in seconds if line is not None), default=0.0),
        expected_usd=sum_known([line.expected_usd for line in all_lines]),
        maximum_usd=sum_known([line.maximum_usd for line in all_lines]),
    )
