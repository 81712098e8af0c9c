"""What is in a dataset: the paper's Figures 3 and 4 as counts, and the sizes of what trains and tests.

Pure but for `plot`.
"""

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
        dialogues, test: how many there are, and are test dialogues.
        sentiments, emotions: dialogues by each.
        ratings: responder → rating 1, 2, 3 → responses (the paper's Figure 3).
        pairs: LLM → (human's rating, LLM's rating) → dialogues (the paper's Figure 4).
    """

    dialogues: int
    test: int
    sentiments: dict[str, int]
    emotions: dict[str, int]
    ratings: dict[str, dict[int, int]]
    pairs: dict[str, dict[tuple[int, int], int]]


def describe(dataset: Dataset) -> DatasetSummary:
    """All counts at once."""
    rated = dataset.rated.values()
    return DatasetSummary(
        dialogues=len(dataset.dialogues),
        test=len(dialogues_in_split(dataset, Split.TEST)),
        sentiments=dict(Counter(dialogue.sentiment for dialogue in dataset.dialogues).most_common()),
        emotions=dict(sorted(Counter(dialogue.emotion for dialogue in dataset.dialogues).items())),
        ratings={
            name: {value: sum(one[name] == value for one in rated) for value in VALUES}
            for name in dataset.texts
        },
        pairs={
            name: {
                (human, llm): sum((one["human"], one[name]) == (human, llm) for one in rated)
                for human in VALUES
                for llm in VALUES
            }
            for name in LLMS
        },
    )


def training_ratings(dataset: Dataset, dialogues: Sequence[Dialogue] | None = None) -> list[RatedDialogue]:
    """The ratings of the training dialogues (or of those given), as `finetune.dialogue_selection` takes them."""
    chosen = dialogues_in_split(dataset, Split.TRAIN) if dialogues is None else dialogues
    return [
        RatedDialogue(
            one.id, dataset.rated[one.id]["human"], {name: dataset.rated[one.id][name] for name in LLMS}
        )
        for one in chosen
    ]


def to_dict(description: DatasetSummary) -> dict[str, Any]:
    """For `--json`: keys as text."""
    return {
        "dialogues": description.dialogues,
        "test": description.test,
        "train": description.dialogues - description.test,
        "sentiments": description.sentiments,
        "emotions": description.emotions,
        "ratings": {name: {str(k): v for k, v in of.items()} for name, of in description.ratings.items()},
        "pairs": {
            name: {f"{human},{llm}": count for (human, llm), count in of.items()}
            for name, of in description.pairs.items()
        },
    }


def plot(description: DatasetSummary, path: Path) -> None:
    """Figures 3 and 4 side by side, as the file's ending says (.png, .svg, .pdf).

    Raises:
        UserError: the ending names no format.
        OSError: the file cannot be written, or its folder is not there.
    """
    form = figure_format(path, "--plot")
    path.parent.stat()  # a folder that is not there is a slip of the pen
    atomic_write(path, render_figure(partial(_figure, description), {form: {"dpi": 150}})[form])


def _figure(description: DatasetSummary) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _ratings(left, description)
    _pairs(right, description)
    return figure


def _ratings(axes: Any, description: DatasetSummary) -> None:
    """Figure 3: how often each responder was rated 1, 2 and 3."""
    names = list(description.ratings)
    for offset, (value, colour) in enumerate(zip(VALUES, ("#D55E00", "#E69F00", "#0072B2"), strict=True)):
        places = [at + 0.27 * (offset - 1) for at in range(len(names))]
        heights = [description.ratings[name][value] for name in names]
        axes.bar(places, heights, 0.25, label=f"rated {value}", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_title("Ratings of each responder (the paper's Figure 3)")
    axes.set_ylabel("responses")
    axes.legend(frameon=False)


def _pairs(axes: Any, description: DatasetSummary) -> None:
    """Figure 4: how often people and LLMs were rated how."""
    kinds = [(human, llm) for human in VALUES for llm in VALUES]
    colours = ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
    for offset, (name, colour) in enumerate(zip(LLMS, colours, strict=True)):
        places = [at + 0.2 * (offset - 1.5) for at in range(len(kinds))]
        heights = [description.pairs[name][kind] for kind in kinds]
        axes.bar(places, heights, 0.19, label=name, color=colour)
    axes.set_xticks(range(len(kinds)), [f"{human}, {llm}" for human, llm in kinds])
    axes.set_title("Rating pairs (human, LLM) (the paper's Figure 4)")
    axes.set_ylabel("dialogues")
    axes.legend(frameon=False)
