"""What is in a dataset: the paper's Figures 3 and 4 as counts, and the sizes of what trains and tests.

Pure but for `plot`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.vocabulary import Dialogue
from finetune.membership import Rated
from harness.data.dataset import LLMS, Dataset
from harness.data.splits import Split, dialogues_of

VALUES = (1, 2, 3)


@dataclass(frozen=True)
class Description:
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


def describe(dataset: Dataset) -> Description:
    """All counts at once."""
    rated = dataset.rated.values()
    return Description(
        dialogues=len(dataset.dialogues),
        test=len(dialogues_of(dataset, Split.TEST)),
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


def training_ratings(dataset: Dataset, dialogues: Sequence[Dialogue] | None = None) -> list[Rated]:
    """The ratings of the training dialogues (or of those given), as `finetune.membership` takes them."""
    chosen = dialogues_of(dataset, Split.TRAIN) if dialogues is None else dialogues
    return [
        Rated(one.id, dataset.rated[one.id]["human"], {name: dataset.rated[one.id][name] for name in LLMS})
        for one in chosen
    ]


def as_data(description: Description) -> dict[str, Any]:
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


def plot(description: Description, path: Path) -> None:
    """Figures 3 and 4 side by side, as the file's suffix says (PNG, SVG, PDF)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    colours = {1: "#D55E00", 2: "#E69F00", 3: "#0072B2"}
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    names = list(description.ratings)
    for offset, value in enumerate(VALUES):
        places = [at + 0.27 * (offset - 1) for at in range(len(names))]
        heights = [description.ratings[name][value] for name in names]
        left.bar(places, heights, 0.25, label=f"rated {value}", color=colours[value])
    left.set_xticks(range(len(names)), names)
    left.set_title("Ratings of each responder (the paper's Figure 3)")
    left.set_ylabel("responses")
    left.legend(frameon=False)
    kinds = [(human, llm) for human in VALUES for llm in VALUES]
    for offset, (name, colour) in enumerate(
        zip(LLMS, ("#0072B2", "#009E73", "#CC79A7", "#E69F00"), strict=True)
    ):
        places = [at + 0.2 * (offset - 1.5) for at in range(len(kinds))]
        heights = [description.pairs[name][kind] for kind in kinds]
        right.bar(places, heights, 0.19, label=name, color=colour)
    right.set_xticks(range(len(kinds)), [f"{human}, {llm}" for human, llm in kinds])
    right.set_title("Rating pairs (human, LLM) (the paper's Figure 4)")
    right.set_ylabel("dialogues")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
