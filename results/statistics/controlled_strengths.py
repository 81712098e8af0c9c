"""Bradley–Terry strengths of many authors at equal length and style.

    logit P(i preferred to j) = β_i − β_j + Σ_k φ_k tanh(Δ_k / s_k)

Δ_k is how much more of covariate k (words, questions, …) the first response has, s_k its standard deviation
over all meetings; after AlpacaEval 2 (Dubois et al. 2024, arXiv 2404.04475) and LMArena's style control (Li
et al. 2024). Fitted to dialogue scores over all authors at once, so that a contest which one author always
wins still says something through the others. Nothing is centred: exchanging two authors changes the sign of
everything. As for plain strengths, each pair that met counts one dialogue more, a tie at equal covariates.

Errors are clustered by dialogue, in which all of its meetings are dependent (Liang and Zeger 1986,
Biometrika 73), and widened for few dialogues (C/(C − parameters)). Strengths are associations given the
covariates, which are also effects of training. Arrays in, frozen values out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

from results.statistics.bradley_terry import ELO_PER_LOG, PRIOR_TIES
from results.statistics.intervals import check_level
from results.statistics.length_control import FEWEST, MIN_SHARE_EITHER_SIDE
from results.statistics.not_estimable import NotEstimable
from results.statistics.selection_bias import CorrectedEstimate, corrected_winner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WHAT = "controlled strengths"
LEAST_OF_ITS_OWN = 0.01  # share of a covariate that neither the authors nor other covariates explain
FEWEST_ON_A_SIDE = 10.0  # dialogues' worth of score that an author must have won and lost
_STEPS = 100
_CLOSE = 1e-10
_LONGEST_STEP = 1.0
_NO_FINITE = 12.0


@dataclass(frozen=True, slots=True)
class CovariateEffect:
    """What a covariate goes with.

    Attributes:
        name: the covariate's.
        effect, low, high: φ and its interval, in log-odds per unit of tanh(Δ/s); above 0 more is preferred.
        scale: s, in the covariate's own unit.
    """

    name: str
    effect: float
    low: float
    high: float
    scale: float


@dataclass(frozen=True, eq=False)
class ControlledStrengths:
    """Strengths of authors that met, directly or through others; one entry per author in every array.

    Attributes:
        elo: controlled strength on Elo's scale, mean 1000 over the authors that have an interval.
        low, high: its interval; nan for an author that won or lost nearly everything, or is extrapolated.
        plain: strength on the same scale without covariates.
        extrapolated: whether under 10 % of the author's meetings lie on either side of an equal first
            covariate (words): its strength at equal length is then the curve's, not the data's.
        best: the strongest author's strength corrected for having come out strongest, on the same scale; None
            where it has no interval.
        effects: of the covariates that vary.
        level: confidence level.
        n: meetings with a score.
        dialogues: in how many.
        seed: of the draws that `best` takes.
        wording: how the numbers are called.
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
    """Fit all authors and covariates together.

    Args:
        first, second: codes of the two authors of each meeting; every author met all others, if only through
            others.
        score: the first's score in it, in [0, 1].
        dialogue: code of the dialogue it is about.
        covariates: shape (meetings, k): how much more of each the first's response has.
        names: of the covariates; the first is the one that `extrapolated` looks at.

    Refused with fewer than 20 dialogues, or than two for each author and covariate, authors that did not
    meet, or covariates that cannot be told apart from the authors or separate the outcomes.

    Raises:
        ValueError: columns of different lengths, a score outside [0, 1], or a covariate that is missing.
    """
    check_level(level)
    _check(first, second, score, dialogue, covariates, names)
    _, cluster = np.unique(dialogue, return_inverse=True)
    clusters = int(cluster.max()) + 1 if cluster.size else 0
    least = max(FEWEST, 2 * (authors + covariates.shape[1]))
    if clusters < least:
        return NotEstimable(WHAT, f"{clusters} dialogues, at least {least} are needed for {authors} authors")
    if not _connected(first, second, authors):
        return NotEstimable(WHAT, "the authors never met, not even through others")
    scales = np.sqrt((covariates**2).mean(axis=0))
    vary = [int(at) for at in np.flatnonzero(scales > 0.0)]
    apart = np.tanh(covariates[:, vary] / scales[vary])
    who = np.zeros((score.size, authors))
    who[np.arange(score.size), first] += 1.0
    who[np.arange(score.size), second] -= 1.0
    pairs = np.unique(np.sort(np.stack([first, second], axis=1), axis=1), axis=0)
    fits = [_fit(who, one, score, pairs, authors) for one in (apart[:, :0], apart)]
    plain, full = fits
    if plain is None or full is None or not _told_apart(who, apart):
        return NotEstimable(
            WHAT, "the covariates cannot be told apart from the authors, or separate the outcomes"
        )
    extrapolated = _extrapolated(first, second, covariates, authors)
    known = (_sides(first, second, score, authors) >= FEWEST_ON_A_SIDE - 1e-9) & ~extrapolated
    centring = _centring(known, full.size)
    covariance = centring @ _clustered(who, apart, score, cluster, clusters, full, pairs) @ centring.T
    reach = float(stdtrit(clusters - 1, (1.0 + level) / 2.0)) * np.sqrt(np.diag(covariance))
    log = (centring @ full)[:authors]
    return ControlledStrengths(
        elo=_elo(log),
        low=np.where(known, _elo(log - reach[:authors]), np.nan),
        high=np.where(known, _elo(log + reach[:authors]), np.nan),
        plain=_elo((_centring(known, authors) @ plain)[:authors]),
        extrapolated=extrapolated,
        best=_best(log, covariance[:authors, :authors], known, seed, level),
        effects=tuple(
            CovariateEffect(
                names[at], float(value), float(value - half), float(value + half), float(scales[at])
            )
            for at, value, half in zip(vary, full[authors:], reach[authors:], strict=True)
        ),
        level=level,
        n=int(score.size),
        dialogues=clusters,
        seed=seed,
    )


def _check(
    first: Ints, second: Ints, score: Floats, dialogue: Ints, covariates: Floats, names: Sequence[str]
) -> None:
    if not first.shape == second.shape == score.shape == dialogue.shape == covariates.shape[:1]:
        raise ValueError("the meetings' columns have different lengths")
    if covariates.shape[1] != len(names) or not np.isfinite(covariates).all():
        raise ValueError(f"covariates of shape {covariates.shape} for {len(names)} names, or one is missing")
    if (first == second).any() or not ((score >= 0.0) & (score <= 1.0)).all():
        raise ValueError("an author met itself, or a score lies outside [0, 1]")


def _connected(first: Ints, second: Ints, authors: int) -> bool:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components  # slow to load

    met = coo_array((np.ones(first.size), (first, second)), shape=(authors, authors))
    return int(connected_components(met, directed=False)[0]) == 1


def _fit(who: Floats, apart: Floats, score: Floats, pairs: Ints, authors: int) -> Floats | None:
    """Log strengths, mean 0, then the covariates' coefficients, by Newton's method; None for no optimum."""
    design = np.concatenate([np.concatenate([who, apart], axis=1), _ties(pairs, authors + apart.shape[1])])
    outcome = np.concatenate([score, np.full(len(pairs), 0.5)])
    weight = np.concatenate([np.ones(score.size), np.full(len(pairs), PRIOR_TIES)])
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = expit(design @ found)
        information = _information(design, weight * chance * (1.0 - chance), authors)
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (weight * (outcome - chance)))
        found = found + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        found[:authors] -= found[:authors].mean()
        if np.abs(found[authors:]).max(initial=0.0) > _NO_FINITE:
            return None
        if np.abs(step).max() < _CLOSE:
            return np.asarray(found, dtype=np.float64)
    return None


def _ties(pairs: Ints, size: int) -> Floats:
    """One row for each pair that met, at equal covariates."""
    ties = np.zeros((len(pairs), size))
    ties[np.arange(len(pairs)), pairs[:, 0]] = 1.0
    ties[np.arange(len(pairs)), pairs[:, 1]] = -1.0
    return ties


def _information(design: Floats, weight: Floats, authors: int) -> Floats:
    """The mean of the log strengths is free: held at 0."""
    information = design.T @ (design * weight[:, None])
    information[:authors, :authors] += 1.0 / authors
    return np.asarray(information, dtype=np.float64)


def _centring(known: NDArray[np.bool_], size: int) -> Floats:
    """Takes the mean over the known authors off every author's log strength; of all where none is known."""
    counted = known if known.any() else np.ones_like(known)
    centring = np.eye(size)
    centring[: known.size, : known.size] -= counted / counted.sum()
    return centring


def _clustered(
    who: Floats, apart: Floats, score: Floats, cluster: Ints, clusters: int, found: Floats, pairs: Ints
) -> Floats:
    """Sandwich covariance with sums by dialogue; the added ties are no data, but part of what was fitted."""
    authors = who.shape[1]
    design = np.concatenate([who, apart], axis=1)
    ties = _ties(pairs, design.shape[1])
    chance, even = expit(design @ found), expit(ties @ found)
    weight = np.concatenate([chance * (1.0 - chance), PRIOR_TIES * even * (1.0 - even)])
    bread = np.linalg.inv(_information(np.concatenate([design, ties]), weight, authors))
    sums = np.zeros((clusters, design.shape[1]))
    np.add.at(sums, cluster, design * (score - chance)[:, None])
    meat = sums.T @ sums * clusters / (clusters - design.shape[1] + 1)  # one strength is free
    return np.asarray(bread @ meat @ bread, dtype=np.float64)


def _sides(first: Ints, second: Ints, score: Floats, authors: int) -> Floats:
    """The fewer of the dialogues' worth of score that an author won and lost."""
    won = np.bincount(first, score, authors) + np.bincount(second, 1.0 - score, authors)
    lost = np.bincount(first, 1.0 - score, authors) + np.bincount(second, score, authors)
    return np.asarray(np.minimum(won, lost))


def _extrapolated(first: Ints, second: Ints, covariates: Floats, authors: int) -> NDArray[np.bool_]:
    """By the first covariate; nobody where there is none, or where it never varies."""
    if not covariates[:, :1].any():
        return np.zeros(authors, dtype=np.bool_)
    difference = covariates[:, 0]
    met = np.bincount(first, minlength=authors) + np.bincount(second, minlength=authors)
    more = np.bincount(first, difference > 0, authors) + np.bincount(second, difference < 0, authors)
    less = np.bincount(first, difference < 0, authors) + np.bincount(second, difference > 0, authors)
    return np.asarray(np.minimum(more, less) < MIN_SHARE_EITHER_SIDE * met)


def _told_apart(who: Floats, apart: Floats) -> bool:
    """Whether every covariate varies by itself: no more than 99 % of it is who wrote, or the others."""
    for at in range(apart.shape[1]):
        others = np.concatenate([who, np.delete(apart, at, axis=1)], axis=1)
        rest = apart[:, at] - others @ np.linalg.lstsq(others, apart[:, at], rcond=None)[0]
        if float((rest**2).sum()) < LEAST_OF_ITS_OWN * float((apart[:, at] ** 2).sum()):
            return False
    return True


def _best(
    log: Floats, covariance: Floats, known: NDArray[np.bool_], seed: int, level: float
) -> CorrectedEstimate | None:
    winner = int(np.argmax(log))
    if not known[winner] or log.size < 2 or covariance[winner, winner] <= 0.0:
        return None
    found = corrected_winner(log, covariance, winner, seed=seed, level=level)
    ends = (float(_elo(np.array(value))) for value in (found.estimate, found.low, found.high))
    return CorrectedEstimate(*ends)


def _elo(log: Floats) -> Floats:
    return np.asarray(1000.0 + ELO_PER_LOG * log)
