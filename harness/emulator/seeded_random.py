"""Seeded random draws: pure functions from a hash of their arguments to a number or a choice.

The same arguments give the same draw on every machine.
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
    """Return 16 bytes of BLAKE2b over the parts, each prefixed with its type and length."""
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
    """Return a number in [0, 1), uniformly distributed over the parts: 53 bits of their digest."""
    return (int.from_bytes(digest(*parts)[:8], "big") >> 11) * _SCALE


def normal(*parts: Part) -> float:
    """Return a standard normal draw: the inverse distribution function of a uniform draw."""
    return _NORMAL.inv_cdf(min(max(uniform(*parts), _SCALE), 1.0 - _SCALE))


def lognormal(median: float, sigma: float, *parts: Part) -> float:
    """Return a lognormal draw with the given median ≥ 0; `sigma` ≥ 0 is the standard deviation of its
    logarithm.
    """
    return median * math.exp(sigma * normal(*parts)) if sigma > 0.0 else median


def beta(mean: float, concentration: float, *parts: Part) -> float:
    """Return a Beta(mean·c, (1−mean)·c) draw in [0, 1], with variance mean·(1−mean)/(c+1).

    A mean of 0 or 1 is returned unchanged.
    """
    if mean <= 0.0 or mean >= 1.0:
        return min(max(mean, 0.0), 1.0)
    source = Random(int.from_bytes(digest(*parts), "big"))
    return source.betavariate(mean * concentration, (1.0 - mean) * concentration)


def choice(items: Sequence[Thing], *parts: Part) -> Thing:
    """Return one of the items, each with the same probability."""
    return items[int(uniform(*parts) * len(items))]


def index_by_weight(weights: Sequence[float], *parts: Part) -> int:
    """Return the index of one of the weights (≥ 0, not all 0), drawn in proportion to them."""
    point = uniform(*parts) * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0.0:
            return index
    return max(
        range(len(weights)), key=lambda index: weights[index]
    )  # after rounding errors: the largest weight
