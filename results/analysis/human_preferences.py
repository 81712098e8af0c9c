"""Human preferences between two authors, read from a CSV file, and the correction of judges with them.

Each row holds one person's preference on one dialogue:

    dialogue_id,a,b,preferred
    sample:001_conv:001,student:mine,base,a

`preferred` is `a`, `b` or `tie`. A dialogue may have several rows, and a pair may be written in either order.
All faults of a file are reported together with their lines. Rows about other authors or dialogues are
counted.
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
from agents.files.table import CsvTable, read_table
from agents.files.text import read_bytes
from agents.models.registry import EMULATED
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.db.schema import RunRow, table
from results.db.store import Store
from results.queries.judge_audits import AUDIT, load_audit
from results.statistics.bias_correction import BiasAdjusted, ReferenceVerdicts, bias_adjusted
from results.statistics.judge_accuracy import agreement_shares, first_preference_rates
from results.statistics.not_estimable import NotEstimable
from results.statistics.ppi import CheapAndGold, cheap_and_gold
from results.statistics.scores import dialogue_scores

Floats = NDArray[np.float64]
COLUMNS = ("dialogue_id", "a", "b", "preferred")
SCORES = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True)
class CorrectedPanel:
    """Bias-corrected estimates of a panel; keys are positions in `JudgePanel.judges`.

    Attributes:
        by_people: correction by human preferences: plug-in and prediction-powered.
        by_audit: sensitivity analysis from the judge's audit.
        people: the human preferences; None without a file.
    """

    by_people: Mapping[int, tuple[BiasAdjusted | NotEstimable, CheapAndGold | NotEstimable]] = field(
        default_factory=dict
    )
    by_audit: Mapping[int, BiasAdjusted | NotEstimable] = field(default_factory=dict)
    people: Preferences | None = None


@dataclass(frozen=True, eq=False)
class Preferences:
    """Human preferences on one pair of authors.

    Attributes:
        for_a: mean preference for A per dialogue, in [0, 1]; nan without a rating; shape (dialogues,).
        rows: number of rows in the file.
        used: number of rows about this pair and these dialogues.
        passed_over: reason → number of unused rows.
    """

    for_a: Floats
    rows: int
    used: int
    skipped: Mapping[str, int]

    @property
    def note(self) -> str:
        """Sentence on the number of used rows, and why the others were not used."""
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in self.skipped.items())
        return f"{self.used:,} of {self.rows:,} rows of preferences are used" + (
            f" ({reasons})" if reasons else ""
        )


def read_preferences(path: Path, codes: Mapping[str, int], a: str, b: str) -> Preferences:
    """Read the human preferences between A and B.

    Args:
        path: the CSV file.
        codes: dialogue id → position. Rows about other dialogues or authors are counted but not used.
        a, b: names of the authors.

    Raises:
        UserError: other columns, an invalid preference, or no row about this pair; all faults together.
    """
    faults = Faults(str(path))
    table = read_table(
        read_bytes(path, "the file of preferences"),
        faults,
        COLUMNS,
        is_row=lambda cells: cells.get("preferred", "").strip().lower() in SCORES,
    )
    sums, counts = np.zeros(len(codes)), np.zeros(len(codes))
    skipped: Counter[str] = Counter()
    for row in table.rows if set(COLUMNS) <= set(table.heading) else ():
        dialogue_id, first, second, preferred_text = (row.cells[name].strip() for name in COLUMNS)
        preferred = preferred_text.lower()
        if preferred not in SCORES:
            faults.add(
                row.line,
                "preferred must be a, b or tie",
                repr(row.cells["preferred"])[:80],
                code="panel.invalid-preference",
            )
        elif first == second:
            faults.add(row.line, "a and b are the same author", repr(first)[:80], code="panel.same-author")
        elif {first, second} != {a, b}:
            skipped["about other authors"] += 1
        elif dialogue_id not in codes:
            skipped["about other dialogues"] += 1
        else:
            sums[codes[dialogue_id]] += SCORES[preferred] if first == a else 1.0 - SCORES[preferred]
            counts[codes[dialogue_id]] += 1
    faults.raise_if_any(
        "these preferences cannot be used", _columns_hint(faults, table), code="panel.invalid-preferences"
    )
    if not counts.any():
        pairs_in_file = dict.fromkeys(f"{row.cells['a']} and {row.cells['b']}" for row in table.rows)
        raise UserError(
            f"no preference rows for {a} vs {b} on the judged dialogues",
            code="panel.no-preference-rows",
            where=str(path),
            found=f"{len(table.rows)} rows, of {'; '.join(list(pairs_in_file)[:3])[:200]}"
            if pairs_in_file
            else "no rows",
            remedy="Name the authors as the run does, and use the dataset's dialogue ids.",
        )
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Preferences(means, len(table.rows), int(counts.sum()), dict(skipped))


def _columns_hint(faults: Faults, table: CsvTable) -> str:
    """Return a hint on the required columns if the header lacks them, else ""."""
    lacks_columns = bool(faults) and not set(COLUMNS) <= set(table.heading)
    return f"It needs the columns {', '.join(COLUMNS)}." if lacks_columns else ""


def adjusted_by_people(
    judge: PanelJudge, people: Floats
) -> tuple[BiasAdjusted | NotEstimable, CheapAndGold | NotEstimable]:
    """Correct a judge's win rate by human preferences on a share of the same dialogues, in two ways.

    Returns the plug-in estimate (sensitivity and specificity) and the prediction-powered estimate with people
    as the gold judge.
    """
    scores = dialogue_scores(judge.columns).score
    scored = ~np.isnan(scores)
    reference = ReferenceVerdicts(
        scores[scored & (people > 0.5)], scores[scored & (people < 0.5)], "people's preferences on this pair"
    )
    return bias_adjusted(scores[scored], reference), cheap_and_gold(scores, people)


async def adjusted_by_audit(store: Store, judges: Sequence[PanelJudge]) -> list[BiasAdjusted | NotEstimable]:
    """Return one sensitivity analysis per judge, from its largest audit in the database."""
    runs = table(RunRow).c
    query = select(runs.id).where(runs.kind == AUDIT).order_by(runs.created_at)
    best: dict[str, tuple[Floats, str]] = {}
    ids = frozenset(judge.entry.judge_id for judge in judges)
    for run_id in await store.read(lambda connection: connection.execute(query).scalars().all()):
        audit_data = await load_audit(store, run_id, ids)
        for judge_verdicts in audit_data.said:
            correct = agreement_shares(
                first_preference_rates(judge_verdicts.verdicts), audit_data.pairs.better
            )
            correct = correct[~np.isnan(correct)]
            if correct.size > best.get(judge_verdicts.judge_id, (np.zeros(0), ""))[0].size:
                best[judge_verdicts.judge_id] = (correct, str(audit_data.spec["split"]))
    return [_adjust_by_audit(judge, best.get(judge.entry.judge_id)) for judge in judges]


def _adjust_by_audit(judge: PanelJudge, best: tuple[Floats, str] | None) -> BiasAdjusted | NotEstimable:
    if best is None:
        return NotEstimable("sensitivity analysis", f"the judge has no audit; run: {_audit_command(judge)}")
    scores = dialogue_scores(judge.columns).score
    reference = ReferenceVerdicts.role_free(
        best[0], f"{best[0].size:,} rated pairs of the dataset, {best[1]} split"
    )
    return bias_adjusted(scores[~np.isnan(scores)], reference, headline=False)


def _audit_command(judge: PanelJudge) -> str:
    """Return the command that audits a judge."""
    entry = judge.entry
    emulated = entry.model.startswith(EMULATED)
    prompt = "" if entry.is_plain or judge.is_control else entry.judge.partition("(")[2].rstrip(")")
    words = ["empathy audit", f"{entry.provider}/{entry.model.removeprefix(EMULATED)}"]
    words += [f"--judge-prompt {prompt}"] if prompt else []
    return " ".join([*words, *(["--emulate"] if emulated else [])])


async def correct_panel(
    store: Store, panel: JudgePanel, people: Path | None, *, sensitivity: bool
) -> CorrectedPanel:
    """Correct the win rates of a panel with human preferences and with the judges' audits, as requested.

    Args:
        people: CSV file of human preferences; None for none.
        sensitivity: whether to correct with the judges' audits.

    Raises:
        UserError: the file is invalid.
    """
    preferences, by_people, by_audit = None, {}, {}
    if people is not None:
        codes = {dialogue.id: index for index, dialogue in enumerate(panel.dialogues)}
        preferences = read_preferences(people, codes, panel.a.name, panel.b.name)
        by_people = {
            index: adjusted_by_people(judge, preferences.for_a) for index, judge in enumerate(panel.judges)
        }
    if sensitivity:
        by_audit = dict(enumerate(await adjusted_by_audit(store, panel.judges)))
    return CorrectedPanel(by_people, by_audit, preferences)
