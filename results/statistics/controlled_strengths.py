"""Bradley–Terry strengths of many authors, controlled for length and style.

    logit P(i preferred to j) = β_i − β_j + Σ_k φ_k tanh(Δ_k / s_k)

Δ_k is the difference of covariate k (words, questions, …), first minus second response, and s_k its standard
deviation over all meetings. After AlpacaEval 2 (Dubois et al. 2024, arXiv 2404.04475) and LMArena's style
control (Li et al. 2024). All authors are fitted jointly to dialogue scores, so a contest that one author
always wins still contributes through the others. Nothing is centred: swapping two authors negates
everything. As for plain strengths, one tied dialogue at equal covariates is added to every pair that met.

Standard errors are clustered by dialogue (Liang and Zeger 1986, Biometrika 73) with the small-sample factor
C/(C − parameters). Strengths are associations given the covariates, which are also effects of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

from results.statistics.bradley_terry import ELO_PER_LOG, PRIOR_TIES
from results.statistics.intervals import check_level
from results.statistics.length_control import MIN_DIALOGUES, MIN_SHARE_EITHER_SIDE
from results.statistics.not_estimable import NotEstimable
from results.statistics.selection_bias import CorrectedEstimate, corrected_winner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STATISTIC = "controlled strengths"
MIN_UNIQUE_SHARE = 0.01  # share of a covariate not explained by the authors or the other covariates
MIN_SHORT_SIDE_SCORE = 10.0  # dialogues' worth of score that an author must have won, and lost
_STEPS = 100
_CLOSE = 1e-10
_LONGEST_STEP = 1.0
_NO_FINITE = 12.0


@dataclass(frozen=True, slots=True)
class CovariateEffect:
    """Association of one covariate with the preference.

    Attributes:
        name: name of the covariate.
        effect, low, high: φ and its interval, in log-odds per unit of tanh(Δ/s); positive if more is
            preferred.
        scale: s, in the covariate's unit.
    """

    name: str
    effect: float
    low: float
    high: float
    scale: float


@dataclass(frozen=True, eq=False)
class ControlledStrengths:
    """Controlled strengths of connected authors; every array has one entry per author.

    Attributes:
        elo: controlled strength on Elo's scale, mean 1000 over the authors with an interval.
        low, high: its interval; NaN for an author that won or lost nearly everything, or is extrapolated.
        plain: strength on the same scale without covariates.
        extrapolated: whether less than 10 % of the author's meetings lie on either side of an equal first
            covariate (words), so that its strength at equal length is extrapolated.
        best: strength of the strongest author, corrected for selection; None if it has no interval.
        effects: effects of the covariates that vary.
        level: confidence level.
        n: meetings with a score.
        dialogues: dialogues with a meeting.
        seed: of the draws for `best`.
        wording: how to describe the numbers.
    """

    elo: Floats
    low: Floats
    high: Floats
    plain: Floats
    extrapolated: NDArray[np.bool_]
    best: CorrectedEstimate | None
    effects: tuple[CovariateEffect, ...]
    level: float
    n: int
    dialogues: int
    seed: int
    wording: str = "association given length and style"


def controlled_strengths(
    first: Ints,
    second: Ints,
    score: Floats,
    dialogue: Ints,
    covariates: Floats,
    names: Sequence[str],
    authors: int,
    *,
    seed: int,
    level: float = 0.95,
) -> ControlledStrengths | NotEstimable:
    """Fit all authors and covariates jointly.

    `NotEstimable` with fewer than 20 dialogues, or fewer than two per author and covariate, for authors that
    are not connected, and for covariates that are collinear with the authors or separate the outcomes.

    Args:
        first, second: author codes of each meeting.
        score: the first author's score, in [0, 1].
        dialogue: dialogue code of each meeting.
        covariates: differences, first minus second response, shape (meetings, k).
        names: names of the covariates; `extrapolated` refers to the first.
        authors: number of authors.
        seed: of the draws for `best`.
        level: confidence level, in (0, 1).

    Raises:
        ValueError: arrays of different lengths, a score outside [0, 1], or a missing covariate.
    """
    check_level(level)
    _check(first, second, score, dialogue, covariates, names)
    _, cluster = np.unique(dialogue, return_inverse=True)
    clusters = int(cluster.max()) + 1 if cluster.size else 0
    required = max(MIN_DIALOGUES, 2 * (authors + covariates.shape[1]))
    if clusters < required:
        return NotEstimable(
            STATISTIC, f"{clusters} dialogues, at least {required} are needed for {authors} authors"
        )
    if not _connected(first, second, authors):
        return NotEstimable(STATISTIC, "the authors never met, not even through others")
    scales = np.sqrt((covariates**2).mean(axis=0))
    varying = [int(index) for index in np.flatnonzero(scales > 0.0)]
    transformed = np.tanh(covariates[:, varying] / scales[varying])
    author_design = np.zeros((score.size, authors))
    author_design[np.arange(score.size), first] += 1.0
    author_design[np.arange(score.size), second] -= 1.0
    pairs = np.unique(np.sort(np.stack([first, second], axis=1), axis=1), axis=0)
    fits = [
        _fit(author_design, columns, score, pairs, authors) for columns in (transformed[:, :0], transformed)
    ]
    plain, full = fits
    if plain is None or full is None or not _are_identifiable(author_design, transformed):
        return NotEstimable(
            STATISTIC, "the covariates cannot be told apart from the authors, or separate the outcomes"
        )
    extrapolated = _extrapolated(first, second, covariates, authors)
    has_interval = (_sides(first, second, score, authors) >= MIN_SHORT_SIDE_SCORE - 1e-9) & ~extrapolated
    centring = _centring(has_interval, full.size)
    covariance = (
        centring @ _clustered(author_design, transformed, score, cluster, clusters, full, pairs) @ centring.T
    )
    margins = float(stdtrit(clusters - 1, (1.0 + level) / 2.0)) * np.sqrt(np.diag(covariance))
    log = (centring @ full)[:authors]
    return ControlledStrengths(
        elo=_elo(log),
        low=np.where(has_interval, _elo(log - margins[:authors]), np.nan),
        high=np.where(has_interval, _elo(log + margins[:authors]), np.nan),
        plain=_elo((_centring(has_interval, authors) @ plain)[:authors]),
        extrapolated=extrapolated,
        best=_best(log, covariance[:authors, :authors], has_interval, seed, level),
        effects=tuple(
            CovariateEffect(
                names[index], float(value), float(value - half), float(value + half), float(scales[index])
            )
            for index, value, half in zip(varying, full[authors:], margins[authors:], strict=True)
        ),
        level=level,
        n=int(score.size),
        dialogues=clusters,
        seed=seed,
    )


def _check(
    first: Ints, second: Ints, score: Floats, dialogue: Ints, covariates: Floats, names: Sequence[str]
) -> None:
    """Check the shapes and values of the meetings."""
    if not first.shape == second.shape == score.shape == dialogue.shape == covariates.shape[:1]:
        raise ValueError("the meetings' arrays have different lengths")
    if covariates.shape[1] != len(names) or not np.isfinite(covariates).all():
        raise ValueError(
            f"covariates of shape {covariates.shape} for {len(names)} names, or a value is missing"
        )
    if (first == second).any() or not ((score >= 0.0) & (score <= 1.0)).all():
        raise ValueError("an author met itself, or a score lies outside [0, 1]")


def _connected(first: Ints, second: Ints, authors: int) -> bool:
    """Return whether all authors are connected through meetings."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components  # slow to load

    met = coo_array((np.ones(first.size), (first, second)), shape=(authors, authors))
    return int(connected_components(met, directed=False)[0]) == 1


def _fit(
    author_design: Floats, transformed: Floats, score: Floats, pairs: Ints, authors: int
) -> Floats | None:
    """Fit log strengths (mean 0) and covariate coefficients by Newton's method; None without an optimum."""
    design = np.concatenate(
        [np.concatenate([author_design, transformed], axis=1), _ties(pairs, authors + transformed.shape[1])]
    )
    outcome = np.concatenate([score, np.full(len(pairs), 0.5)])
    weight = np.concatenate([np.ones(score.size), np.full(len(pairs), PRIOR_TIES)])
    parameters = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probability = expit(design @ parameters)
        information = _information(design, weight * probability * (1.0 - probability), authors)
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (weight * (outcome - probability)))
        parameters = parameters + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        parameters[:authors] -= parameters[:authors].mean()
        if np.abs(parameters[authors:]).max(initial=0.0) > _NO_FINITE:
            return None
        if np.abs(step).max() < _CLOSE:
            return np.asarray(parameters, dtype=np.float64)
    return None


def _ties(pairs: Ints, size: int) -> Floats:
    """Return one design row per pair that met, at equal covariates."""
    ties = np.zeros((len(pairs), size))
    ties[np.arange(len(pairs)), pairs[:, 0]] = 1.0
    ties[np.arange(len(pairs)), pairs[:, 1]] = -1.0
    return ties


def _information(design: Floats, weight: Floats, authors: int) -> Floats:
    """Return the information matrix; the free mean of the log strengths is held at 0."""
    information = design.T @ (design * weight[:, None])
    information[:authors, :authors] += 1.0 / authors
    return np.asarray(information, dtype=np.float64)


def _centring(has_interval: NDArray[np.bool_], size: int) -> Floats:
    """Return the matrix that subtracts the mean strength of the authors with an interval (else of all)."""
    counted = has_interval if has_interval.any() else np.ones_like(has_interval)
    centring = np.eye(size)
    centring[: has_interval.size, : has_interval.size] -= counted / counted.sum()
    return centring


def _clustered(
    author_design: Floats,
    transformed: Floats,
    score: Floats,
    cluster: Ints,
    clusters: int,
    parameters: Floats,
    pairs: Ints,
) -> Floats:
    """Return the sandwich covariance clustered by dialogue; the added ties only enter the bread."""
    authors = author_design.shape[1]
    design = np.concatenate([author_design, transformed], axis=1)
    ties = _ties(pairs, design.shape[1])
    probability, tie_probability = expit(design @ parameters), expit(ties @ parameters)
    weight = np.concatenate(
        [probability * (1.0 - probability), PRIOR_TIES * tie_probability * (1.0 - tie_probability)]
    )
    bread = np.linalg.inv(_information(np.concatenate([design, ties]), weight, authors))
    sums = np.zeros((clusters, design.shape[1]))
    np.add.at(sums, cluster, design * (score - probability)[:, None])
    meat = sums.T @ sums * clusters / (clusters - design.shape[1] + 1)  # one strength is free
    return np.asarray(bread @ meat @ bread, dtype=np.float64)


def _sides(first: Ints, second: Ints, score: Floats, authors: int) -> Floats:
    """Return the smaller of the dialogues' worth of score that each author won and lost."""
    won = np.bincount(first, score, authors) + np.bincount(second, 1.0 - score, authors)
    lost = np.bincount(first, 1.0 - score, authors) + np.bincount(second, score, authors)
    return np.asarray(np.minimum(won, lost))


def _extrapolated(first: Ints, second: Ints, covariates: Floats, authors: int) -> NDArray[np.bool_]:
    """Return whether each author is extrapolated in the first covariate; False if that never varies."""
    if not covariates[:, :1].any():
        return np.zeros(authors, dtype=np.bool_)
    difference = covariates[:, 0]
    met = np.bincount(first, minlength=authors) + np.bincount(second, minlength=authors)
    more = np.bincount(first, difference > 0, authors) + np.bincount(second, difference < 0, authors)
    less = np.bincount(first, difference < 0, authors) + np.bincount(second, difference > 0, authors)
    return np.asarray(np.minimum(more, less) < MIN_SHARE_EITHER_SIDE * met)


def _are_identifiable(author_design: Floats, transformed: Floats) -> bool:
    """Return whether the authors and other covariates leave at least 1 % of every covariate unexplained."""
    for index in range(transformed.shape[1]):
        others = np.concatenate([author_design, np.delete(transformed, index, axis=1)], axis=1)
        rest = transformed[:, index] - others @ np.linalg.lstsq(others, transformed[:, index], rcond=None)[0]
        if float((rest**2).sum()) < MIN_UNIQUE_SHARE * float((transformed[:, index] ** 2).sum()):
            return False
    return True


def _best(
    log: Floats, covariance: Floats, has_interval: NDArray[np.bool_], seed: int, level: float
) -> CorrectedEstimate | None:
    """Return the strongest author's strength corrected for selection, on Elo's scale, or None."""
    winner = int(np.argmax(log))
    if not has_interval[winner] or log.size < 2 or covariance[winner, winner] <= 0.0:
        return None
    corrected = corrected_winner(log, covariance, winner, seed=seed, level=level)
    elo_values = (
        float(_elo(np.array(value))) for value in (corrected.estimate, corrected.low, corrected.high)
    )
    return CorrectedEstimate(*elo_values)


def _elo(log: Floats) -> Floats:
    """Return log strengths on Elo's scale."""
    return np.asarray(1000.0 + ELO_PER_LOG * log)
