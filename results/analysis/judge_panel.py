"""Several judges of the same two authors: who they are, how far they agree, what their majority says.

Every judge that judged the pair to the end counts, in whatever run, retired or not: all comes from the
database. Units are comparisons: a dialogue in one order, in one repetition. Judges of a contestant's family
are flagged, and can be left out.
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
from results.queries.contests import Contest, contests_of
from results.queries.student_lineage import taught
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
    """One judge's contest of the pair.

    Attributes:
        entry: the contest it is from; run, model, prompt.
        columns: with the jury's own dialogue codes, its first author as A.
        rate: its win rate.
        cost_usd: of its answers; None where not known.
        answerer_note: who answered under its name, where it was not that model alone; else "".
    """

    entry: ContestEntry
    columns: JudgmentTable
    rate: WinRate
    cost_usd: float | None
    answering_model_note: str = ""

    @property
    def name(self) -> str:
        """As people write it."""
        return self.entry.judge

    @property
    def kin(self) -> tuple[FamilyMatch, ...]:
        """Those of the two authors that are of the judge's family."""
        return self.entry.kin

    @property
    def is_control(self) -> bool:
        """Whether it is a floor and no opinion."""
        return self.entry.provider == CONTROL


@dataclass(frozen=True, eq=False)
class JudgePanel:
    """All judges of one pair of authors.

    Attributes:
        a, b: the authors; split: of the contests.
        dialogues: by their code.
        jurors: models, then controls, by name.
        left_out: names of judges left out as kin.
        agreements: by two judges' places in `jurors`.
        alike: places of the models asked with the same words; alpha, verdict and pooled are theirs.
        alpha: Krippendorff's, nominal.
        verdict: win rate of their majority; None with fewer than two.
        pooled: their mean, their own rates and the range; None with fewer than two.
        ranks: by two judges' places, τ-b of how they order the authors that both judged against b.
        seed: of the resampling.
    """

    a: ResponseSet
    b: ResponseSet
    split: str
    dialogues: tuple[Dialogue, ...]
    jurors: tuple[PanelJudge, ...]
    left_out: tuple[str, ...]
    agreements: dict[tuple[int, int], PairAgreement]
    alike: tuple[int, ...]
    alpha: float | NotEstimable
    verdict: WinRate | None
    pooled: PooledRate | None
    ranks: dict[tuple[int, int], float | NotEstimable]
    seed: int


async def load_panel(
    store: Store, a: str, b: str, split: str, *, seed: int = 0, without_kin: bool = False
) -> JudgePanel:
    """The jury of two sets of responses (by their ids) on one split.

    Raises:
        UserError: nobody judged them to the end, or only kin did and kin are left out.
    """
    catalogue = await load_contest_index(store)
    entries = [
        entry
        for entry in catalogue.entries
        if entry.sets == {a, b} and entry.split == split and not entry.stopped
    ]
    left_out = sorted({entry.judge for entry in entries if entry.kin}) if without_kin else []
    kept = [entry for entry in entries if not (without_kin and entry.kin)]
    chosen = {judge_id: _fullest(kept, judge_id) for judge_id in {entry.judge_id for entry in kept}}
    if not chosen:
        raise UserError(
            "no judge has judged these two to the end",
            where=store.database.shown,
            found=f"left out as kin: {', '.join(left_out)}" if left_out else f"split {split}",
            remedy="Judge them with: empathy judge A B --judge MODEL",
        )
    contests = await contests_by_entry(store, list(chosen.values()))
    every = {dialogue.key: dialogue for contest in contests.values() for dialogue in contest.dialogues}
    dialogues = tuple(seeded_order(every.values(), 0))
    codes = {dialogue.key: at for at, dialogue in enumerate(dialogues)}
    jurors = []
    for judge_id, entry in chosen.items():
        contest = contests[judge_id, entry.run_id]
        columns = recoded(contest, a, codes)
        asked = np.zeros(len(codes), dtype=bool)
        asked[[codes[dialogue.key] for dialogue in contest.dialogues]] = True
        rate = win_rate(columns.select_dialogues(asked), seed=seed)
        jurors.append(PanelJudge(entry, columns, rate, contest.cost_usd, contest.answering_model_note))
    jurors.sort(key=lambda juror: (juror.is_control, juror.name, juror.entry.judge_id))
    first = next(iter(contests.values()))
    sets = (first.a, first.b) if first.a.id == a else (first.b, first.a)
    return await _jury(store, catalogue, sets, split, dialogues, jurors, left_out, seed)


async def without_kin(
    store: Store, judges: Sequence[Judge], sets: Sequence[ResponseSet]
) -> tuple[list[Judge], list[str]]:
    """The judges that are of none of these authors' family, and the names of the others.

    Raises:
        UserError: nobody is left.
    """
    told = await taught(store)
    kin = {judge.id: family_matches(judge.model.id, sets, told) for judge in judges}
    kept = [judge for judge in judges if not kin[judge.id]]
    if not kept:
        raise UserError(
            "every judge is of a contestant's family, and those are left out",
            where="--without-kin",
            faults=[Fault(self_preference_warning(judge.name, kin[judge.id])) for judge in judges],
            remedy="Ask a judge of another family, or leave --without-kin away.",
        )
    return kept, [judge.name for judge in judges if kin[judge.id]]


def _fullest(entries: Sequence[ContestEntry], judge_id: str) -> ContestEntry:
    """Of the runs that have a judge's contest, the one that counts."""
    return max((one for one in entries if one.judge_id == judge_id), key=lambda one: one.size)


async def contests_by_entry(store: Store, entries: Sequence[ContestEntry]) -> dict[tuple[str, str], Contest]:
    """By judge and run, the contests of these entries (all of one pair of authors)."""
    found = {}
    for run_id in dict.fromkeys(entry.run_id for entry in entries):
        wanted = {(entry.judge_id, entry.sets) for entry in entries if entry.run_id == run_id}
        for contest in await contests_of(store, run_id):
            if (contest.judge_id, frozenset((contest.a.id, contest.b.id))) in wanted:
                found[contest.judge_id, run_id] = contest
    return found


def recoded(contest: Contest, first: str, codes: dict[str, int]) -> JudgmentTable:
    """A contest's columns with the author of set `first` as A and common dialogue codes."""
    columns = contest.columns if contest.a.id == first else contest.columns.swap_authors()
    return columns.reindex([codes[dialogue.key] for dialogue in contest.dialogues], len(codes))


async def _jury(
    store: Store,
    catalogue: ContestIndex,
    sets: tuple[ResponseSet, ResponseSet],
    split: str,
    dialogues: tuple[Dialogue, ...],
    jurors: list[PanelJudge],
    left_out: list[str],
    seed: int,
) -> JudgePanel:
    samples = min(to_order_array(juror.columns, juror.columns.outcome).shape[2] for juror in jurors)
    laid_out = [to_order_array(juror.columns, juror.columns.outcome)[:, :, :samples] for juror in jurors]
    answers = np.stack([one.reshape(-1) for one in laid_out])
    groups = np.repeat(np.arange(len(dialogues)), 2 * samples)
    models = _asked_alike(jurors)
    agreements = {
        (one, other): judge_agreement(
            answers[one],
            answers[other],
            groups=groups,
            seed=seed,
            answers=ANSWERS if (answers[[one, other]] == TIE).any() else (A_PREFERRED, B_PREFERRED),
        )
        for one, other in combinations(range(len(jurors)), 2)
    }
    alpha: float | NotEstimable = NotEstimable("α", "it needs two judges that are models")
    verdict = pooled = None
    if len(models) > 1:
        alpha = krippendorff_alpha(answers[models])
        verdict = win_rate(_majority(answers[models], len(dialogues), samples), seed=seed)
        contests = {f"{jurors[at].name}\n{jurors[at].entry.judge_id}": jurors[at].columns for at in models}
        pooled = pooled_over_judges(contests, seed=seed)
    ranks = await compare_judge_orders(
        store, catalogue, sets[1], split, [one.entry.judge_id for one in jurors]
    )
    return JudgePanel(
        *sets,
        split,
        dialogues,
        tuple(jurors),
        tuple(left_out),
        agreements,
        tuple(models),
        alpha,
        verdict,
        pooled,
        ranks,
        seed,
    )


def _asked_alike(jurors: Sequence[PanelJudge]) -> list[int]:
    """The models that were asked with the same words: those of the prompt that most were asked with.

    Judges of one dimension of empathy answer another question; they are no jury with the others.
    """
    prompts = Counter(juror.entry.prompt_version for juror in jurors if not juror.is_control)
    if not prompts:
        return []
    plain = {one.entry.prompt_version for one in jurors if one.entry.is_plain}
    commonest = max(prompts, key=lambda version: (prompts[version], version in plain, version))
    return [at for at, juror in enumerate(jurors) if juror.entry.prompt_version == commonest]


def _majority(answers: Floats, dialogues: int, samples: int) -> JudgmentTable:
    """The jury as a judge: its verdict on every comparison that any of it answered."""
    verdict = majority(answers)
    at = np.flatnonzero(~np.isnan(verdict))
    place, sample = np.divmod(at, samples)
    dialogue, order = np.divmod(place, 2)
    return JudgmentTable.of(dialogue, order == 0, verdict[at], n_dialogues=dialogues, sample=sample)
