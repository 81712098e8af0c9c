"""Makes the weights of `control/ratings` and `control/author`.

`python -m scripts.fit_control_judge [--data FILE]`

Fits on the *training* dialogues alone: every pair of one dialogue's responses whose ratings differ, as the
difference of their features in both directions, by logistic regression without intercept (scikit-learn, a
development dependency). Writes `agents/controls/weights.json`: feature weights, the responders' mean
ratings in training, and the accuracy on training pairs (out of fold, folds by `part_no`) and on the test
dialogues' rated pairs. Numbers of words and means of ratings are all that it holds of the dataset.
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
from agents.types import Dialogue, Split
from harness.data.dataset import Dataset, load
from harness.data.splits import dialogues_in_split
from harness.terminal.output import print_json

PLACE = Path(ratings_model.__file__).with_name("weights.json")
FOLDS = 10
PENALTY = 0.05


def rated_pairs(
    dataset: Dataset, dialogues: list[Dialogue]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[tuple[str, str, str]]]:
    """Every pair with different ratings: feature differences, +1 or −1 for the first or second better,
    and (part, first responder, second responder)."""
    differences, better, told = [], [], []
    for dialogue in dialogues:
        rated = dataset.rated[dialogue.id]
        counted = {
            name: ratings_model.features(dataset.texts[name][dialogue.id], dialogue.utterance)
            for name in rated
        }
        for first, second in combinations(rated, 2):
            if rated[first] != rated[second]:
                differences.append(np.subtract(counted[first], counted[second]))
                better.append(np.sign(rated[first] - rated[second]))
                told.append((dialogue.part, first, second))
    return np.array(differences), np.array(better, dtype=float), told


def fitted(differences: NDArray[np.float64], better: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights per feature, in the features' own units."""
    from sklearn.linear_model import LogisticRegression

    scale = differences.std(axis=0)
    scale[scale == 0] = 1.0
    both = np.concatenate([differences, -differences]) / scale
    model = LogisticRegression(fit_intercept=False, C=PENALTY)
    model.fit(both, np.concatenate([better, -better]))
    weights: NDArray[np.float64] = model.coef_[0] / scale
    return weights


def agreement(scores: NDArray[np.float64], better: NDArray[np.float64]) -> float:
    """Share of pairs on which the sign agrees; no preference counts one half."""
    return float(np.where(scores == 0, 0.5, np.sign(scores) == better).mean())


def author_means(dataset: Dataset, dialogues: list[Dialogue]) -> dict[str, float]:
    """Mean rating of each responder."""
    return {
        f"dataset:{name}": float(np.mean([dataset.rated[dialogue.id][name] for dialogue in dialogues]))
        for name in dataset.texts
    }


def by_author(means: dict[str, float], told: list[tuple[str, str, str]]) -> NDArray[np.float64]:
    """The difference of the two responders' means."""
    return np.array([means[f"dataset:{first}"] - means[f"dataset:{second}"] for _, first, second in told])


def fit(dataset: Dataset) -> dict[str, Any]:
    """Everything that goes into the file of weights."""
    train, test = dialogues_in_split(dataset, Split.TRAIN), dialogues_in_split(dataset, Split.TEST)
    train_x, train_y, train_told = rated_pairs(dataset, train)
    test_x, test_y, test_told = rated_pairs(dataset, test)
    parts = sorted({part for part, _, _ in train_told})
    fold = {part: index % FOLDS for index, part in enumerate(parts)}
    folds = np.array([fold[part] for part, _, _ in train_told])
    out_of_fold = np.zeros(len(train_y))
    for index in range(FOLDS):
        held = folds == index
        out_of_fold[held] = train_x[held] @ fitted(train_x[~held], train_y[~held])
    weights = fitted(train_x, train_y)
    means = author_means(dataset, train)
    told = {
        "features": {
            name: round(float(w), 6) for name, w in zip(ratings_model.FEATURES, weights, strict=True)
        },
        "author_means": {name: round(mean, 6) for name, mean in means.items()},
    }
    return {
        "id": content_id("weights-1", [rules.VERSION, told]),
        **told,
        "made": {
            "script": "python -m scripts.fit_control_judge",
            "data_sha256": dataset.sha256,
            "train_pairs": len(train_y),
            "test_pairs": len(test_y),
            "ratings_train_out_of_fold": round(agreement(out_of_fold, train_y), 4),
            "ratings_test": round(agreement(test_x @ weights, test_y), 4),
            "author_test": round(agreement(by_author(means, test_told), test_y), 4),
            "longer_test": round(agreement(test_x[:, 0], test_y), 4),
        },
    }


@click.command()
@click.option("--data", default=None, help="The dataset's CSV.")
@click.option("--out", type=click.Path(path_type=Path), default=PLACE, help="Where the weights go.")
def main(data: str | None, out: Path) -> None:
    """Fit the weights of the control judges."""
    weights = fit(load(data))
    out.write_text(json.dumps(weights, indent=2) + "\n", encoding="utf-8")
    print_json(weights["made"])


if __name__ == "__main__":
    main()
