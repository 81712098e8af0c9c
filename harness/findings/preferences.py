"""People's preferences between two authors, from a CSV: what a judge can be corrected with.

One row is one person's preference on one dialogue:

    dialogue_id,a,b,preferred
    sample:001_conv:001,student:mine,base,a

`preferred` is `a`, `b` or `tie`; a dialogue may have several rows; a pair may be written either way round.
All faults of a file are told at once, with their lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from agents.errors import Fault, UserError
from agents.registry import EMULATED
from harness.findings.juries import Juror
from results.audits import AUDIT, audited
from results.statistics.adjusted import BiasAdjusted, Reference, bias_adjusted
from results.statistics.audit import agreeing, scores_of
from results.statistics.ppi import CheapAndGold, cheap_and_gold
from results.statistics.refusal import Refusal
from results.statistics.scores import dialogue_scores
from results.store import Store
from results.tables import RunRow, table

Floats = NDArray[np.float64]
COLUMNS = ("dialogue_id", "a", "b", "preferred")
SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}
MOST_FAULTS = 20


@dataclass(frozen=True)
class Corrected:
    """What stands beside a jury where people's preferences, or audits, are there; by juror's place."""

    by_people: Mapping[int, tuple[BiasAdjusted | Refusal, CheapAndGold | Refusal]] = field(
        default_factory=dict
    )
    by_audit: Mapping[int, BiasAdjusted | Refusal] = field(default_factory=dict)


def read_preferences(path: Path, codes: Mapping[str, int], a: str, b: str) -> Floats:
    """Per dialogue the mean preference for A, in [0, 1]; nan where nobody was asked.

    Args:
        codes: dialogue id → its place. Rows about other dialogues or other authors are passed over.

    Raises:
        UserError: other columns, a preference that is none, or no row about this pair.
    """
    rows = _rows(path)
    sums, counts = np.zeros(len(codes)), np.zeros(len(codes))
    faults: list[Fault] = []
    for number, row in rows:
        preferred = (row["preferred"] or "").strip().lower()
        if preferred not in SCORES:
            faults.append(Fault("preferred is not a, b or tie", f"{path}:{number}", repr(row["preferred"])))
            continue
        authors = ((row["a"] or "").strip(), (row["b"] or "").strip())
        if row["dialogue_id"] in codes and authors in ((a, b), (b, a)):
            score = SCORES[preferred] if authors == (a, b) else 1.0 - SCORES[preferred]
            sums[codes[row["dialogue_id"]]] += score
            counts[codes[row["dialogue_id"]]] += 1
    if faults:
        more = [Fault(f"and {len(faults) - MOST_FAULTS} more")] if len(faults) > MOST_FAULTS else []
        raise UserError(
            "these preferences cannot be used", where=str(path), faults=[*faults[:MOST_FAULTS], *more]
        )
    if not counts.any():
        there = sorted({f"{row['a']} and {row['b']}" for _, row in rows})[:3]
        raise UserError(
            f"nobody's preference between {a} and {b} on these dialogues is in this file",
            where=str(path),
            found=f"{len(rows)} rows, about {'; '.join(there)}" if rows else "no rows",
            remedy="Write the authors as the run names them, and the dataset's dialogue ids.",
        )
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError("the preferences cannot be read", where=str(path), found=str(error)) from error
    except UnicodeDecodeError as error:
        raise UserError("the preferences are not UTF-8 text", where=str(path), found=str(error)) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise UserError(
            "these are no preferences",
            where=str(path),
            found=f"columns {', '.join(reader.fieldnames or ()) or 'none'}",
            remedy=f"It needs the columns {', '.join(COLUMNS)}; lacking: {', '.join(lacking)}.",
        )
    return [(reader.line_num, row) for row in reader]


def adjusted_by_people(juror: Juror, people: Floats) -> tuple[BiasAdjusted | Refusal, CheapAndGold | Refusal]:
    """A judge's rate corrected by people's preferences on a share of the same comparisons, in both ways.

    The plug-in (sensitivity and specificity), and prediction-powered inference with people as the gold judge.
    """
    scores = dialogue_scores(juror.columns).score
    there = ~np.isnan(scores)
    reference = Reference(
        scores[there & (people > 0.5)], scores[there & (people < 0.5)], "people's preferences on this pair"
    )
    return bias_adjusted(scores[there], reference), cheap_and_gold(scores, people)


async def adjusted_by_audit(store: Store, jurors: Sequence[Juror]) -> list[BiasAdjusted | Refusal]:
    """Per judge, a sensitivity analysis from its largest audit in this database; never a headline."""
    runs = table(RunRow).c
    wanted = select(runs.id).where(runs.kind == AUDIT).order_by(runs.created_at)
    best: dict[str, tuple[Floats, str]] = {}
    ids = frozenset(juror.entry.judge_id for juror in jurors)
    for run_id in await store.read(lambda connection: connection.execute(wanted).scalars().all()):
        found = await audited(store, run_id, ids)
        for said in found.said:
            right = agreeing(scores_of(said.verdicts), found.pairs.better)
            right = right[~np.isnan(right)]
            if right.size > best.get(said.judge_id, (np.zeros(0), ""))[0].size:
                best[said.judge_id] = (right, str(found.spec["split"]))
    return [_by_audit(juror, best.get(juror.entry.judge_id)) for juror in jurors]


def _by_audit(juror: Juror, best: tuple[Floats, str] | None) -> BiasAdjusted | Refusal:
    if best is None:
        return Refusal("sensitivity analysis", f"it has not been audited: {_audit_of(juror)}")
    scores = dialogue_scores(juror.columns).score
    reference = Reference.role_free(best[0], f"{best[0].size:,} rated pairs of the dataset, {best[1]} split")
    return bias_adjusted(scores[~np.isnan(scores)], reference, headline=False)


def _audit_of(juror: Juror) -> str:
    """The command that audits a judge."""
    entry = juror.entry
    emulated = entry.model.startswith(EMULATED)
    prompt = "" if entry.is_plain or juror.is_control else entry.judge.partition("(")[2].rstrip(")")
    words = ["empathy audit", f"{entry.provider}/{entry.model.removeprefix(EMULATED)}"]
    words += [f"--judge-prompt {prompt}"] if prompt else []
    return " ".join([*words, *(["--emulate"] if emulated else [])])
