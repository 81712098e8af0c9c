"""Planning of generation runs from names of models, authors and strategies.

It reads stored responses but sends no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.errors import UserError
from agents.improver import improver
from agents.models.spec import ApiProtocol, Model
from agents.prompt_lookup import get_prompt
from agents.responder import OUTPUT_TOKENS, Responder
from agents.seeded_order import seeded_order
from agents.student_prompt import DIRECT_PROMPT, RELEASED_PROMPT, PromptFormat, PromptStyle
from agents.types import DEFAULT_PRESET, Dialogue, Fidelity, Split, Strategy
from harness.data.author_resolver import resolve_author
from harness.data.dataset import Dataset
from harness.data.splits import check_no_leak, dialogues_in_split
from harness.workflows.generate import GenerationPlan, InitialResponses
from prompts import Library
from results.db.store import Store
from results.queries.responses import final_outcome, load_generations

HUMAN = "human"
LLM = "llm"
INITIAL_KINDS = (HUMAN, LLM)
SEED = 0
ALL = "all"


@dataclass(frozen=True)
class DialogueSubset:
    """Subset of the dialogues of a dataset.

    Attributes:
        dataset: the dataset.
        split: split of the dialogues.
        limit: size of a seeded random subset; None for the whole split.
        seed: seed of the order and of the subset.
    """

    dataset: Dataset
    split: Split
    limit: int | None = None
    seed: int = SEED

    def dialogues(self) -> tuple[Dialogue, ...]:
        """Return the dialogues in the seeded order."""
        parts = {str(split): dialogues_in_split(self.dataset, split) for split in (Split.TRAIN, Split.TEST)}
        check_no_leak(parts)
        return tuple(seeded_order(dialogues_in_split(self.dataset, self.split), self.seed)[: self.limit])


def parse_strategies(text: str) -> tuple[Strategy, ...]:
    """Parse `all` or a comma-separated list of strategies, without duplicates.

    Raises:
        UserError: unknown strategy.
    """
    if text.strip() == ALL:
        return tuple(Strategy)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Strategy)]
    if unknown or not names:
        raise UserError(
            "unknown strategy",
            code="option.unknown-strategy",
            where="--strategies",
            found=", ".join(map(repr, unknown)) or "none",
            remedy=f"Choose from: {', '.join(Strategy)}; or: {ALL}.",
        )
    return tuple(dict.fromkeys(Strategy(name) for name in names))


def direct_responder(
    model: Model,
    library: Library,
    *,
    preset: str = "",
    fidelity: Fidelity = Fidelity.PAPER,
    temperature: float | None = None,
    top_p: float | None = None,
    max_output_tokens: int = OUTPUT_TOKENS,
) -> Responder:
    """Return the responder of a model that writes direct responses in chat style.

    Fidelity `released` uses the prompt of the published script for initial responses, and names the set
    `released`.

    Raises:
        UserError: the model is a control judge, or the released prompts have not been downloaded.
    """
    _check_can_write(model)
    is_released = fidelity is Fidelity.RELEASED
    rendering = PromptFormat(
        get_prompt(library, RELEASED_PROMPT if is_released else DIRECT_PROMPT), PromptStyle.CHAT
    )
    set_name = preset or (str(fidelity) if is_released else DEFAULT_PRESET)
    return Responder(
        model, rendering, set_name, temperature=temperature, top_p=top_p, max_output_tokens=max_output_tokens
    )


def plan_responses(subset: DialogueSubset, responders: Sequence[Responder]) -> GenerationPlan:
    """Plan direct responses to the dialogues of a subset."""
    dialogues = subset.dialogues()
    return GenerationPlan(tuple(responders), dialogues, {}, subset.split, subset.dataset.sha256)


async def plan_improvements(
    subset: DialogueSubset,
    store: Store,
    library: Library,
    teachers: Sequence[Model],
    over: Sequence[str],
    strategies: Sequence[Strategy],
    *,
    initial: str = "",
    fidelity: Fidelity = Fidelity.PAPER,
    temperature: float | None = None,
    tag: str = "",
) -> GenerationPlan:
    """Plan the improvements by every teacher of every kind of response with every strategy.

    Args:
        over: kinds of responses to improve: "human", "llm" or both.
        initial: for "llm", the author whose usable stored responses are improved; "" for the teacher's own
            initial responses, which are generated if they are missing.
        tag: suffix of the set name, for a second set with other settings.

    Raises:
        UserError: the author of `initial` has no responses to these dialogues.
    """
    dialogues = subset.dialogues()
    initial_by_set: dict[str, InitialResponses] = {}
    agents = []
    for teacher in teachers:
        _check_can_write(teacher)
        for kind in over:
            initial_responses, name = await _initial_responses(
                subset, store, library, teacher, kind, initial, fidelity
            )
            if initial_responses.responder is None and not any(
                dialogue.key in initial_responses.responses for dialogue in dialogues
            ):
                raise UserError(
                    f"{name} has no response to any of these dialogues",
                    code="responses.missing",
                    where="--initial-responses",
                    remedy=f"Generate them with: empathy respond {initial} --split {subset.split}",
                )
            initial_by_set[initial_responses.set.id] = initial_responses
            agents += [
                improver(
                    teacher,
                    strategy,
                    initial_responses.set,
                    name,
                    library,
                    fidelity=fidelity,
                    temperature=temperature,
                    tag=tag,
                )
                for strategy in strategies
            ]
    return GenerationPlan(tuple(agents), dialogues, initial_by_set, subset.split, subset.dataset.sha256)


def _check_can_write(model: Model) -> None:
    if model.protocol is ApiProtocol.CONTROL:
        remedy = "Name a model, for example openai/gpt-6-luna."
        raise UserError(
            "a control judge cannot write responses",
            code="model.control-judge",
            found=model.id,
            remedy=remedy,
        )


async def _initial_responses(
    subset: DialogueSubset,
    store: Store,
    library: Library,
    teacher: Model,
    kind: str,
    initial: str,
    fidelity: Fidelity,
) -> tuple[InitialResponses, str]:
    """Return the initial responses of one kind, and their name in the preset."""
    if kind == HUMAN:
        return InitialResponses.from_author(
            await resolve_author("dataset:human", subset.dataset, store)
        ), HUMAN
    if not initial:
        return InitialResponses.from_responder(direct_responder(teacher, library, fidelity=fidelity)), LLM
    author = await resolve_author(initial, subset.dataset, store)
    generations = await load_generations(store, author.set.id)
    unusable = {
        key for key, dialogue_generations in generations.items() if final_outcome(dialogue_generations).flaw
    }
    usable = {key: response for key, response in author.responses.items() if key not in unusable}
    name = LLM if author.name == teacher.id else author.name
    return InitialResponses(author.set, usable), name
