"""Fit the weights of the control judges `control/ratings` and `control/author`.

`python -m scripts.fit_control_judge [--data FILE]`

The model is fitted on the *training* dialogues only: every pair of responses to one dialogue with different
ratings enters as the difference of their features, in both directions, in a logistic regression without
intercept (scikit-learn, a development dependency). The script writes `weights.json` beside the judges:
feature weights, the responders' mean ratings in training, and the accuracy on training pairs (out of fold,
with folds by `part_no`) and on the rated pairs of the test dialogues. The file contains nothing of the
dataset but word counts and mean ratings.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from agents.control_judges import ratings_model, rules
from agents.hashing import content_id
from agents.output_escape import json_bytes
from agents.types import Dialogue, Split
from harness.data.dataset import Dataset, load
from harness.data.splits import dialogues_in_split
from harness.terminal.output import print_document

WEIGHTS_FILE = Path(ratings_model.__file__).with_name("weights.json")
FOLDS = 10
PENALTY = 0.05


def rated_pairs(
    dataset: Dataset, dialogues: list[Dialogue]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[tuple[str, str, str]]]:
    """Return every pair of responses with different ratings.

    The result holds the feature differences, shape (n, features); +1 or −1 if the first or second is better,
    shape (n,); and (part, first responder, second responder) of each pair.
    """
    differences, better, pairs = [], [], []
    for dialogue in dialogues:
        rated = dataset.rated[dialogue.id]
        features = {
            name: ratings_model.features(dataset.texts[name][dialogue.id], dialogue.utterance)
            for name in rated
        }
        for first, second in combinations(rated, 2):
            if rated[first] != rated[second]:
                differences.append(np.subtract(features[first], features[second]))
                better.append(np.sign(rated[first] - rated[second]))
                pairs.append((dialogue.part, first, second))
    return np.array(differences), np.array(better, dtype=float), pairs


def fit_weights(differences: NDArray[np.float64], better: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the weights, one per feature, in the units of the features."""
    from sklearn.linear_model import LogisticRegression

    scale = differences.std(axis=0)
    scale[scale == 0] = 1.0
    inputs = np.concatenate([differences, -differences]) / scale
    model = LogisticRegression(fit_intercept=False, C=PENALTY)
    model.fit(inputs, np.concatenate([better, -better]))
    weights: NDArray[np.float64] = model.coef_[0] / scale
    return weights


def agreement(scores: NDArray[np.float64], better: NDArray[np.float64]) -> float:
    """Return the share of pairs on which the signs agree; no preference counts one half."""
    return float(np.where(scores == 0, 0.5, np.sign(scores) == better).mean())


def author_means(dataset: Dataset, dialogues: list[Dialogue]) -> dict[str, float]:
    """Return the mean rating of each responder."""
    return {
        f"dataset:{name}": float(np.mean([dataset.rated[dialogue.id][name] for dialogue in dialogues]))
        for name in dataset.texts
    }


def author_differences(means: dict[str, float], pairs: list[tuple[str, str, str]]) -> NDArray[np.float64]:
    """Return the difference of the two responders' mean ratings for each pair."""
    return np.array([means[f"dataset:{first}"] - means[f"dataset:{second}"] for _, first, second in pairs])


def fit(dataset: Dataset) -> dict[str, Any]:
    """Return the content of the weights file."""
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    train_x, train_y, train_pairs = rated_pairs(dataset, train)
    test_x, test_y, test_pairs = rated_pairs(dataset, test)
    parts = sorted({part for part, _, _ in train_pairs})
    fold = {part: index % FOLDS for index, part in enumerate(parts)}
    folds = np.array([fold[part] for part, _, _ in train_pairs])
    out_of_fold = np.zeros(len(train_y))
    for index in range(FOLDS):
        held_out = folds == index
        out_of_fold[held_out] = train_x[held_out] @ fit_weights(train_x[~held_out], train_y[~held_out])
    weights = fit_weights(train_x, train_y)
    means = author_means(dataset, train)
    content = {
        "features": {
            name: round(float(w), 6) for name, w in zip(ratings_model.FEATURES, weights, strict=True)
        },
        "author_means": {name: round(mean, 6) for name, mean in means.items()},
    }
    return {
        "id": content_id("weights-1", [rules.VERSION, content]),
        **content,
        "made": {
            "script": "python -m scripts.fit_control_judge",
            "data_sha256": dataset.sha256,
            "train_pairs": len(train_y),
            "test_pairs": len(test_y),
            "ratings_train_out_of_fold": round(agreement(out_of_fold, train_y), 4),
            "ratings_test": round(agreement(test_x @ weights, test_y), 4),
            "author_test": round(agreement(author_differences(means, test_pairs), test_y), 4),
            "longer_test": round(agreement(test_x[:, 0], test_y), 4),
        },
    }


@click.command()
@click.option("--data", default=None, help="The dataset's CSV.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=WEIGHTS_FILE, help="File to write the weights to."
)
def main(data: str | None, out: Path) -> None:
    """Fit the weights of the control judges."""
    weights = fit(load(data))
    out.write_text(json.dumps(weights, indent=2) + "\n", encoding="utf-8")
    print_document(json_bytes(weights["made"]))


if __name__ == "__main__":
    main()
