"""Panel of all judges of two authors: their agreement, majority verdict and pooled win rate.

The panel consists of every judge with a completed contest of the pair, from any run in the database. The unit
of agreement is a comparison: one dialogue in one order and one sample. Judges of a compared author's model
family are flagged and can be excluded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from agents.errors import Fault, UserError
from agents.judge import Judge
from agents.models.family import FamilyMatch, family_matches, self_preference_warning
from agents.seeded_order import seeded_order
from agents.types import Dialogue, ResponseSet
from results.analysis.judge_order import compare_judge_orders
from results.db.store import Store
from results.queries.contest_index import ContestEntry, ContestIndex, load_contest_index
from results.queries.contests import Contest, load_contests
from results.queries.student_lineage import student_lineage
from results.statistics import JudgmentTable, PooledRate, WinRate, pooled_over_judges, win_rate
from results.statistics.agreement import (
    A_PREFERRED,
    ANSWERS,
    B_PREFERRED,
    TIE,
    PairAgreement,
    judge_agreement,
    krippendorff_alpha,
    majority,
)
from results.statistics.not_estimable import NotEstimable
from results.statistics.scores import to_order_array

Floats = NDArray[np.float64]
CONTROL = "control"


@dataclass(frozen=True, eq=False)
class PanelJudge:
    """One judge of a panel, with its contest of the pair.

    Attributes:
        entry: index entry of the contest.
        columns: judgments with the panel's dialogue codes and its first author as A.
        rate: win rate.
        cost_usd: cost of the completions; None if unknown.
        answering_model_note: note on the models that answered under the judge's name; "" if it was that
            model.
    """

    entry: ContestEntry
    columns: JudgmentTable
    rate: WinRate
    cost_usd: float | None
    answering_model_note: str = ""

    @property
    def name(self) -> str:
        """Name of the judge."""
        return self.entry.judge

    @property
    def same_family(self) -> tuple[FamilyMatch, ...]:
        """Compared authors of the judge's own model family."""
        return self.entry.same_family

    @property
    def is_control(self) -> bool:
        """Whether the judge is a control judge, that is a baseline."""
        return self.entry.provider == CONTROL


@dataclass(frozen=True, eq=False)
class JudgePanel:
    """All judges of one pair of authors.

    Attributes:
        a, b: the two authors.
        split: split of the contests.
        dialogues: dialogues, indexed by their code.
        judges: models, then control judges, sorted by name.
        left_out: names of judges excluded as same-family.
        agreements: positions of two judges in `judges` → agreement.
        same_prompt: positions of the models that used the most common prompt; `alpha`, `verdict` and
            `pooled` are computed over them.
        alpha: Krippendorff's nominal α.
        verdict: win rate of the majority verdict; None with fewer than two models.
        pooled: pooled win rate; None with fewer than two models.
        ranks: positions of two judges → Kendall's τ-b of their order of the authors judged against b.
        seed: seed of the resampling.
    """

    a: ResponseSet
    b: ResponseSet
    split: str
    dialogues: tuple[Dialogue, ...]
    judges: tuple[PanelJudge, ...]
    left_out: tuple[str, ...]
    agreements: dict[tuple[int, int], PairAgreement]
    same_prompt: tuple[int, ...]
    alpha: float | NotEstimable
    verdict: WinRate | None
    pooled: PooledRate | None
    ranks: dict[tuple[int, int], float | NotEstimable]
    seed: int


async def load_panel(
    store: Store, a: str, b: str, split: str, *, seed: int = 0, exclude_same_family: bool = False
) -> JudgePanel:
    """Load the panel of two response sets on one split.

    Args:
        a, b: ids of the response sets.
        split: split of the contests.
        seed: seed of the resampling.
        without_kin: exclude judges of a compared author's model family.

    Raises:
        UserError: no completed contest of the pair remains.
    """
    contest_index = await load_contest_index(store)
    entries = [
        entry
        for entry in contest_index.entries
        if entry.sets == {a, b} and entry.split == split and not entry.stopped
    ]
    left_out = sorted({entry.judge for entry in entries if entry.same_family}) if exclude_same_family else []
    remaining = [entry for entry in entries if not (exclude_same_family and entry.same_family)]
    largest_entries = {
        judge_id: _largest_entry(remaining, judge_id) for judge_id in {entry.judge_id for entry in remaining}
    }
    if not largest_entries:
        raise UserError(
            "no judge has a completed contest of these two authors",
            code="panel.no-contests",
            where=store.database.shown,
            found=f"excluded as same-family: {', '.join(left_out)}" if left_out else f"split {split}",
            remedy="Judge them with: empathy judge A B --judge MODEL",
        )
    contests = await contests_by_entry(store, list(largest_entries.values()))
    dialogue_of_key = {
        dialogue.key: dialogue for contest in contests.values() for dialogue in contest.dialogues
    }
    dialogues = tuple(seeded_order(dialogue_of_key.values(), 0))
    codes = {dialogue.key: code for code, dialogue in enumerate(dialogues)}
    judges = []
    for judge_id, entry in largest_entries.items():
        contest = contests[judge_id, entry.run_id]
        columns = recoded(contest, a, codes)
        included = np.zeros(len(codes), dtype=bool)
        included[[codes[dialogue.key] for dialogue in contest.dialogues]] = True
        rate = win_rate(columns.select_dialogues(included), seed=seed)
        judges.append(PanelJudge(entry, columns, rate, contest.cost_usd, contest.answering_model_note))
    judges.sort(key=lambda judge: (judge.is_control, judge.name, judge.entry.judge_id))
    any_contest = next(iter(contests.values()))
    authors = (any_contest.a, any_contest.b) if any_contest.a.id == a else (any_contest.b, any_contest.a)
    return await _build_panel(store, contest_index, authors, split, dialogues, judges, left_out, seed)


async def split_by_family(
    store: Store, judges: Sequence[Judge], sets: Sequence[ResponseSet]
) -> tuple[list[Judge], list[str]]:
    """Return the judges of other model families than these authors, and the names of the excluded ones.

    Raises:
        UserError: no judge remains.
    """
    lineage = await student_lineage(store)
    same_family = {judge.id: family_matches(judge.model.id, sets, lineage) for judge in judges}
    remaining = [judge for judge in judges if not same_family[judge.id]]
    if not remaining:
        raise UserError(
            "every judge belongs to the model family of a compared author and is excluded",
            code="panel.judges-excluded",
            where="--exclude-same-family",
            faults=[
                Fault(self_preference_warning(judge.name, same_family[judge.id]), code="judge.same-family")
                for judge in judges
            ],
            remedy="Use a judge of another model family, or omit --exclude-same-family.",
        )
    return remaining, [judge.name for judge in judges if same_family[judge.id]]


def _largest_entry(entries: Sequence[ContestEntry], judge_id: str) -> ContestEntry:
    """Return the largest run of a judge's contest (ties: the newest)."""
    return max((entry for entry in entries if entry.judge_id == judge_id), key=lambda entry: entry.size)


async def contests_by_entry(store: Store, entries: Sequence[ContestEntry]) -> dict[tuple[str, str], Contest]:
    """Return (judge id, run id) → contest for these entries, all of one pair of authors."""
    contests = {}
    for run_id in dict.fromkeys(entry.run_id for entry in entries):
        wanted_pairs = {(entry.judge_id, entry.sets) for entry in entries if entry.run_id == run_id}
        for contest in await load_contests(store, run_id):
            if (contest.judge_id, frozenset((contest.a.id, contest.b.id))) in wanted_pairs:
                contests[contest.judge_id, run_id] = contest
    return contests


def recoded(contest: Contest, first: str, codes: dict[str, int]) -> JudgmentTable:
    """Return a contest's judgments with the author of set `first` as A and common dialogue codes."""
    columns = contest.columns if contest.a.id == first else contest.columns.swap_authors()
    return columns.reindex([codes[dialogue.key] for dialogue in contest.dialogues], len(codes))


async def _build_panel(
    store: Store,
    contest_index: ContestIndex,
    sets: tuple[ResponseSet, ResponseSet],
    split: str,
    dialogues: tuple[Dialogue, ...],
    judges: list[PanelJudge],
    left_out: list[str],
    seed: int,
) -> JudgePanel:
    samples = min(to_order_array(judge.columns, judge.columns.outcome).shape[2] for judge in judges)
    verdict_arrays = [
        to_order_array(judge.columns, judge.columns.outcome)[:, :, :samples] for judge in judges
    ]
    verdicts = np.stack([array.reshape(-1) for array in verdict_arrays])
    groups = np.repeat(np.arange(len(dialogues)), 2 * samples)
    model_positions = _most_common_prompt(judges)
    agreements = {
        (first, second): judge_agreement(
            verdicts[first],
            verdicts[second],
            groups=groups,
            seed=seed,
            answers=ANSWERS if (verdicts[[first, second]] == TIE).any() else (A_PREFERRED, B_PREFERRED),
        )
        for first, second in combinations(range(len(judges)), 2)
    }
    alpha: float | NotEstimable = NotEstimable("α", "at least two judges that are models are required")
    verdict = pooled = None
    if len(model_positions) > 1:
        alpha = krippendorff_alpha(verdicts[model_positions])
        verdict = win_rate(_majority_table(verdicts[model_positions], len(dialogues), samples), seed=seed)
        contests = {
            f"{judges[position].name}\n{judges[position].entry.judge_id}": judges[position].columns
            for position in model_positions
        }
        pooled = pooled_over_judges(contests, seed=seed)
    ranks = await compare_judge_orders(
        store, contest_index, sets[1], split, [judge.entry.judge_id for judge in judges]
    )
    return JudgePanel(
        *sets,
        split,
        dialogues,
        tuple(judges),
        tuple(left_out),
        agreements,
        tuple(model_positions),
        alpha,
        verdict,
        pooled,
        ranks,
        seed,
    )


def _most_common_prompt(judges: Sequence[PanelJudge]) -> list[int]:
    """Return the positions of the models that used the most common prompt.

    Judges with another prompt, for example for one dimension of empathy, answer another question.
    """
    prompts = Counter(judge.entry.prompt_version for judge in judges if not judge.is_control)
    if not prompts:
        return []
    default_prompts = {judge.entry.prompt_version for judge in judges if judge.entry.is_plain}
    most_common = max(prompts, key=lambda version: (prompts[version], version in default_prompts, version))
    return [position for position, judge in enumerate(judges) if judge.entry.prompt_version == most_common]


def _majority_table(verdicts: Floats, dialogues: int, samples: int) -> JudgmentTable:
    """Return the majority verdicts on every comparison with at least one verdict."""
    verdict = majority(verdicts)
    positions = np.flatnonzero(~np.isnan(verdict))
    comparison, sample = np.divmod(positions, samples)
    dialogue, order_index = np.divmod(comparison, 2)
    return JudgmentTable.from_columns(
        dialogue, order_index == 0, verdict[positions], n_dialogues=dialogues, sample=sample
    )
