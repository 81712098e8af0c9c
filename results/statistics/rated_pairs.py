"""Pairs of responses that people rated differently, as columns: what a judge is audited on.

Arrays in, arrays out. Knows nothing of judges, texts or databases.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RatedPairs:
    """Pairs of one dialogue's responses with different ratings; one entry per pair in every array.

    Attributes:
        part: code of the rating task; what is resampled.
        first, second: codes of the two responders in `names`; which is first is a name, not an order of
            showing, and the same for all pairs of two responders.
        names: the responders; `human` is that of people.
        better: +1 where the first was rated higher, −1 where the second was.
        gap: difference of the ratings, 1 or 2.
        centred: sign of the difference after each rater's own mean is taken off; 0 where none is left.
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
        """The two responders of every pair change names; every number mirrors."""
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
        """The pairs where `wanted` holds."""
        columns = ("part", "first", "second", "better", "gap", "centred", "longer")
        return replace(self, **{name: getattr(self, name)[wanted] for name in columns})

    def having(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Where either responder is one of these."""
        codes = [at for at, name in enumerate(self.names) if name in names]
        return np.asarray(np.isin(self.first, codes) | np.isin(self.second, codes))

    @property
    def with_human(self) -> NDArray[np.bool_]:
        """Pairs of a person's response and a model's."""
        return self.having(("human",))
