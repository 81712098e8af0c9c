"""Computed baselines of a judge audit, which need no request.

`rater leniency` prefers the response whose rater gave higher ratings elsewhere. The fitted control judges
(`control/ratings`, `control/author`) were trained on the ratings of the training dialogues. On the train
split they are therefore refitted by cross-validation over rating tasks. All functions are pure: they use the
ratings and texts of one audit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from agents.control_judges import ratings_model
from results.queries.judge_audits import AuditData
from results.statistics.judge_accuracy import leniency_scores

Floats = NDArray[np.float64]

LENIENCY = "rater leniency (leave one out)"
RATINGS_OUT_OF_FOLD = "control/ratings (out of fold)"
AUTHOR_OUT_OF_FOLD = "control/author (out of fold)"
FITTED = ("ratings", "author")  # control judges fitted on the ratings of the train split
FOLDS = 10
PENALTY = 0.05  # as in `scripts.fit_control_judge`


def leniency(data: AuditData) -> Floats:
    """Return the score per pair of a judge that knows only each rater's other ratings; shape (pairs,)."""
    return leniency_scores(data.pairs, data.elsewhere[:, 0], data.elsewhere[:, 1])


def assign_folds(data: AuditData) -> NDArray[np.int64]:
    """Return the fold of each pair; all pairs of a rating task are in the same fold."""
    parts = sorted({dialogue.part for dialogue in data.dialogues})
    fold_of_part = {part: index % FOLDS for index, part in enumerate(parts)}
    return np.array(
        [fold_of_part[data.dialogues[dialogue].part] for dialogue in data.dialogue_of], dtype=np.int64
    )


def ratings_out_of_fold(data: AuditData) -> Floats:
    """Return the score per pair of `control/ratings` fitted on the other folds; ½ with a single fold."""
    folds, better = assign_folds(data), data.pairs.better
    feature_rows = [
        [ratings_model.features(text, data.dialogues[dialogue].utterance) for text in texts]
        for dialogue, texts in zip(data.dialogue_of, data.texts, strict=True)
    ]
    features = np.array(feature_rows, dtype=np.float64)
    differences = features[:, 0] - features[:, 1]
    score = np.full(len(data.pairs), 0.5)
    for fold in np.unique(folds):
        held = folds == fold
        if not held.all():
            margin = differences[held] @ _fit_weights(differences[~held], better[~held])
            score[held] = 0.5 + 0.5 * np.sign(margin)
    return score


def author_out_of_fold(data: AuditData) -> Floats:
    """Return the score per pair of a judge that prefers the higher mean rating in the other folds."""
    folds, pairs = assign_folds(data), data.pairs
    parts = sorted({dialogue.part for dialogue in data.dialogues})
    of_dialogue = np.array([parts.index(dialogue.part) % FOLDS for dialogue in data.dialogues])
    score = np.full(len(pairs), 0.5)
    for fold in np.unique(folds):
        held, others = folds == fold, of_dialogue != fold
        if others.any():
            means = data.ratings[others].mean(axis=0)
            score[held] = 0.5 + 0.5 * np.sign(means[pairs.first[held]] - means[pairs.second[held]])
    return score


def _fit_weights(differences: Floats, better: Floats) -> Floats:
    """Fit an L2-penalised logistic regression without intercept on both directions of every pair.

    Minimises ½|w|² + C Σ log(1 + e^−yxw), as scikit-learn does (which is only a development dependency).
    """
    scale = differences.std(axis=0)
    scale[scale == 0] = 1.0
    signed = differences / scale * better[:, None]  # both directions of a pair have the same loss

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = signed @ weights
        slope = weights - 2.0 * PENALTY * (signed.T @ expit(-margin))
        return float(0.5 * weights @ weights + 2.0 * PENALTY * np.logaddexp(0.0, -margin).sum()), slope

    optimum = minimize(loss, np.zeros(signed.shape[1]), jac=True, method="L-BFGS-B", options={"ftol": 1e-12})
    return np.asarray(optimum.x / scale, dtype=np.float64)
