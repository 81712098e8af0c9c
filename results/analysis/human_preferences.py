"""People's preferences between two authors, from a CSV: what a judge can be corrected with.

One row is one person's preference on one dialogue:

    dialogue_id,a,b,preferred
    sample:001_conv:001,student:mine,base,a

`preferred` is `a`, `b` or `tie`; a dialogue may have several rows; a pair may be written either way round.
All faults of a file are told at once, with their lines; rows that are about others are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from agents.errors import UserError
from agents.files.faults import Faults
from agents.files.table import Table, read_table
from agents.files.text import read_bytes
from agents.models.registry import EMULATED
from results.analysis.judge_panel import PanelJudge
from results.db.schema import RunRow, table
from results.db.store import Store
from results.queries.judge_audits import AUDIT, audited
from results.statistics.bias_correction import BiasAdjusted, ReferenceVerdicts, bias_adjusted
from results.statistics.judge_accuracy import agreement_shares, first_preference_rates
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold, cheap_and_gold
from results.statistics.scores import dialogue_scores

Floats = NDArray[np.float64]
COLUMNS = ("dialogue_id", "a", "b", "preferred")
SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True)
class Corrected:
    """What stands beside a jury where people's preferences, or audits, are there; by juror's place."""

    by_people: Mapping[int, tuple[BiasAdjusted | NotEstimable, CheapAndGold | NotEstimable]] = field(
        default_factory=dict
    )
    by_audit: Mapping[int, BiasAdjusted | NotEstimable] = field(default_factory=dict)
    people: Preferences | None = None


@dataclass(frozen=True, eq=False)
class Preferences:
    """What a file of people's preferences says of one pair of authors.

    Attributes:
        for_a: per dialogue the mean preference for A, in [0, 1]; nan where nobody was asked.
        rows: how many rows there are.
        used: how many of them are about this pair and these dialogues.
        passed_over: why a row was not used → how many.
    """

    for_a: Floats
    rows: int
    used: int
    passed_over: Mapping[str, int]

    @property
    def note(self) -> str:
        """How many rows were used, and why the others were not."""
        told = "; ".join(f"{why}: {count:,}" for why, count in self.passed_over.items())
        return f"{self.used:,} of {self.rows:,} rows of preferences are used" + (f" ({told})" if told else "")


def read_preferences(path: Path, codes: Mapping[str, int], a: str, b: str) -> Preferences:
    """People's preferences between A and B.

    Args:
        codes: dialogue id → its place. Rows about other dialogues or other authors are counted, not used.

    Raises:
        UserError: other columns, a preference that is none, or no row about this pair; every fault at once.
    """
    faults = Faults(str(path))
    table = read_table(
        read_bytes(path, "the file of preferences"),
        faults,
        COLUMNS,
        is_row=lambda cells: cells.get("preferred", "").strip().lower() in SCORES,
    )
    sums, counts = np.zeros(len(codes)), np.zeros(len(codes))
    passed_over: Counter[str] = Counter()
    for row in table.rows if set(COLUMNS) <= set(table.heading) else ():
        identity, first, second, written = (row.cells[name].strip() for name in COLUMNS)
        preferred = written.lower()
        if preferred not in SCORES:
            faults.add(row.line, "preferred is not a, b or tie", repr(row.cells["preferred"])[:80])
        elif first == second:
            faults.add(row.line, "names the same author twice", repr(first)[:80])
        elif {first, second} != {a, b}:
            passed_over["about other authors"] += 1
        elif identity not in codes:
            passed_over["about other dialogues"] += 1
        else:
            sums[codes[identity]] += SCORES[preferred] if first == a else 1.0 - SCORES[preferred]
            counts[codes[identity]] += 1
    faults.raise_if_any("these preferences cannot be used", _form(faults, table))
    if not counts.any():
        there = dict.fromkeys(f"{row.cells['a']} and {row.cells['b']}" for row in table.rows)
        raise UserError(
            f"nobody's preference between {a} and {b} on these dialogues is in this file",
            where=str(path),
            found=f"{len(table.rows)} rows, about {'; '.join(list(there)[:3])[:200]}" if there else "no rows",
            remedy="Write the authors as the run names them, and the dataset's dialogue ids.",
        )
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Preferences(means, len(table.rows), int(counts.sum()), dict(passed_over))


def _form(faults: Faults, table: Table) -> str:
    """What such a file is, where its heading says that this is none."""
    lacking = bool(faults) and not set(COLUMNS) <= set(table.heading)
    return f"It needs the columns {', '.join(COLUMNS)}." if lacking else ""


def adjusted_by_people(
    juror: PanelJudge, people: Floats
) -> tuple[BiasAdjusted | NotEstimable, CheapAndGold | NotEstimable]:
    """A judge's rate corrected by people's preferences on a share of the same comparisons, in both ways.

    The plug-in (sensitivity and specificity), and prediction-powered inference with people as the gold judge.
    """
    scores = dialogue_scores(juror.columns).score
    there = ~np.isnan(scores)
    reference = ReferenceVerdicts(
        scores[there & (people > 0.5)], scores[there & (people < 0.5)], "people's preferences on this pair"
    )
    return bias_adjusted(scores[there], reference), cheap_and_gold(scores, people)


async def adjusted_by_audit(store: Store, jurors: Sequence[PanelJudge]) -> list[BiasAdjusted | NotEstimable]:
    """Per judge, a sensitivity analysis from its largest audit in this database; never a headline."""
    runs = table(RunRow).c
    wanted = select(runs.id).where(runs.kind == AUDIT).order_by(runs.created_at)
    best: dict[str, tuple[Floats, str]] = {}
    ids = frozenset(juror.entry.judge_id for juror in jurors)
    for run_id in await store.read(lambda connection: connection.execute(wanted).scalars().all()):
        found = await audited(store, run_id, ids)
        for said in found.said:
            right = agreement_shares(first_preference_rates(said.verdicts), found.pairs.better)
            right = right[~np.isnan(right)]
            if right.size > best.get(said.judge_id, (np.zeros(0), ""))[0].size:
                best[said.judge_id] = (right, str(found.spec["split"]))
    return [_by_audit(juror, best.get(juror.entry.judge_id)) for juror in jurors]


def _by_audit(juror: PanelJudge, best: tuple[Floats, str] | None) -> BiasAdjusted | NotEstimable:
    if best is None:
        return NotEstimable("sensitivity analysis", f"it has not been audited: {_audit_of(juror)}")
    scores = dialogue_scores(juror.columns).score
    reference = ReferenceVerdicts.role_free(
        best[0], f"{best[0].size:,} rated pairs of the dataset, {best[1]} split"
    )
    return bias_adjusted(scores[~np.isnan(scores)], reference, headline=False)


def _audit_of(juror: PanelJudge) -> str:
    """The command that audits a judge."""
    entry = juror.entry
    emulated = entry.model.startswith(EMULATED)
    prompt = "" if entry.is_plain or juror.is_control else entry.judge.partition("(")[2].rstrip(")")
    words = ["empathy audit", f"{entry.provider}/{entry.model.removeprefix(EMULATED)}"]
    words += [f"--judge-prompt {prompt}"] if prompt else []
    return " ".join([*words, *(["--emulate"] if emulated else [])])
