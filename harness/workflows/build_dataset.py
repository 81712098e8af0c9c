"""Construction of training datasets from the dataset and stored responses.

This module finds the responses and names those that must not be trained on. `finetune.dialogue_selection`
selects the dialogues, `finetune.training_rows` builds the rows and `finetune.dataset_folder` writes them. The
same database and specification give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from agents.improver import improvement_preset
from agents.response_set_spec import ResponseSetSpec
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
]  # (dialogue id, role) → response, or why it must not be trained on


@dataclass(frozen=True)
class BuiltDataset:
    """Training dataset before it is written.

    Attributes:
        rows: training rows.
        held_out: rows held out for the post-training check; None for none.
        dialogues: training dialogues by id.
        test: ids of the test dialogues, which are in no row.
        origin: provenance of the dataset.
    """

    rows: TrainingRows
    held_out: TrainingRows | None
    dialogues: Mapping[str, Dialogue]
    test: frozenset[str]
    origin: DatasetOrigin

    def write(self, folder: Path, library: Library, forms: Sequence[str]) -> dict[str, Any]:
        """Write the dataset folder and return its manifest.

        Raises:
            UserError: as for `finetune.dataset_folder.write_dataset`.
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
class _RoleTexts:
    """Texts of all roles with their response sets."""

    texts: Texts
    sets: Mapping[str, ResponseSet]

    @property
    def prompts(self) -> dict[str, str]:
        """Name → version of every prompt used for a response."""
        return {
            name: version
            for response_set in self.sets.values()
            for name, version in ResponseSetSpec.from_made(response_set.made).prompts.items()
        }


async def build(dataset: Dataset, store: Store | None, spec: TrainingSetSpec) -> BuiltDataset:
    """Build a training dataset.

    Args:
        dataset: the dataset of dialogues.
        store: store of the responses; None if the specification needs none (`spec.needs_store`).
        spec: specification of the training set.

    Raises:
        UserError: responses are missing (the remedy names the command that generates them) or match several
            sets, or the splits overlap.
    """
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    check_no_leak({"train": train, "test": test})
    role_texts = await _find_texts(dataset, train, store, spec)
    selection = _select_dialogues(dataset, train, spec)
    missing, n_required = _missing_responses(selection, role_texts.texts)
    if missing and not spec.partial:
        raise UserError(
            f"{len(missing):,} of {n_required:,} responses are missing",
            code="responses.missing",
            found=f"for example none by {missing[0][1]} to {missing[0][0]}",
            remedy=f"Generate them with: {spec.command}  (or build without them: --partial)",
        )
    _mark_incomplete(selection, role_texts.texts, {dialogue for dialogue, _ in missing})
    held_out_ids = (
        {dialogue.id for dialogue in dialogues_in_split(dataset, Split.DEVELOPMENT)}
        if spec.hold_out
        else set()
    )
    dialogues = {dialogue.id: dialogue for dialogue in train}
    train_rows, held_out_rows = (
        build_rows(part, dialogues, role_texts.texts, spec.fidelity)
        for part in (
            _filter_dialogues(selection, held_out_ids, selected=False),
            _filter_dialogues(selection, held_out_ids, selected=True),
        )
    )
    runs = (
        await runs_of_sets(store, [response_set.id for response_set in role_texts.sets.values()])
        if store is not None
        else []
    )
    return BuiltDataset(
        train_rows,
        held_out_rows if held_out_ids else None,
        dialogues,
        frozenset(dialogue.id for dialogue in test),
        _origin(dataset, spec, role_texts, runs),
    )


def _select_dialogues(
    dataset: Dataset, train: Sequence[Dialogue], spec: TrainingSetSpec
) -> DialogueSelection:
    ratings = training_ratings(dataset, train)
    method = spec.method if spec.method == LOW_RATED else Method(spec.method)
    if method is Method.DIRECT and spec.needs_store:
        # these have no human rating: split the dialogues by the rating of the human response alone
        return _rename_roles(
            select_dialogues(Method.OVER_HUMAN, ratings, spec.fidelity), {IMPROVED: spec.llm}
        )
    return select_dialogues(method, ratings, spec.fidelity, llm=spec.llm, seed=spec.seed)


def _rename_roles(selection: DialogueSelection, names: Mapping[str, str]) -> DialogueSelection:
    return DialogueSelection(
        tuple(
            replace(dialogue, responses=tuple(names.get(role, role) for role in dialogue.responses))
            for dialogue in selection.sft
        ),
        tuple(
            replace(
                dialogue,
                chosen=names.get(dialogue.chosen, dialogue.chosen),
                rejected=names.get(dialogue.rejected, dialogue.rejected),
            )
            for dialogue in selection.dpo
        ),
    )


def _filter_dialogues(
    selection: DialogueSelection, dialogue_ids: set[str], *, selected: bool
) -> DialogueSelection:
    return DialogueSelection(
        tuple(dialogue for dialogue in selection.sft if (dialogue.dialogue in dialogue_ids) == selected),
        tuple(dialogue for dialogue in selection.dpo if (dialogue.dialogue in dialogue_ids) == selected),
    )


async def _find_texts(
    dataset: Dataset, train: Sequence[Dialogue], store: Store | None, spec: TrainingSetSpec
) -> _RoleTexts:
    texts: Texts = {
        (dialogue.id, role): dataset.texts[role][dialogue.id] for role in (HUMAN, *LLMS) for dialogue in train
    }
    if not spec.needs_store:
        return _RoleTexts(texts, {})
    assert store is not None  # guaranteed by `needs_store`
    if spec.method == Method.DIRECT:
        author = await resolve_author(spec.llm, dataset, store)
        flaws = await _exclusion_reasons(store, author.set)
        _add_role(texts, train, spec.llm, author.responses, flaws)
        return _RoleTexts(texts, {spec.llm: author.set})
    improved = await _improved_set(dataset, store, spec)
    flaws = await _exclusion_reasons(store, improved)
    sets = {IMPROVED: improved}
    if spec.method == Method.OVER_LLM:
        base_id = ResponseSetSpec.from_made(improved.made).improved_set
        initial = await find_response_set(store, base_id)
        initial_flaws = await _exclusion_reasons(store, initial)
        _add_role(texts, train, INITIAL, await _responses_by_dialogue(store, initial), initial_flaws)
        flaws |= {key: f"initial response: {flaw}" for key, flaw in initial_flaws.items()}
        sets[INITIAL] = initial
    _add_role(texts, train, IMPROVED, await _responses_by_dialogue(store, improved), flaws, kept_despite=True)
    return _RoleTexts(texts, sets)


def _add_role(
    texts: Texts,
    train: Sequence[Dialogue],
    role: str,
    responses: Mapping[str, Response],
    flaws: Mapping[str, str],
    *,
    kept_despite: bool = False,
) -> None:
    """Add the responses of one role; unusable ones are marked, missing ones are skipped.

    A teacher's set contains only usable improvements, so a flaw belongs to another attempt (`kept_despite`).
    Other authors' sets contain every response whatever its flaw.
    """
    for dialogue in train:
        response, flaw = responses.get(dialogue.key), flaws.get(dialogue.key, "")
        if response is not None and (kept_despite or not flaw):
            texts[dialogue.id, role] = response.text
        elif flaw:
            texts[dialogue.id, role] = UnusableResponse(flaw)


async def _improved_set(dataset: Dataset, store: Store, spec: TrainingSetSpec) -> ResponseSet:
    """Return the set of improved responses that the specification names."""
    assert spec.strategy is not None  # checked when the specification was made
    preset = improvement_preset(spec.strategy, spec.over, spec.fidelity, spec.tag)
    sets = [
        response_set
        for response_set in await store.response_sets(spec.teacher, preset)
        if await store.responses(response_set.id)
    ]
    if spec.method == Method.OVER_HUMAN:
        human_set_id = dataset.responses(HUMAN)[0].id
        sets = [
            response_set
            for response_set in sets
            if ResponseSetSpec.from_made(response_set.made).improved_set == human_set_id
        ]
    name = f"{spec.teacher}@{preset}"
    if len(sets) > 1:
        faults = [Fault(f"{response_set.id}: {response_set.made}") for response_set in sets]
        raise UserError(
            "several response sets have this name", code="response-set.ambiguous", found=name, faults=faults
        )
    if not sets:
        emulated = await find_emulated_set(store, spec.teacher, preset)
        hint = f"  (emulated responses exist: --teacher {emulated.author})" if emulated else ""
        raise UserError(
            "no improved responses with this name",
            code="response-set.not-found",
            found=name,
            remedy=f"Generate them with: {spec.command}{hint}",
        )
    return sets[0]


def _missing_responses(selection: DialogueSelection, texts: Texts) -> tuple[list[tuple[str, str]], int]:
    """Return (dialogue, role) of the missing responses, and the number of required ones."""
    required = {(dialogue.dialogue, role) for dialogue in selection.sft for role in dialogue.responses}
    required |= {
        (dialogue.dialogue, role)
        for dialogue in selection.dpo
        for role in (dialogue.chosen, dialogue.rejected)
    }
    return sorted(required - set(texts)), len(required)


def _mark_incomplete(selection: DialogueSelection, texts: Texts, incomplete: set[str]) -> None:
    """Mark the other response of incomplete dialogues, so that it does not get too much weight."""
    for dialogue in selection.sft:
        for role in dialogue.responses:
            if dialogue.dialogue in incomplete and (dialogue.dialogue, role) in texts:
                texts[dialogue.dialogue, role] = UnusableResponse("its other response is not there yet")


def _origin(
    dataset: Dataset, spec: TrainingSetSpec, role_texts: _RoleTexts, runs: Sequence[str]
) -> DatasetOrigin:
    seed = spec.seed
    if spec.method == Method.OVER_LLM and seed is None:
        seed = RELEASED_SEED if spec.fidelity is Fidelity.RELEASED else PARTITION_SEED
    source = {
        "dataset": f"sha256:{dataset.sha256}",
        **{role: response_set.id for role, response_set in role_texts.sets.items()},
    }
    if spec.over not in ("human", "llm") and spec.method == Method.OVER_LLM:
        source["initial responses of"] = spec.initial
    if spec.hold_out:
        source["held out"] = f"development dialogues, seed {DEVELOPMENT_SEED}"
    return DatasetOrigin(
        method=spec.method,
        fidelity=spec.fidelity,
        llm=spec.llm if spec.method == Method.DIRECT else "",
        strategy=str(spec.strategy or ""),
        teacher=spec.teacher,
        seed=seed,
        source=source,
        prompts=role_texts.prompts,
        run=", ".join(runs),
    )


async def _responses_by_dialogue(store: Store, response_set: ResponseSet) -> dict[str, Response]:
    return {response.dialogue: response for response in await store.responses(response_set.id)}


async def _exclusion_reasons(store: Store, response_set: ResponseSet) -> dict[str, str]:
    reads = await load_generations(store, response_set.id)
    return {key: flaw for key, generations in reads.items() if (flaw := final_outcome(generations).flaw)}
