"""Log-probabilities as a server gave them, without what is none.

A value that is null, NaN, infinite or no number costs its alternative, never the answer: servers write such
for tokens that their sampler excluded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from agents.messages import TokenLogprobs


def parse_logprobs(
    positions: Iterable[tuple[Any, Any, Iterable[tuple[Any, Any]]]],
) -> tuple[TokenLogprobs, ...]:
    """The positions that can be used.

    Args:
        positions: (token, its log-probability, alternatives with theirs), first to last.
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
