"""Statistics of judgments in a DataFrame of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from results.statistics import WinRate
from results.statistics import win_rate as win_rate_of_table
from results.statistics.judgment_table import JudgmentTable

if TYPE_CHECKING:
    from pandas import DataFrame

_PREFERENCES = {"first": 1.0, "tie": 0.5, "second": 0.0}  # score of the response that stood first
_AUTHORS = {"a": 1.0, "tie": 0.5, "b": 0.0}
_SCORES = ("score_a", "outcome", "preferred", "preference")


def win_rate(
    judgments: DataFrame, *, dialogues: int | None = None, soft: bool = False, seed: int = 0
) -> WinRate:
    """Return the win rate of A over B from judgments in a DataFrame, one row each.

    The frame of `session.judgments()` can be passed as it is, filtered to one contest.

    Columns:
        dialogue: any id of the dialogue.
        a_first: whether A's response stood first.
        score_a: 1 if A was preferred, 0.5 for a tie, 0 if B was, missing if unscored; or instead
            `preferred` ("a", "b", "tie"), or `preference` ("first", "second", "tie") by position.
        sample: repetition from 0; optional.
        soft_a: P(A) + ½ P(tie), in [0, 1]; optional.
        unscored: why a judgment has no score; optional.

    Args:
        judgments: the judgments of one contest.
        dialogues: number of dialogues that were to be judged; None for those in the frame.
        soft: whether to use `soft_a`.
        seed: of the bootstrap.

    Raises:
        UserError: columns are missing, values are invalid, or the frame has several contests; it lists
            every fault.
    """
    faults = _column_faults(judgments)
    if not faults:
        scores, faults = _scores(judgments)
        codes, names = _codes(judgments["dialogue"])
        a_first = judgments["a_first"].to_numpy()
        faults += _row_faults(judgments, codes)
        if dialogues is not None and dialogues < len(names):
            what = f"fewer dialogues stated than the frame has ({len(names)})"
            faults.append(Fault(what, "dialogues", str(dialogues), code="frame.dialogues"))
    if faults:
        raise UserError(
            "invalid judgments",
            code="frame.invalid",
            remedy="See the columns in help(harness.win_rate).",
            faults=first_faults(faults),
        )
    reasons = _optional(judgments, ("unscored", "reason"))
    table = JudgmentTable.from_columns(
        codes,
        a_first.astype(bool),
        scores,
        n_dialogues=len(names) if dialogues is None else dialogues,
        sample=_optional(judgments, ("sample",)),
        soft=_optional(judgments, ("soft_a", "soft")),
        reason=None if reasons is None else _reasons(reasons, scores),
    )
    return win_rate_of_table(table, seed=seed, soft=soft)


def _column_faults(frame: DataFrame) -> list[Fault]:
    """Return the faults of a frame's columns."""
    missing = [name for name in ("dialogue", "a_first") if name not in frame.columns]
    if not any(name in frame.columns for name in _SCORES):
        missing.append(" or ".join(_SCORES))
    faults = [Fault(f"no column {name}", code="frame.missing-column") for name in missing]
    for name in ("judge", "a", "b"):
        values: list[Any] = frame[name].unique().tolist() if name in frame.columns else []
        if len(values) > 1:
            found = ", ".join(map(str, values[:3]))
            remedy = f'Pass one contest, for example frame[frame["{name}"] == {values[0]!r}].'
            faults.append(Fault("several contests", name, found, remedy, code="frame.several-contests"))
    return faults


def _scores(frame: DataFrame) -> tuple[Any, list[Fault]]:
    """Return the score of A per row, NaN if unscored, and the faults."""
    name = next(name for name in _SCORES if name in frame.columns)
    words = {"preferred": _AUTHORS, "preference": _PREFERENCES}.get(name)
    faults: list[Fault] = []
    scores = np.full(len(frame), np.nan)
    missing = frame[name].isna().to_numpy()
    a_first = frame["a_first"].to_numpy()
    for row, value in enumerate(frame[name]):
        if missing[row]:
            continue
        known = value in words if words is not None else value in (0, 0.5, 1)
        if not known:
            allowed = ", ".join(words) if words is not None else "0, 0.5, 1"
            remedy = f"Use {allowed}, or a missing value."
            faults.append(
                Fault("invalid score", f"{name}, row {row}", repr(value), remedy, code="frame.score")
            )
            continue
        score = float(value) if words is None else words[value]
        scores[row] = 1.0 - score if name == "preference" and not a_first[row] else score
    return scores, faults


def _row_faults(frame: DataFrame, codes: Any) -> list[Fault]:
    """Return the faults of rows: orders that are no booleans, samples, soft scores, and repeated rows."""
    faults = [
        Fault("not a boolean", f"a_first, row {row}", repr(value), code="frame.order")
        for row, value in enumerate(frame["a_first"])
        if value not in (True, False)
    ]
    samples = frame["sample"].tolist() if "sample" in frame.columns else [0] * len(frame)
    faults += [
        Fault("not a repetition number ≥ 0", f"sample, row {row}", repr(value), code="frame.sample")
        for row, value in enumerate(samples)
        if not (isinstance(value, int | float) and value >= 0 and value == int(value))
    ]
    for name in ("soft_a", "soft"):
        if name in frame.columns:
            given = frame[name][frame[name].notna()]
            faults += [
                Fault("not in [0, 1]", f"{name}, row {row}", repr(value), code="frame.soft")
                for row, value in given.items()
                if not (isinstance(value, int | float) and 0 <= value <= 1)
            ]
    seen: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(codes.tolist(), frame["a_first"], samples, strict=True)):
        if key in seen:
            found = f"rows {seen[key]} and {row}"
            what = "two rows for the same dialogue, order and sample"
            faults.append(Fault(what, f"row {row}", found, code="frame.duplicate"))
        seen.setdefault(key, row)
    return faults


def _codes(dialogues: Any) -> tuple[Any, Any]:
    """Return a code per row, in the order of first appearance, and the dialogues."""
    import pandas

    codes, names = pandas.factorize(dialogues)
    return codes, names


def _optional(frame: DataFrame, names: tuple[str, ...]) -> Any:
    """Return the values of the first of these columns; None if there is none."""
    return next((frame[name].to_numpy() for name in names if name in frame.columns), None)


def _reasons(reasons: Any, scores: Any) -> Any:
    """Return the reason of each unscored row, by default "unscored", and "" for scored rows."""
    return np.array(
        [
            (str(reason) if isinstance(reason, str) and reason else "unscored") if np.isnan(score) else ""
            for reason, score in zip(reasons, scores, strict=True)
        ],
        dtype=object,
    )
