"""Randomness as pure functions: a uniform number, a choice or a Beta draw from a hash of what decides it.

Knows nothing of what is drawn. The same parts give the same draw on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from statistics import NormalDist
from typing import TypeVar

Thing = TypeVar("Thing")
Part = bytes | str | int

_NORMAL = NormalDist()
_SCALE = 2.0**-53


def digest(*parts: Part) -> bytes:
    """16 bytes of BLAKE2b over the parts, each with its kind and length before it."""
    state = blake2b(digest_size=16)
    for part in parts:
        kind, content = _as_bytes(part)
        state.update(b"%c%d:" % (kind, len(content)))
        state.update(content)
    return state.digest()


def _as_bytes(part: Part) -> tuple[bytes, bytes]:
    if isinstance(part, bytes):
        return b"b", part
    if isinstance(part, str):
        return b"s", part.encode("utf-8", "surrogatepass")
    return b"i", str(part).encode()


def uniform(*parts: Part) -> float:
    """A number in [0, 1), uniform over parts: 53 bits of their digest."""
    return (int.from_bytes(digest(*parts)[:8], "big") >> 11) * _SCALE


def normal(*parts: Part) -> float:
    """A standard normal draw: the inverse distribution function at a uniform draw."""
    return _NORMAL.inv_cdf(min(max(uniform(*parts), _SCALE), 1.0 - _SCALE))


def lognormal(median: float, sigma: float, *parts: Part) -> float:
    """A lognormal draw with the given median ≥ 0; `sigma` ≥ 0 is the deviation of its logarithm."""
    return median * math.exp(sigma * normal(*parts)) if sigma > 0.0 else median


def beta(mean: float, concentration: float, *parts: Part) -> float:
    """A Beta(mean·c, (1−mean)·c) draw in [0, 1]: of mean `mean` exactly, and of variance mean·(1−mean)/(c+1).

    A mean of 0 or 1 is returned as it is.
    """
    if mean <= 0.0 or mean >= 1.0:
        return min(max(mean, 0.0), 1.0)
    source = Random(int.from_bytes(digest(*parts), "big"))
    return source.betavariate(mean * concentration, (1.0 - mean) * concentration)


def choice(things: Sequence[Thing], *parts: Part) -> Thing:
    """One of `things`, each as likely as the others."""
    return things[int(uniform(*parts) * len(things))]


def index_by_weight(weights: Sequence[float], *parts: Part) -> int:
    """The index of one of `weights` (≥ 0, not all 0), drawn in proportion to them."""
    point = uniform(*parts) * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0.0:
            return index
    return max(range(len(weights)), key=lambda index: weights[index])  # rounding: the largest takes the rest
