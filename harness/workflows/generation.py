"""Generation by name: direct responses of models and students, and improvements by teachers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from agents.author_names import AuthorName, is_served
from agents.errors import UserError
from agents.models.registry import Registry
from agents.models.retirement import is_retired
from agents.types import Fidelity, Split
from harness.serving.options import ServingOptions
from harness.workflows import generate_students
from harness.workflows.generate import GenerationPlan, GenerationResult, generate
from harness.workflows.generation_cost import GenerationCost, estimate_generation_cost
from harness.workflows.generation_plan import (
    INITIAL_KINDS,
    LLM,
    DialogueSubset,
    direct_responder,
    parse_strategies,
    plan_improvements,
    plan_responses,
)
from harness.workflows.records import last_seen_folders
from harness.workflows.request_options import RequestOptions
from harness.workflows.workspace import Workspace
from results.db.store import Store

DEFAULT_MAX_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class RespondOptions:
    """Authors that respond, and to what.

    Attributes:
        authors: names of models, students and bases.
        split: split of the dialogues.
        limit: number of dialogues, a seeded random subset; None for all.
        seed: of the subset.
        preset: name of the response set; for bases and students, a sampling preset.
        fidelity: "released" uses the prompt of the paper's scripts.
        temperature, top_p: None for those of the model.
        max_tokens: maximum length of a completion in tokens, ≥ 1.
        retry_unusable: whether to ask again for answers without text.
    """

    authors: tuple[str, ...]
    split: Split = Split.TEST
    limit: int | None = None
    seed: int = 0
    preset: str = ""
    fidelity: Fidelity = Fidelity.PAPER
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    retry_unusable: bool = False

    def check(self) -> None:
        """Check the authors and their sampling.

        Raises:
            UserError: an author has its responses already, or only bases and students are asked, which take
                their sampling parameters from a preset.
        """
        for name in self.authors:
            if not AuthorName.parse(name).kind.is_generated:
                raise UserError(
                    "this author has its responses already",
                    code="author.not-generated",
                    where="AUTHORS",
                    found=repr(name),
                    remedy="Use the name with `empathy judge` or `empathy data build`.",
                )
        is_default = (self.temperature, self.top_p, self.max_tokens) == (None, None, DEFAULT_MAX_TOKENS)
        if not is_default and all(map(is_served, self.authors)):
            raise UserError(
                "bases and students take their sampling parameters from a preset",
                code="option.conflict",
                where="--temperature, --top-p, --max-tokens",
                remedy="Choose --preset truncated, paper or released instead.",
            )


@dataclass(frozen=True, kw_only=True)
class ImproveOptions:
    """Teachers, and what they improve.

    Attributes:
        teachers: names of models.
        rewrite: kinds of responses to improve: "human", "llm".
        strategies: names of strategies; ("all",) for all seven.
        initial_responses: for "llm", the author whose responses are improved; "" for the teacher.
        split, limit, seed: as in `RespondOptions`.
        fidelity: variant of the experiment.
        temperature: None for that of the model.
        preset: suffix of the response sets' names.
        retry_unusable: whether to ask again for responses that cannot be used for training.
    """

    teachers: tuple[str, ...]
    rewrite: tuple[str, ...] = ("human",)
    strategies: tuple[str, ...] = ("all",)
    initial_responses: str = ""
    split: Split = Split.TRAIN
    limit: int | None = None
    seed: int = 0
    fidelity: Fidelity = Fidelity.PAPER
    temperature: float | None = None
    preset: str = ""
    retry_unusable: bool = False

    def check(self) -> None:
        """Check the kinds of responses.

        Raises:
            UserError: a kind is unknown, or initial responses are named without "llm".
        """
        written = ",".join(self.rewrite)
        if not self.rewrite or not set(self.rewrite) <= set(INITIAL_KINDS):
            raise UserError(
                "unknown kind of initial responses",
                code="option.unknown-value",
                where="--rewrite",
                found=repr(written),
                remedy="Choose: human, llm, or human,llm.",
            )
        if self.initial_responses and LLM not in self.rewrite:
            raise UserError(
                "--initial-responses needs --rewrite llm",
                code="option.missing",
                where="--initial-responses",
                found=f"--rewrite {written}",
                remedy="Add --rewrite llm, or remove --initial-responses.",
            )


Generation = GenerationResult | list[GenerationCost]


async def respond(
    workspace: Workspace,
    options: RespondOptions,
    requests: RequestOptions,
    serving: ServingOptions | None = None,
    *,
    dry_run: bool = False,
) -> Generation:
    """Generate and store a direct response of each author; return the result, or the cost of a dry run.

    Raises:
        UserError: an author or an option is invalid.
    """
    options.check()
    prompts, settings = workspace.library, requests.settings()
    dialogues = DialogueSubset(workspace.dataset, options.split, options.limit, options.seed)
    names = tuple(dict.fromkeys(options.authors))
    local = [name for name in names if is_served(name)]
    with requests.models(tuple(name for name in names if name not in local)) as (registry, models):
        store = await workspace.store(create=True)
        others = [
            direct_responder(
                model,
                prompts,
                preset="" if local else options.preset,
                fidelity=options.fidelity,
                temperature=options.temperature,
                top_p=options.top_p,
                max_output_tokens=options.max_tokens,
            )
            for model in models
        ]
        if not local:
            plan = plan_responses(dialogues, others)
            return await _generate(
                store, registry, plan, requests, retry_unusable=options.retry_unusable, dry_run=dry_run
            )
        serving = serving or ServingOptions()
        served = serving.select_served_models(local, await last_seen_folders(store, local))
        backend = serving.serving(served, options.preset, quiet=requests.quiet)
        served = await generate_students.resolve_identities(store, served, backend, prompts)
        students = [
            generate_students.build_responder(author, served, backend, prompts) for author in served.authors
        ]
        plan = plan_responses(dialogues, [*students, *others])
        costs = await _check_plan(store, plan, requests, dry_run=dry_run)
        if costs is not None:
            return costs
        return await generate_students.respond(
            store,
            registry,
            dialogues,
            served,
            backend,
            settings,
            prompts,
            others=others,
            retry_unusable=options.retry_unusable,
        )


async def improve(
    workspace: Workspace, options: ImproveOptions, requests: RequestOptions, *, dry_run: bool = False
) -> Generation:
    """Improve every response with each teacher and strategy; return the result, or the cost of a dry run.

    Raises:
        UserError: a teacher or an option is invalid.
    """
    options.check()
    strategies = parse_strategies(",".join(options.strategies))
    prompts = workspace.library
    dialogues = DialogueSubset(workspace.dataset, options.split, options.limit, options.seed)
    with requests.models(tuple(dict.fromkeys(options.teachers))) as (registry, models):
        store = await workspace.store(create=True)
        plan = await plan_improvements(
            dialogues,
            store,
            prompts,
            models,
            options.rewrite,
            strategies,
            initial=options.initial_responses,
            fidelity=options.fidelity,
            temperature=options.temperature,
            tag=options.preset,
        )
        return await _generate(
            store, registry, plan, requests, retry_unusable=options.retry_unusable, dry_run=dry_run
        )


async def _generate(
    store: Store,
    registry: Registry,
    plan: GenerationPlan,
    requests: RequestOptions,
    *,
    retry_unusable: bool,
    dry_run: bool,
) -> Generation:
    """Generate what is missing, or return the cost."""
    costs = await _check_plan(store, plan, requests, dry_run=dry_run)
    if costs is not None:
        return costs
    return await generate(store, registry, plan, requests.settings(), retry_unusable=retry_unusable)


async def _check_plan(
    store: Store, plan: GenerationPlan, requests: RequestOptions, *, dry_run: bool
) -> list[GenerationCost] | None:
    """Return the cost in a dry run; else confirm it and return None.

    Raises:
        UserError: the plan uses a retired model.
    """
    for name in plan.ignored_parameters:
        requests.warn(f"{name} accepts no temperature and top-p; its defaults are used and recorded.")
    settings = requests.settings()
    estimate = partial(estimate_generation_cost, store, plan, settings)
    if dry_run:
        return await estimate()
    if any(map(is_retired, plan.models)):
        await estimate()  # raises an error for retired models
    await requests.confirm_cost(estimate)
    return None
