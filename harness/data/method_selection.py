"""Dialogues that a method uses for SFT, DPO and test, with their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from typing_extensions import TypedDict

from agents.types import Dialogue, Fidelity, Method, Split
from finetune.dialogue_selection import LOW_RATED, DialogueSelection, select_dialogues
from harness.atomic_write import write_file
from harness.data.dataset import Dataset
from harness.data.dataset_summary import training_ratings
from harness.data.splits import SplitOverlap, check_no_leak, dialogues_in_split, overlap
from results.render.rendering import Rendering
from results.render.table import Column, Table


@dataclass(frozen=True)
class MethodSelection:
    """Dialogues of a method.

    Attributes:
        method: how training responses are made.
        llm: LLM of the dataset, or "combined"; "" except for the method direct.
        fidelity: variant of the experiment.
        training: dialogues and responses of SFT and DPO.
        train, test: dialogues of each split.
        overlap: similarity of the splits.
    """

    method: str
    llm: str
    fidelity: Fidelity
    training: DialogueSelection
    train: Sequence[Dialogue]
    test: Sequence[Dialogue]
    overlap: SplitOverlap

    def write(self, folder: Path) -> list[Path]:
        """Write sft.jsonl, dpo.jsonl and test.jsonl to a folder and return their paths.

        Raises:
            UserError: a file cannot be written.
        """
        sft, dpo = self.training.sft, self.training.dpo
        rows: Mapping[str, list[dict[str, Any]]] = {
            "sft": [{"dialogue_id": each.dialogue, "responses": each.responses} for each in sft],
            "dpo": [
                {"dialogue_id": each.dialogue, "chosen": each.chosen, "rejected": each.rejected}
                for each in dpo
            ],
            "test": [{"dialogue_id": dialogue.id} for dialogue in self.test],
        }
        for name, parts in rows.items():
            content = b"".join(orjson.dumps(row) + b"\n" for row in parts)
            write_file(folder / f"{name}.jsonl", content, where="--out")
        return [folder / f"{name}.jsonl" for name in rows]


def select_for_method(
    dataset: Dataset, method: str, fidelity: Fidelity, *, llm: str, seed: int | None = None
) -> MethodSelection:
    """Return the dialogues that a method uses.

    Args:
        llm: for the method direct, an LLM of the dataset, or "combined".
        seed: for over-llm, seed of the split into SFT and DPO; None for that of the fidelity.

    Raises:
        UserError: the splits overlap, or the options do not fit the method.
    """
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    check_no_leak({"train": train, "test": test})
    chosen = method if method == LOW_RATED else Method(method)
    training = select_dialogues(chosen, training_ratings(dataset), fidelity, llm=llm, seed=seed)
    shown_llm = llm if method == Method.DIRECT else ""
    return MethodSelection(method, shown_llm, fidelity, training, train, test, overlap(train, test))


class SplitDocument(TypedDict):
    """Sizes of the training sets and splits that a method makes.

    Attributes:
        method: how training responses are made.
        llm: for the method direct, the LLM of the dataset, or "combined"; else null.
        fidelity: variant of the experiment.
        sft_dialogues: number of dialogues for SFT.
        sft_rows: number of their rows.
        dpo_pairs: number of pairs for DPO.
        train, test: number of dialogues in each split.
        near_identical: pairs of a training and a test dialogue with nearly the same text.
        same_workers: number of test dialogues by the same two workers as a training dialogue.
    """

    document: Literal["split"]
    method: str
    llm: str | None
    fidelity: str
    sft_dialogues: int
    sft_rows: int
    dpo_pairs: int
    train: int
    test: int
    near_identical: list[tuple[str, str]]
    same_workers: int


def render_selection(selection: MethodSelection) -> Rendering:
    """Render the sizes of SFT, DPO and test, and the similarity of the splits."""
    sft, dpo, shared = selection.training.sft, selection.training.dpo, selection.overlap
    document: SplitDocument = {
        "document": "split",
        "method": selection.method,
        "llm": selection.llm or None,
        "fidelity": str(selection.fidelity),
        "sft_dialogues": len(sft),
        "sft_rows": sum(len(each.responses) for each in sft),
        "dpo_pairs": len(dpo),
        "train": len(selection.train),
        "test": len(selection.test),
        "near_identical": list(shared.near_identical),
        "same_workers": shared.same_workers,
    }
    llm = f", LLM {selection.llm}" if selection.llm else ""
    columns = [Column("part"), Column("dialogues", unit="count"), Column("rows", unit="count")]
    table = Table(f"Method {selection.method}, fidelity {selection.fidelity}{llm}", columns=columns)
    table.add_row("SFT", document["sft_dialogues"], document["sft_rows"])
    table.add_row("DPO", document["dpo_pairs"], document["dpo_pairs"])
    table.add_row("training split", document["train"])
    table.add_row("test split", document["test"])
    pairs = "; ".join(f"{first} and {second}" for first, second in shared.near_identical)
    note = (
        f"No dialogue is in both splits. Near-identical pairs: {len(shared.near_identical)}"
        f"{f' ({pairs})' if pairs else ''}. Test dialogues by the same two workers as a training dialogue: "
        f"{shared.same_workers}."
    )
    return Rendering(document, (table,), (note,))
