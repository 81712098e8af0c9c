"""The floors of an audit that are computed and not asked: what a judge reaches that reads little or nothing.

`rater leniency` prefers the response whose rater gave more elsewhere. On training dialogues the fitted
control judges (`control/ratings`, `control/author`) have seen the ratings they would be audited on, so there
they are fitted anew, leaving out one fold of rating tasks at a time. Pure: from an audit's ratings and texts.
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
FITTED = ("ratings", "author")  # control judges that learn from training ratings
FOLDS = 10
PENALTY = 0.05  # as in `scripts.fit_control_judge`


def leniency(found: AuditData) -> Floats:
    """Score per pair of the judge that knows only what each rater gave their other responses."""
    return leniency_scores(found.pairs, found.elsewhere[:, 0], found.elsewhere[:, 1])


def assign_folds(found: AuditData) -> NDArray[np.int64]:
    """Per pair its fold; all of a rating task are in one."""
    parts = sorted({dialogue.part for dialogue in found.dialogues})
    fold = {part: at % FOLDS for at, part in enumerate(parts)}
    return np.array([fold[found.dialogues[place].part] for place in found.dialogue_of], dtype=np.int64)


def ratings_out_of_fold(found: AuditData) -> Floats:
    """Score per pair of `control/ratings`, fitted on the other folds; ½ for all where there is one fold."""
    folds, better = assign_folds(found), found.pairs.better
    counted = [
        [ratings_model.features(text, found.dialogues[place].utterance) for text in texts]
        for place, texts in zip(found.dialogue_of, found.texts, strict=True)
    ]
    features = np.array(counted, dtype=np.float64)
    differences = features[:, 0] - features[:, 1]
    score = np.full(len(found.pairs), 0.5)
    for fold in np.unique(folds):
        held = folds == fold
        if not held.all():
            margin = differences[held] @ _fitted(differences[~held], better[~held])
            score[held] = 0.5 + 0.5 * np.sign(margin)
    return score


def author_out_of_fold(found: AuditData) -> Floats:
    """Score per pair of the judge that prefers the responder with the higher mean in the other folds."""
    folds, pairs = assign_folds(found), found.pairs
    parts = sorted({dialogue.part for dialogue in found.dialogues})
    of_dialogue = np.array([parts.index(dialogue.part) % FOLDS for dialogue in found.dialogues])
    score = np.full(len(pairs), 0.5)
    for fold in np.unique(folds):
        held, others = folds == fold, of_dialogue != fold
        if others.any():
            means = found.ratings[others].mean(axis=0)
            score[held] = 0.5 + 0.5 * np.sign(means[pairs.first[held]] - means[pairs.second[held]])
    return score


def _fitted(differences: Floats, better: Floats) -> Floats:
    """Weights of a logistic regression without intercept on both directions of every pair, L2-penalised.

    The same optimum as scikit-learn's, which is a development dependency: ½|w|² + C Σ log(1 + e^−yxw).
    """
    scale = differences.std(axis=0)
    scale[scale == 0] = 1.0
    signed = differences / scale * better[:, None]  # both directions of a pair have the same loss

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = signed @ weights
        slope = weights - 2.0 * PENALTY * (signed.T @ expit(-margin))
        return float(0.5 * weights @ weights + 2.0 * PENALTY * np.logaddexp(0.0, -margin).sum()), slope

    found = minimize(loss, np.zeros(signed.shape[1]), jac=True, method="L-BFGS-B", options={"ftol": 1e-12})
    return np.asarray(found.x / scale, dtype=np.float64)
