"""Summary of a dataset: sizes of the splits, and the counts of the paper's Figures 3 and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.figure_style import figure_format, render_figure
from agents.types import Dialogue, Split
from finetune.dialogue_selection import RatedDialogue
from harness.atomic_write import atomic_write
from harness.data.dataset import LLMS, Dataset
from harness.data.splits import dialogues_in_split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES = (1, 2, 3)


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of a dataset.

    Attributes:
        dialogues: number of dialogues.
        test: number of test dialogues.
        sentiments, emotions: number of dialogues by sentiment and by emotion.
        ratings: responder → rating (1, 2 or 3) → number of responses (the paper's Figure 3).
        pairs: LLM → (rating of the human response, rating of the LLM response) → number of dialogues (the
            paper's Figure 4).
    """

    dialogues: int
    test: int
    sentiments: dict[str, int]
    emotions: dict[str, int]
    ratings: dict[str, dict[int, int]]
    pairs: dict[str, dict[tuple[int, int], int]]


def describe(dataset: Dataset) -> DatasetSummary:
    """Return the summary of a dataset."""
    rated = dataset.rated.values()
    return DatasetSummary(
        dialogues=len(dataset.dialogues),
        test=len(dialogues_in_split(dataset, Split.TEST)),
        sentiments=dict(Counter(dialogue.sentiment for dialogue in dataset.dialogues).most_common()),
        emotions=dict(sorted(Counter(dialogue.emotion for dialogue in dataset.dialogues).items())),
        ratings={
            name: {value: sum(ratings[name] == value for ratings in rated) for value in VALUES}
            for name in dataset.texts
        },
        pairs={
            name: {
                (human, llm): sum((ratings["human"], ratings[name]) == (human, llm) for ratings in rated)
                for human in VALUES
                for llm in VALUES
            }
            for name in LLMS
        },
    )


def training_ratings(dataset: Dataset, dialogues: Sequence[Dialogue] | None = None) -> list[RatedDialogue]:
    """Return the ratings of these dialogues (default: the training split) for
    `finetune.dialogue_selection`.
    """
    selected = dialogues_in_split(dataset, Split.TRAIN) if dialogues is None else dialogues
    return [
        RatedDialogue(
            dialogue.id,
            dataset.rated[dialogue.id]["human"],
            {name: dataset.rated[dialogue.id][name] for name in LLMS},
        )
        for dialogue in selected
    ]


def to_dict(description: DatasetSummary) -> dict[str, Any]:
    """Return the summary for JSON output."""
    return {
        "dialogues": description.dialogues,
        "test": description.test,
        "train": description.dialogues - description.test,
        "sentiments": description.sentiments,
        "emotions": description.emotions,
        "ratings": {
            name: {str(value): count for value, count in counts.items()}
            for name, counts in description.ratings.items()
        },
        "pairs": {
            name: {f"{human},{llm}": count for (human, llm), count in counts.items()}
            for name, counts in description.pairs.items()
        },
    }


def plot(description: DatasetSummary, path: Path) -> None:
    """Plot the paper's Figures 3 and 4 side by side; the suffix selects the format (.png, .svg, .pdf).

    Raises:
        UserError: if the suffix is unknown.
        OSError: if the file cannot be written or its folder does not exist.
    """
    format_ = figure_format(path, "--plot")
    path.parent.stat()  # raises if the folder does not exist; it may be misspelled
    atomic_write(path, render_figure(partial(_make_figure, description), {format_: {"dpi": 150}})[format_])


def _make_figure(description: DatasetSummary) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _plot_ratings(left, description)
    _plot_pairs(right, description)
    return figure


def _plot_ratings(axes: Any, description: DatasetSummary) -> None:
    """Plot Figure 3: the number of responses of each responder with each rating."""
    names = list(description.ratings)
    for offset, (value, colour) in enumerate(zip(VALUES, ("#D55E00", "#E69F00", "#0072B2"), strict=True)):
        positions = [index + 0.27 * (offset - 1) for index in range(len(names))]
        heights = [description.ratings[name][value] for name in names]
        axes.bar(positions, heights, 0.25, label=f"rated {value}", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_title("Ratings of each responder (the paper's Figure 3)")
    axes.set_ylabel("responses")
    axes.legend(frameon=False)


def _plot_pairs(axes: Any, description: DatasetSummary) -> None:
    """Plot Figure 4: the number of dialogues with each pair of human and LLM rating."""
    kinds = [(human, llm) for human in VALUES for llm in VALUES]
    colours = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
    for offset, (name, colour) in enumerate(zip(LLMS, colours, strict=True)):
        positions = [index + 0.2 * (offset - 1.5) for index in range(len(kinds))]
        heights = [description.pairs[name][kind] for kind in kinds]
        axes.bar(positions, heights, 0.19, label=name, color=colour)
    axes.set_xticks(range(len(kinds)), [f"{human}, {llm}" for human, llm in kinds])
    axes.set_title("Rating pairs (human, LLM) (the paper's Figure 4)")
    axes.set_ylabel("dialogues")
    axes.legend(frameon=False)
