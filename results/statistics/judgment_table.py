"""Judgments of one contest as columns: the input of every statistic.

A contest is author A against author B under one judge. One row is one judgment of one dialogue in one order
and one repetition. The caller has already chosen the attempt that counts for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

COLUMN_TYPES = {
    "dialogue": np.int64,
    "a_first": np.bool_,
    "sample": np.int64,
    "outcome": np.float64,
    "soft": np.float64,
    "outside": np.float64,
    "reason": np.object_,
}


@dataclass(frozen=True, eq=False)
class JudgmentTable:
    """Judgments of one contest, one row each, in any order.

    The order of rows does not matter. The dialogue codes define the order of bootstrap draws, so they should
    follow the dataset's order, not the order of arrival.

    Attributes:
        dialogue: dialogue code, 0 … n_dialogues − 1.
        n_dialogues: dialogues that were to be judged; some may have no row.
        a_first: whether A's response stood first.
        sample: repetition, from 0. The contest has as many samples as there are distinct values.
        outcome: 1 if A was preferred, ½ for a tie, 0 if B was, NaN if unscored.
        soft: P(A) + ½ P(tie), in [0, 1], over the allowed answers; NaN without probabilities.
        outside: probability mass outside the allowed answers, in [0, 1]; NaN without probabilities.
        reason: why the judgment is unscored; "" if scored.

    Raises:
        ValueError: columns of different lengths, a value out of its range, or two rows for the same
            dialogue, order and sample.
    """

    dialogue: NDArray[np.int64]
    n_dialogues: int
    a_first: NDArray[np.bool_]
    sample: NDArray[np.int64]
    outcome: NDArray[np.float64]
    soft: NDArray[np.float64]
    outside: NDArray[np.float64]
    reason: NDArray[np.object_]

    def __post_init__(self) -> None:
        for name, kind in COLUMN_TYPES.items():
            column: NDArray[Any] = np.array(getattr(self, name), dtype=kind)  # a copy, made read-only below
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        object.__setattr__(self, "n_dialogues", int(self.n_dialogues))
        faults = _shape_faults(self) or _value_faults(self)
        if faults:
            raise ValueError("invalid judgments: " + "; ".join(faults))

    @classmethod
    def from_columns(
        cls,
        dialogue: Sequence[int] | NDArray[Any],
        a_first: Sequence[bool] | NDArray[Any],
        outcome: Sequence[float] | NDArray[Any],
        *,
        n_dialogues: int | None = None,
        sample: Sequence[int] | NDArray[Any] | None = None,
        soft: Sequence[float] | NDArray[Any] | None = None,
        outside: Sequence[float] | NDArray[Any] | None = None,
        reason: Sequence[str] | NDArray[Any] | None = None,
    ) -> JudgmentTable:
        """Build a table from the three required columns; optional columns default to missing.

        `n_dialogues` defaults to the largest code plus one, the reason of an unscored row to "unscored".
        """
        codes = np.asarray(dialogue, dtype=np.int64)
        verdicts = np.asarray(outcome, dtype=np.float64)
        missing = np.full(codes.shape, np.nan)
        default_reasons = np.where(np.isnan(verdicts), "unscored", "").astype(object)
        return cls(
            dialogue=codes,
            n_dialogues=(int(codes.max()) + 1 if codes.size else 0) if n_dialogues is None else n_dialogues,
            a_first=np.asarray(a_first),
            sample=np.zeros(codes.shape, dtype=np.int64) if sample is None else np.asarray(sample),
            outcome=verdicts,
            soft=missing if soft is None else np.asarray(soft),
            outside=missing if outside is None else np.asarray(outside),
            reason=default_reasons if reason is None else np.asarray(reason, dtype=object),
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, n_dialogues: int | None = None) -> JudgmentTable:
        """Build a table from a DataFrame with `dialogue`, `a_first`, `outcome` and any optional columns.

        Raises:
            ValueError: a required column is missing, or as in the constructor.
        """
        missing = [name for name in ("dialogue", "a_first", "outcome") if name not in frame.columns]
        if missing:
            raise ValueError(f"the frame has no column {', '.join(missing)}")
        optional = ("sample", "soft", "outside", "reason")
        optional_columns = {name: frame[name].to_numpy() for name in optional if name in frame.columns}
        required_columns = [frame[name].to_numpy() for name in ("dialogue", "a_first", "outcome")]
        return cls.from_columns(*required_columns, n_dialogues=n_dialogues, **optional_columns)

    def __len__(self) -> int:
        return int(self.dialogue.size)

    def swap_authors(self) -> JudgmentTable:
        """Return the same judgments with A and B swapped; every statistic mirrors."""
        return JudgmentTable(
            dialogue=self.dialogue,
            n_dialogues=self.n_dialogues,
            a_first=~self.a_first,
            sample=self.sample,
            outcome=1.0 - self.outcome,
            soft=1.0 - self.soft,
            outside=self.outside,
            reason=self.reason,
        )

    def select_dialogues(self, wanted: Sequence[bool] | NDArray[Any]) -> JudgmentTable:
        """Return only the dialogues where `wanted` is true, with new codes in the same order.

        Args:
            wanted: one boolean per dialogue.

        Raises:
            ValueError: not one entry per dialogue.
        """
        keep = np.asarray(wanted, dtype=np.bool_)
        if keep.shape != (self.n_dialogues,):
            raise ValueError(f"wanted has {keep.size} entries for {self.n_dialogues} dialogues")
        new_codes = np.cumsum(keep) - 1
        return self._rows(keep[self.dialogue], codes=new_codes, n_dialogues=int(keep.sum()))

    def reindex(self, codes: Sequence[int] | NDArray[Any], n_dialogues: int) -> JudgmentTable:
        """Return the same judgments with dialogue d recoded to `codes[d]` of `n_dialogues`.

        Used to align contests that share dialogues.
        """
        new_codes = np.asarray(codes, dtype=np.int64)
        return self._rows(np.ones(len(self), dtype=np.bool_), codes=new_codes, n_dialogues=n_dialogues)

    def limit_samples(self, count: int) -> JudgmentTable:
        """Return only the repetitions 0 … count − 1."""
        return self.rows(self.sample < count)

    def rows(self, wanted: NDArray[np.bool_]) -> JudgmentTable:
        """Return only the judgments where `wanted` (one boolean per row) is true, over the same dialogues."""
        codes = np.arange(self.n_dialogues)
        return self._rows(wanted, codes=codes, n_dialogues=self.n_dialogues)

    def _rows(self, mask: NDArray[np.bool_], *, codes: NDArray[np.int64], n_dialogues: int) -> JudgmentTable:
        """Return the rows where `mask` is true, with dialogues recoded by `codes`."""
        return JudgmentTable(
            dialogue=codes[self.dialogue[mask]],
            n_dialogues=n_dialogues,
            a_first=self.a_first[mask],
            sample=self.sample[mask],
            outcome=self.outcome[mask],
            soft=self.soft[mask],
            outside=self.outside[mask],
            reason=self.reason[mask],
        )


def _shape_faults(columns: JudgmentTable) -> list[str]:
    """Return a message for every column whose shape differs from that of `dialogue`."""
    rows = columns.dialogue.shape
    if len(rows) != 1:
        return [f"dialogue has {len(rows)} dimensions instead of one"]
    return [
        f"{name} has {getattr(columns, name).shape} entries, dialogue {rows}"
        for name in COLUMN_TYPES
        if getattr(columns, name).shape != rows
    ]


def _value_faults(columns: JudgmentTable) -> list[str]:
    """Return a message for every kind of invalid value."""
    faults = []
    codes, outcome, soft, outside = columns.dialogue, columns.outcome, columns.soft, columns.outside
    if columns.n_dialogues < 0:
        faults.append(f"n_dialogues is {columns.n_dialogues}")
    if codes.size and (codes.min() < 0 or codes.max() >= columns.n_dialogues):
        faults.append(f"dialogue codes {codes.min()} … {codes.max()} for {columns.n_dialogues} dialogues")
    if columns.sample.size and columns.sample.min() < 0:
        faults.append(f"a sample is {columns.sample.min()}")
    scored = ~np.isnan(outcome)
    if not np.isin(outcome[scored], (0.0, 0.5, 1.0)).all():
        faults.append("an outcome is neither 0, ½, 1 nor nan")
    for name, values in (("soft", soft), ("outside", outside)):
        present = values[~np.isnan(values)]
        if present.size and (present.min() < 0.0 or present.max() > 1.0):
            faults.append(f"{name} goes from {present.min():g} to {present.max():g}, outside [0, 1]")
    if (~np.isnan(soft) & ~scored).any():
        faults.append("an unscored row has a soft verdict")
    if ((columns.reason != "") == scored).any():
        faults.append("a scored row has a reason, or an unscored one has none")
    samples, sample_index = np.unique(columns.sample, return_inverse=True)
    cells = (codes * 2 + columns.a_first) * max(1, samples.size) + sample_index
    repeated = codes.size - np.unique(cells).size
    if repeated:
        faults.append(f"{repeated} rows repeat the dialogue, order and sample of another row")
    return faults
