"""From what a user names to a plan of responses: which teachers, over what, with which strategies.

Reads what is stored; asks nothing.
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
OVER = (HUMAN, LLM)
SEED = 0
ALL = "all"


@dataclass(frozen=True)
class DialogueSubset:
    """Which dialogues, of which dataset.

    Attributes:
        split: a part of the dataset.  limit: a seeded random subset of it; None for all of it.
        seed: of the order and of the subset.
    """

    dataset: Dataset
    split: Split
    limit: int | None = None
    seed: int = SEED

    def dialogues(self) -> tuple[Dialogue, ...]:
        """In the seeded order."""
        parts = {str(split): dialogues_in_split(self.dataset, split) for split in (Split.TRAIN, Split.TEST)}
        check_no_leak(parts)
        return tuple(seeded_order(dialogues_in_split(self.dataset, self.split), self.seed)[: self.limit])


def parse_strategies(text: str) -> tuple[Strategy, ...]:
    """`all`, or names with commas between them, each once.

    Raises:
        UserError: one of them is no strategy.
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
    """A model as an author of direct responses, asked in chat form.

    In fidelity `released` it is asked as the published script asked GPT-4o for initial responses, and the set
    is named so.

    Raises:
        UserError: it is a control judge, which writes nothing; the released prompts have not been fetched.
    """
    _check_writes(model)
    is_released = fidelity is Fidelity.RELEASED
    rendering = PromptFormat(
        get_prompt(library, RELEASED_PROMPT if is_released else DIRECT_PROMPT), PromptStyle.CHAT
    )
    named = preset or (str(fidelity) if is_released else DEFAULT_PRESET)
    return Responder(
        model, rendering, named, temperature=temperature, top_p=top_p, max_output_tokens=max_output_tokens
    )


def plan_responses(chosen: DialogueSubset, responders: Sequence[Responder]) -> GenerationPlan:
    """The plan for direct responses to the chosen dialogues."""
    dialogues = chosen.dialogues()
    return GenerationPlan(tuple(responders), dialogues, {}, chosen.split, chosen.dataset.sha256)


async def plan_improvements(
    chosen: DialogueSubset,
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
    """The plan for every teacher's improvements of every kind of response with every strategy.

    Args:
        over: "human", "llm" or both.
        initial: for "llm", the author whose stored responses are improved, but for those that may not
            train; "" for the teacher's own, which are asked for where they are not there yet.
        tag: a name of the user's own, for a second set made in another way.

    Raises:
        UserError: the author of `initial` has no responses, or none to these dialogues.
    """
    dialogues = chosen.dialogues()
    bases: dict[str, InitialResponses] = {}
    agents = []
    for teacher in teachers:
        _check_writes(teacher)
        for kind in over:
            base, name = await _base(chosen, store, library, teacher, kind, initial, fidelity)
            if base.responder is None and not any(one.key in base.responses for one in dialogues):
                raise UserError(
                    f"{name} has no response to any of these dialogues",
                    code="responses.missing",
                    where="--initial-responses",
                    remedy=f"Generate them with: empathy respond {initial} --split {chosen.split}",
                )
            bases[base.set.id] = base
            agents += [
                improver(
                    teacher,
                    strategy,
                    base.set,
                    name,
                    library,
                    fidelity=fidelity,
                    temperature=temperature,
                    tag=tag,
                )
                for strategy in strategies
            ]
    return GenerationPlan(tuple(agents), dialogues, bases, chosen.split, chosen.dataset.sha256)


def _check_writes(model: Model) -> None:
    if model.protocol is ApiProtocol.CONTROL:
        remedy = "Name a model, for example openai/gpt-6-luna."
        raise UserError(
            "a control judge cannot write responses",
            code="model.control-judge",
            found=model.id,
            remedy=remedy,
        )


async def _base(
    chosen: DialogueSubset,
    store: Store,
    library: Library,
    teacher: Model,
    kind: str,
    initial: str,
    fidelity: Fidelity,
) -> tuple[InitialResponses, str]:
    """What is improved, and its name within a preset's."""
    if kind == HUMAN:
        return InitialResponses.from_author(
            await resolve_author("dataset:human", chosen.dataset, store)
        ), HUMAN
    if not initial:
        return InitialResponses.from_responder(direct_responder(teacher, library, fidelity=fidelity)), LLM
    author = await resolve_author(initial, chosen.dataset, store)
    reads = await load_generations(store, author.set.id)
    flawed = {key for key, of_dialogue in reads.items() if final_outcome(of_dialogue).flaw}
    fit = {key: response for key, response in author.responses.items() if key not in flawed}
    name = LLM if author.name == teacher.id else author.name
    return InitialResponses(author.set, fit), name
