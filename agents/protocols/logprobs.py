"""Parser of log-probabilities that skips invalid values.

Servers write null, NaN or infinity for tokens that their sampler excluded. Such alternatives are dropped; the
completion is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from agents.messages import TokenLogprobs


def parse_logprobs(
    positions: Iterable[tuple[Any, Any, Iterable[tuple[Any, Any]]]],
) -> tuple[TokenLogprobs, ...]:
    """Return the positions with a valid log-probability.

    Args:
        positions: (token, log-probability, alternatives as pairs), in order.
    """
    kept = []
    for token, logprob, top in positions:
        if not isinstance(token, str):
            continue
        alternatives = tuple((text, float(value)) for text, value in top if _is_usable(text, value))
        if _is_usable(token, logprob):
            kept.append(TokenLogprobs(token, float(logprob), alternatives))
        elif alternatives:
            stated = dict(alternatives).get(token)
            kept.append(TokenLogprobs(token, -math.inf if stated is None else stated, alternatives))
    return tuple(kept)


def _is_usable(token: Any, logprob: Any) -> bool:
    number = isinstance(logprob, int | float) and not isinstance(logprob, bool) and math.isfinite(logprob)
    return isinstance(token, str) and number
