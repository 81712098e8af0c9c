"""Summary of a dataset: sizes of the splits, and the counts of the paper's Figures 3 and 4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from agents.errors import UserError
from agents.figures import Bar, Chart, figure_format, render_charts
from agents.types import Dialogue, Split
from finetune.dialogue_selection import RatedDialogue
from harness.atomic_write import write_file
from harness.data.dataset import LLMS, Dataset
from harness.data.splits import dialogues_in_split
from results.render.rendering import Rendering
from results.render.table import metric_table

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


def render_dataset(description: DatasetSummary, source: str) -> Rendering:
    """Render the sizes, the ratings of each responder, and the pairs of ratings; `source` names the file."""
    sentiments = ", ".join(f"{count} {name}" for name, count in description.sentiments.items())
    ratings = metric_table((f"rated {value}" for value in VALUES), "Ratings (the paper's Figure 3)")
    for name, counts in description.ratings.items():
        ratings.add_metric(name, "count", counts.values())
    pairs = metric_table(description.pairs, "Rating pairs: human, LLM (the paper's Figure 4)")
    for kind in next(iter(description.pairs.values())):
        values = [counts[kind] for counts in description.pairs.values()]
        pairs.add_metric(f"{kind[0]}, {kind[1]}", "count", values)
    size = (
        f"{source}: {description.dialogues:,} dialogues ({sentiments}; {len(description.emotions)} "
        f"emotions), {description.test} of them test dialogues"
    )
    return Rendering(_data(description), (ratings, pairs), (size,))


class DatasetDocument(TypedDict):
    """Summary of a dataset.

    Attributes:
        dialogues: number of dialogues.
        test, train: number of them in each split.
        sentiments, emotions: number of dialogues by sentiment and by emotion.
        ratings: number of responses by responder and rating ("1" bad, "2" okay, "3" good).
        pairs: number of dialogues by LLM and pair of ratings, human response first, such as "1,3".
    """

    document: Literal["dataset"]
    dialogues: int
    test: int
    train: int
    sentiments: dict[str, int]
    emotions: dict[str, int]
    ratings: dict[str, dict[str, int]]
    pairs: dict[str, dict[str, int]]


def _data(description: DatasetSummary) -> DatasetDocument:
    """Return the summary as JSON data."""
    return {
        "document": "dataset",
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
        UserError: the suffix is unknown, the folder does not exist, or the file cannot be written.
    """
    format_ = figure_format(path, "--plot")
    if not path.parent.is_dir():  # it may be misspelled
        raise UserError(
            "the folder does not exist", code="file.not-writable", where="--plot", found=str(path.parent)
        )
    charts = (ratings_chart(description), pairs_chart(description))
    write_file(path, render_charts(charts, {format_: {"dpi": 150}})[format_], where="--plot")


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
