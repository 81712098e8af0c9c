"""Pairs of responses with different human ratings, as arrays: the data of a judge audit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RatedPairs:
    """Pairs of one dialogue's responses with different ratings; every array has one entry per pair.

    Attributes:
        part: code of the rating task, the unit of resampling.
        first, second: codes of the two responders in `names`. Which is first is fixed per pair of responders
            and does not depend on the order shown.
        names: names of the responders; `human` stands for people.
        better: +1 if the first was rated higher, −1 if the second was.
        gap: difference of the ratings, 1 or 2.
        centred: sign of the difference of rater-centred ratings; 0 if they are equal.
        longer: sign of the difference in words, first − second.
    """

    part: Ints
    first: Ints
    second: Ints
    names: tuple[str, ...]
    better: Floats
    gap: Ints
    centred: Floats
    longer: Floats

    def __len__(self) -> int:
        return int(self.part.size)

    def swap_authors(self) -> RatedPairs:
        """Return the pairs with both responders swapped; every statistic mirrors."""
        return RatedPairs(
            self.part,
            self.second,
            self.first,
            self.names,
            -self.better,
            self.gap,
            -self.centred,
            -self.longer,
        )

    def only(self, wanted: NDArray[np.bool_]) -> RatedPairs:
        """Return the pairs where `wanted` is true."""
        columns = ("part", "first", "second", "better", "gap", "centred", "longer")
        return replace(self, **{name: getattr(self, name)[wanted] for name in columns})

    def having(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Return where either responder is one of `names`."""
        codes = [code for code, name in enumerate(self.names) if name in names]
        return np.asarray(np.isin(self.first, codes) | np.isin(self.second, codes))

    @property
    def with_human(self) -> NDArray[np.bool_]:
        """Mask of the pairs with a human response."""
        return self.having(("human",))
