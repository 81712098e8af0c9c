"""From the dataset and what is stored to a folder that a student is trained on.

Which dialogues train what is `finetune.dialogue_selection`'s to say, how rows are made and written
`finetune.training_rows` and `finetune.dataset_folder`; here the responses are found, and what may not train is named. The
same database and recipe give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from agents.errors import Fault, UserError
from agents.improver import improvement_preset
from agents.student_prompt import rendering
from agents.types import Dialogue, Fidelity, Method, Response, ResponseSet, Split
from finetune.dataset_folder import DatasetOrigin, write_dataset
from finetune.dialogue_selection import (
    HUMAN,
    IMPROVED,
    INITIAL,
    LLMS,
    LOW_RATED,
    PARTITION_SEED,
    RELEASED_SEED,
    DialogueSelection,
    select_dialogues,
)
from finetune.training_rows import TrainingRows, UnusableResponse, build_rows
from harness.data.author_resolver import find_emulated_set, resolve_author
from harness.data.dataset import Dataset
from harness.data.dataset_summary import training_ratings
from harness.data.splits import DEVELOPMENT_SEED, check_no_leak, dialogues_in_split
from harness.data.training_set_spec import TrainingSetSpec
from prompts import Library
from results.db.store import Store
from results.queries.responses import final_outcome, find_response_set, load_generations, runs_of_sets

Texts = dict[
    tuple[str, str], str | UnusableResponse
]  # (dialogue's id, role) → response, or why it may not train


@dataclass(frozen=True)
class BuiltDataset:
    """A dataset before it is written.

    Attributes:
        rows, held_out: what trains, and what is kept out for the check after it (None: nothing is).
        dialogues: the training dialogues, by id.
        test: ids of the test dialogues; none of them is in a row.
        origin: how it came to be.
    """

    rows: TrainingRows
    held_out: TrainingRows | None
    dialogues: Mapping[str, Dialogue]
    test: frozenset[str]
    origin: DatasetOrigin

    def write(self, folder: Path, library: Library, forms: Sequence[str]) -> dict[str, Any]:
        """Write the folder; its manifest.

        Raises:
            UserError: as `finetune.dataset_folder.write`.
        """
        return write_dataset(
            folder,
            self.rows,
            self.dialogues,
            rendering(library=library),
            self.origin,
            held_out=self.held_out,
            forms=forms,
            forbidden=self.test,
        )


@dataclass(frozen=True)
class _Found:
    """The texts of all roles, and where they came from."""

    texts: Texts
    sets: Mapping[str, ResponseSet]

    @property
    def prompts(self) -> dict[str, str]:
        """Name → version of every prompt that made a response."""
        return {
            name: version
            for of in self.sets.values()
            for name, version in _made(of).get("prompts", {}).items()
        }


async def build(dataset: Dataset, store: Store | None, recipe: TrainingSetSpec) -> BuiltDataset:
    """The dataset of these recipe.

    Args:
        store: where responses are; None where none are needed (`recipe.needs_store`).

    Raises:
        UserError: responses are missing (it names the command that makes them), or match several sets;
            the splits leak.
    """
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    check_no_leak({"train": train, "test": test})
    found = await _found(dataset, train, store, recipe)
    members = _members(dataset, train, recipe)
    missing, wanted = _missing(members, found.texts)
    if missing and not recipe.partial:
        raise UserError(
            f"{len(missing):,} of {wanted:,} responses are missing",
            code="responses.missing",
            found=f"for example none by {missing[0][1]} to {missing[0][0]}",
            remedy=f"Generate them with: {recipe.command}  (or build without them: --partial)",
        )
    _leave_out(members, found.texts, {dialogue for dialogue, _ in missing})
    kept = {one.id for one in dialogues_in_split(dataset, Split.DEVELOPMENT)} if recipe.hold_out else set()
    dialogues = {dialogue.id: dialogue for dialogue in train}
    trained, held = (
        build_rows(part, dialogues, found.texts, recipe.fidelity)
        for part in (_part(members, kept, inside=False), _part(members, kept, inside=True))
    )
    runs = await runs_of_sets(store, [of.id for of in found.sets.values()]) if store is not None else []
    return BuiltDataset(
        trained,
        held if kept else None,
        dialogues,
        frozenset(dialogue.id for dialogue in test),
        _origin(dataset, recipe, found, runs),
    )


def _members(dataset: Dataset, train: Sequence[Dialogue], recipe: TrainingSetSpec) -> DialogueSelection:
    rated = training_ratings(dataset, train)
    method = recipe.method if recipe.method == LOW_RATED else Method(recipe.method)
    if method is Method.DIRECT and recipe.needs_store:
        # No person has rated these: the human's rating alone parts the dialogues, as where it is improved.
        return _renamed(select_dialogues(Method.OVER_HUMAN, rated, recipe.fidelity), {IMPROVED: recipe.llm})
    return select_dialogues(method, rated, recipe.fidelity, llm=recipe.llm, seed=recipe.seed)


def _renamed(members: DialogueSelection, names: Mapping[str, str]) -> DialogueSelection:
    return DialogueSelection(
        tuple(
            replace(one, responses=tuple(names.get(role, role) for role in one.responses))
            for one in members.sft
        ),
        tuple(
            replace(
                one, chosen=names.get(one.chosen, one.chosen), rejected=names.get(one.rejected, one.rejected)
            )
            for one in members.dpo
        ),
    )


def _part(members: DialogueSelection, kept: set[str], *, inside: bool) -> DialogueSelection:
    return DialogueSelection(
        tuple(one for one in members.sft if (one.dialogue in kept) == inside),
        tuple(one for one in members.dpo if (one.dialogue in kept) == inside),
    )


async def _found(
    dataset: Dataset, train: Sequence[Dialogue], store: Store | None, recipe: TrainingSetSpec
) -> _Found:
    texts: Texts = {
        (dialogue.id, role): dataset.texts[role][dialogue.id] for role in (HUMAN, *LLMS) for dialogue in train
    }
    if not recipe.needs_store:
        return _Found(texts, {})
    assert store is not None  # `needs_store` says when there must be one
    if recipe.method == Method.DIRECT:
        author = await resolve_author(recipe.llm, dataset, store)
        flaws = await _flaws(store, author.set)
        _add(texts, train, recipe.llm, author.responses, flaws)
        return _Found(texts, {recipe.llm: author.set})
    improved = await _improved(dataset, store, recipe)
    flaws = await _flaws(store, improved)
    sets = {IMPROVED: improved}
    if recipe.method == Method.OVER_LLM:
        base_id = str(_made(improved)["base"])
        initial = await find_response_set(store, base_id)
        initial_flaws = await _flaws(store, initial)
        _add(texts, train, INITIAL, await _responses(store, initial), initial_flaws)
        flaws |= {key: f"initial response: {flaw}" for key, flaw in initial_flaws.items()}
        sets[INITIAL] = initial
    _add(texts, train, IMPROVED, await _responses(store, improved), flaws, kept_despite=True)
    return _Found(texts, sets)


def _add(
    texts: Texts,
    train: Sequence[Dialogue],
    role: str,
    responses: Mapping[str, Response],
    flaws: Mapping[str, str],
    *,
    kept_despite: bool = False,
) -> None:
    """Enter a role's responses; what may not train as such, what is not there not at all.

    A teacher's improvement is in its set only where it may train (`kept_despite`: a flaw is then of another
    attempt); a contestant's response is there whatever its flaw.
    """
    for dialogue in train:
        response, flaw = responses.get(dialogue.key), flaws.get(dialogue.key, "")
        if response is not None and (kept_despite or not flaw):
            texts[dialogue.id, role] = response.text
        elif flaw:
            texts[dialogue.id, role] = UnusableResponse(flaw)


async def _improved(dataset: Dataset, store: Store, recipe: TrainingSetSpec) -> ResponseSet:
    """The one set of improved responses that the recipe name."""
    assert recipe.strategy is not None  # checked when the recipe were made
    preset = improvement_preset(recipe.strategy, recipe.over, recipe.fidelity, recipe.tag)
    sets = [of for of in await store.response_sets(recipe.teacher, preset) if await store.responses(of.id)]
    if recipe.method == Method.OVER_HUMAN:
        human = dataset.responses(HUMAN)[0].id
        sets = [of for of in sets if _made(of).get("base") == human]
    name = f"{recipe.teacher}@{preset}"
    if len(sets) > 1:
        faults = [Fault(f"{of.id}: {of.made}") for of in sets]
        raise UserError(
            "several response sets have this name", code="response-set.ambiguous", found=name, faults=faults
        )
    if not sets:
        there = await find_emulated_set(store, recipe.teacher, preset)
        aside = f"  (emulated responses exist: --teacher {there.author})" if there else ""
        raise UserError(
            "no improved responses with this name",
            code="response-set.not-found",
            found=name,
            remedy=f"Generate them with: {recipe.command}{aside}",
        )
    return sets[0]


def _missing(members: DialogueSelection, texts: Texts) -> tuple[list[tuple[str, str]], int]:
    """(dialogue, role) of the responses that nobody has been asked for, and how many are needed in all."""
    wanted = {(one.dialogue, role) for one in members.sft for role in one.responses}
    wanted |= {(one.dialogue, role) for one in members.dpo for role in (one.chosen, one.rejected)}
    return sorted(wanted - set(texts)), len(wanted)


def _leave_out(members: DialogueSelection, texts: Texts, dialogues: set[str]) -> None:
    """A dialogue that lacks one of its responses gives no row: the other alone would weigh too much."""
    for one in members.sft:
        for role in one.responses:
            if one.dialogue in dialogues and (one.dialogue, role) in texts:
                texts[one.dialogue, role] = UnusableResponse("its other response is not there yet")


def _origin(dataset: Dataset, recipe: TrainingSetSpec, found: _Found, runs: Sequence[str]) -> DatasetOrigin:
    seed = recipe.seed
    if recipe.method == Method.OVER_LLM and seed is None:
        seed = RELEASED_SEED if recipe.fidelity is Fidelity.RELEASED else PARTITION_SEED
    source = {"dataset": f"sha256:{dataset.sha256}", **{role: of.id for role, of in found.sets.items()}}
    if recipe.over not in ("human", "llm") and recipe.method == Method.OVER_LLM:
        source["initial responses of"] = recipe.initial
    if recipe.hold_out:
        source["held out"] = f"development dialogues, seed {DEVELOPMENT_SEED}"
    return DatasetOrigin(
        method=recipe.method,
        fidelity=recipe.fidelity,
        llm=recipe.llm if recipe.method == Method.DIRECT else "",
        strategy=str(recipe.strategy or ""),
        teacher=recipe.teacher,
        seed=seed,
        source=source,
        prompts=found.prompts,
        run=", ".join(runs),
    )


async def _responses(store: Store, of: ResponseSet) -> dict[str, Response]:
    return {response.dialogue: response for response in await store.responses(of.id)}


async def _flaws(store: Store, of: ResponseSet) -> dict[str, str]:
    reads = await load_generations(store, of.id)
    return {key: flaw for key, one in reads.items() if (flaw := final_outcome(one).flaw)}


def _made(of: ResponseSet) -> dict[str, Any]:
    """How a set was made, where that is told as JSON."""
    try:
        told = orjson.loads(of.made)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
