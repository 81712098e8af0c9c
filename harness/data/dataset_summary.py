"""Summary of a dataset: sizes of the splits, and the counts of the paper's Figures 3 and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.figures import Bar, Chart, figure_format, render_charts
from agents.types import Dialogue, Split
from finetune.dialogue_selection import RatedDialogue
from harness.atomic_write import atomic_write
from harness.data.dataset import LLMS, Dataset
from harness.data.splits import dialogues_in_split

VALUES = (1, 2, 3)
SHOWN_RESPONDERS = {
    "human": "Human",
    "gpt-4": "GPT-4",
    "llama-2-70b": "LLaMA-2",
    "gemini-1.0-pro": "Gemini",
    "mixtral-8x7b": "Mixtral",
}
RATING_NOTE = "Counted in the dataset; ratings: 1 bad, 2 okay, 3 good"


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
    charts = (ratings_chart(description), pairs_chart(description))
    atomic_write(path, render_charts(charts, {format_: {"dpi": 150}})[format_])


def ratings_chart(description: DatasetSummary) -> Chart:
    """Return Figure 3: number of responses per responder and rating."""
    series = {
        f"rating {value}": [Bar(float(counts[value])) for counts in description.ratings.values()]
        for value in VALUES
    }
    groups = [SHOWN_RESPONDERS[name] for name in description.ratings]
    return Chart(
        "3", "ratings by responder", "responses", groups, series, limit=None, even=False, note=RATING_NOTE
    )


def pairs_chart(description: DatasetSummary) -> Chart:
    """Return Figure 4: number of dialogues per (human, LLM) pair of ratings."""
    series = {
        SHOWN_RESPONDERS[name]: [Bar(float(count)) for count in counts.values()]
        for name, counts in description.pairs.items()
    }
    groups = [f"({human}, {llm})" for human in VALUES for llm in VALUES]
    title = "pairs of ratings (human, LLM)"
    return Chart("4", title, "dialogues", groups, series, limit=None, even=False, note=RATING_NOTE)
