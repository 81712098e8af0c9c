"""Judge panel: every judge of one contest, their agreement, and corrected win rates."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from typing_extensions import TypedDict

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.contest_results import JudgingResult
from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.queries.contest_index import name_of
from results.render.bias_correction import (
    CorrectedRates,
    HumanPreferencesDocument,
    bias_correction_caveats,
    bias_correction_data,
    bias_correction_table,
    human_preferences_data,
)
from results.render.columns import columns
from results.render.contest import range_document, same_family_documents
from results.render.documents import JudgingDocument, RangeDocument, SameFamilyDocument
from results.render.estimable import Estimable, estimable
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE
from results.render.judging import judging_document
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics.agreement import A_PREFERRED, B_PREFERRED, TIE, PairAgreement
from results.statistics.not_estimable import NotEstimable, estimated


class AnswerShares(TypedDict):
    """Share of each answer, averaged over two judges; null without units.

    Attributes:
        a, tie, b: share of verdicts for A, of ties, and of verdicts for B.
    """

    a: float | None
    tie: float | None
    b: float | None


class AgreementDocument(TypedDict):
    """Agreement of two judges on the comparisons that both judged.

    Attributes:
        n: number of comparisons.
        agreement: share of comparisons with the same answer.
        low, high: its interval over dialogues.
        attainable: largest agreement possible with the judges' shares of answers.
        prevalence: share of each answer.
        kappa: Cohen's kappa; not estimable if one answer exceeds 90 %.
        alpha: Krippendorff's alpha; not estimable under the same condition.
        ac1: Gwet's AC1; null without comparisons.
    """

    n: int
    agreement: float | None
    low: float | None
    high: float | None
    attainable: float | None
    prevalence: AnswerShares
    kappa: Estimable[float]
    alpha: Estimable[float]
    ac1: float | None


class PanelAgreementDocument(AgreementDocument):
    """Agreement of two judges of a panel.

    Attributes:
        judges: display names of both judges.
        judge_ids: their content ids.
        rank_correlation: Kendall's tau-b of their orders of authors.
    """

    judges: list[str]
    judge_ids: list[str]
    rank_correlation: Estimable[float]


class PanelJudgeDocument(CorrectedRates):
    """One judge of a panel.

    Attributes:
        judge: display name of the judge.
        judge_id: content id of the judge.
        run: id of the run that judged the contest.
        win_rate: mean score of A over complete dialogues.
        low, high: its interval.
        order_robust: bounds of the rate that hold for any position bias.
        n: number of complete dialogues.
        incomplete: number of other dialogues.
        consistency: share of dialogues whose two orders name the same author.
        first_position_rate: share of verdicts for the first response.
        unscored: number of judgments without a verdict, by reason.
        not_judged: number of judgments without a completion.
        same_family: authors of the judge's model family.
        cost_usd: cost of all completions; null if unknown.
        emulated: whether the judge is emulated.
    """

    judge: str
    judge_id: str
    run: str
    win_rate: float | None
    low: float | None
    high: float | None
    order_robust: RangeDocument
    n: int
    incomplete: int
    consistency: float | None
    first_position_rate: float | None
    unscored: dict[str, int]
    not_judged: int
    same_family: list[SameFamilyDocument]
    cost_usd: float | None
    emulated: bool


class MajorityDocument(TypedDict):
    """Win rate of the judges' majority.

    Attributes:
        win_rate: mean score of A over complete dialogues.
        low, high: its interval.
        order_robust: bounds of the rate that hold for any position bias.
        n: number of complete dialogues.
        consistency: share of dialogues whose two orders name the same author.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    order_robust: RangeDocument
    n: int
    consistency: float | None


class PanelMeanDocument(TypedDict):
    """Win rate of A pooled over judges.

    Attributes:
        win_rate: pooled rate.
        low, high: its interval.
        order_robust: bounds of the rate that hold for any position bias.
        n: number of dialogues that every judge completed.
        range: lowest and highest rate of a judge.
        note: what is unusual.
    """

    win_rate: float | None
    low: float | None
    high: float | None
    order_robust: RangeDocument
    n: int
    range: RangeDocument
    note: str


class PanelDocument(TypedDict):
    """Judges of one contest, their agreement and majority.

    Attributes:
        a, b: the authors.
        split: the split.
        dialogues: number of dialogues.
        judges: the judges.
        excluded_same_family: judges left out because they are of an author's model family.
        agreement: agreement of each pair of judges.
        majority_judges: judges of the majority, which have the same prompt.
        alpha: Krippendorff's alpha of these judges.
        majority: win rate of their majority; null with fewer than two.
        pooled: win rate pooled over the judges; null with fewer than two.
        preferences: use of human preferences; null without them.
        notes: what limits the numbers.
    """

    a: str
    b: str
    split: str
    dialogues: int
    judges: list[PanelJudgeDocument]
    excluded_same_family: list[str]
    agreement: list[PanelAgreementDocument]
    majority_judges: list[str]
    alpha: Estimable[float]
    majority: MajorityDocument | None
    pooled: PanelMeanDocument | None
    preferences: HumanPreferencesDocument | None
    notes: list[str]


class JudgePanelDocument(TypedDict):
    """Judges of one contest, after judging it with more judges.

    Attributes:
        judging: the new judging run; null if nothing was judged.
        panel: all judges.
    """

    document: Literal["judge_panel"]
    judging: JudgingDocument | None
    panel: PanelDocument


def render_rejudged(panel: JudgePanel, corrected: CorrectedPanel, judged: JudgingResult | None) -> Rendering:
    """Render all judges of a contest; the document also holds the new judging run, if there is one."""
    rendering = render_judge_panel(panel, corrected)
    run = None if judged is None else judging_document(judged)
    document: JudgePanelDocument = {
        "document": "judge_panel",
        "judging": run,
        "panel": _data(panel, corrected),
    }
    return replace(rendering, document=document)


def render_judge_panel(panel: JudgePanel, corrected: CorrectedPanel | None = None) -> Rendering:
    """Render the judges, their agreement, and corrected win rates."""
    corrections = corrected or CorrectedPanel()
    tables = [_judges_table(panel)]
    tables += [_agreement_table(panel)] if panel.agreements else []
    corrected_rates = bias_correction_table(panel, corrections)
    tables += [] if corrected_rates is None else [corrected_rates]
    caveats = (*bias_correction_caveats(panel, corrections), *_caveats(panel))
    return Rendering(_data(panel, corrections), tuple(tables), caveats=caveats)


def _data(panel: JudgePanel, corrections: CorrectedPanel) -> PanelDocument:
    """Return the panel as JSON data; rates in [0, 1]."""
    return {
        "a": name_of(panel.a),
        "b": name_of(panel.b),
        "split": panel.split,
        "dialogues": len(panel.dialogues),
        "judges": [_judge_data(index, judge, corrections) for index, judge in enumerate(panel.judges)],
        "excluded_same_family": list(panel.left_out),
        "agreement": [
            {
                "judges": [panel.judges[first].name, panel.judges[second].name],
                "judge_ids": [panel.judges[first].entry.judge_id, panel.judges[second].entry.judge_id],
                **agreement_document(agreement),
                "rank_correlation": estimable(panel.ranks[first, second]),
            }
            for (first, second), agreement in panel.agreements.items()
        ],
        "majority_judges": [panel.judges[index].name for index in panel.same_prompt],
        "alpha": estimable(panel.alpha),
        "majority": None
        if panel.verdict is None
        else {
            "win_rate": panel.verdict.rate,
            "low": panel.verdict.low,
            "high": panel.verdict.high,
            "order_robust": range_document(*panel.verdict.order_robust),
            "n": panel.verdict.n,
            "consistency": panel.verdict.consistency,
        },
        "pooled": None
        if panel.pooled is None
        else {
            "win_rate": panel.pooled.rate,
            "low": panel.pooled.low,
            "high": panel.pooled.high,
            "order_robust": range_document(panel.pooled.order_robust_low, panel.pooled.order_robust_high),
            "n": panel.pooled.n,
            "range": range_document(panel.pooled.lowest, panel.pooled.highest),
            "note": panel.pooled.note,
        },
        "preferences": human_preferences_data(corrections),
        "notes": _caveats(panel),
    }


def agreement_document(agreement: PairAgreement) -> AgreementDocument:
    """Return the agreement of two judges as JSON data."""
    return {
        "n": agreement.n,
        "agreement": agreement.agreement,
        "low": agreement.low,
        "high": agreement.high,
        "attainable": agreement.attainable,
        "prevalence": {
            "a": agreement.prevalence.get(A_PREFERRED),
            "tie": agreement.prevalence.get(TIE, 0.0 if agreement.n else None),
            "b": agreement.prevalence.get(B_PREFERRED),
        },
        "kappa": estimable(agreement.kappa),
        "alpha": estimable(agreement.alpha),
        "ac1": agreement.ac1,
    }


def _judge_data(index: int, judge: PanelJudge, corrected: CorrectedPanel) -> PanelJudgeDocument:
    """Return one judge's result as JSON data."""
    rate = judge.rate
    return {
        "judge": judge.name,
        "judge_id": judge.entry.judge_id,
        "run": judge.entry.run_id,
        "win_rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "order_robust": range_document(*rate.order_robust),
        "n": rate.n,
        "incomplete": rate.incomplete,
        "consistency": rate.consistency,
        "first_position_rate": rate.first_position_rate,
        "unscored": dict(rate.unscored),
        "not_judged": rate.not_judged,
        "same_family": same_family_documents(judge.same_family),
        "cost_usd": judge.cost_usd,
        "emulated": is_emulated(judge.entry.model),
        **bias_correction_data(index, corrected),
    }


def _judges_table(panel: JudgePanel) -> Table:
    """Return a row per judge, then their majority and mean."""
    shown = columns(
        *("judge", "win_rate", "interval", "order_robust", "n", "consistency", "first_position_rate"),
        *("same_family", "cost_usd"),
    )
    title = f"{name_of(panel.a)} against {name_of(panel.b)}, {panel.split} split: {len(panel.judges)} judges"
    table = Table(title, columns=shown)
    for judge in panel.judges:
        rate = judge.rate
        table.add_row(
            judge.name,
            rate.rate,
            (rate.low, rate.high),
            rate.order_robust,
            rate.n,
            rate.consistency,
            rate.first_position_rate,
            "same family" if judge.same_family else "",
            judge.cost_usd,
            style="dim" if judge.is_control else "",
        )
    for name, result in (("majority", panel.verdict), ("mean", panel.pooled)):
        if result is not None:
            robust = (result.order_robust_low, result.order_robust_high)
            table.add_row(
                f"{name} of {len(panel.same_prompt)} models",
                result.rate,
                (result.low, result.high),
                robust,
                result.n,
            )
    return table


AGREEMENT_COLUMNS = columns(
    *("judges", "agreement", "interval", Column("attainable", "at most", "percent")),
    *(Column("ac1", "AC1", "decimal"), "kappa", Column("alpha", "α", "decimal")),
    *(Column("prevalence", "prefer A / tie / B", "whole_percents"), "n"),
)


def agreement_cells(pair: PairAgreement) -> tuple[Value, ...]:
    """Return the cells of `AGREEMENT_COLUMNS` after the first."""
    shares = tuple(pair.prevalence.get(answer, 0.0) for answer in (A_PREFERRED, TIE, B_PREFERRED))
    interval = (pair.low, pair.high)
    estimates = (pair.ac1, estimated(pair.kappa), estimated(pair.alpha))
    return pair.agreement, interval, pair.attainable, *estimates, shares if pair.n else None, pair.n


def _agreement_table(panel: JudgePanel) -> Table:
    """Return a row per pair of judges."""
    shown = [*AGREEMENT_COLUMNS, Column("rank_correlation", "order of authors", "decimal")]
    table = Table("Agreement between judges, comparison by comparison", columns=shown)
    for (first, second), pair in panel.agreements.items():
        if _is_comparable(panel, first, second):
            name = f"{panel.judges[first].name} – {panel.judges[second].name}"
            table.add_row(name, *agreement_cells(pair), estimated(panel.ranks[first, second]))
    return table


def _is_comparable(panel: JudgePanel, first_index: int, second_index: int) -> bool:
    """Return whether a pair belongs in the table: the same prompt, or one model with two prompts."""
    first, second = panel.judges[first_index].entry, panel.judges[second_index].entry
    controls = [index for index in (first_index, second_index) if panel.judges[index].is_control]
    if controls:
        return all(
            index in panel.same_prompt or panel.judges[index].is_control
            for index in (first_index, second_index)
        )
    return first.prompt_version == second.prompt_version or first.model == second.model


def _caveats(panel: JudgePanel) -> list[str]:
    """Return the caveats of judges, agreement and majority."""
    notes = []
    if any(is_emulated(judge.entry.model) for judge in panel.judges):
        notes.append(EMULATED_NOTE)
    notes += [judge.answering_model_note for judge in panel.judges if judge.answering_model_note]
    notes += [
        f"{self_preference_warning(judge.name, judge.same_family)}."
        for judge in panel.judges
        if judge.same_family
    ]
    notes.append(ORDER_ROBUST_NOTE)
    if panel.left_out:
        notes.append(f"Excluded judges of the same family as an author: {', '.join(panel.left_out)}.")
    if isinstance(panel.alpha, float):
        notes.append(
            f"Krippendorff's α over the {len(panel.same_prompt)} models with the same prompt: "
            f"{panel.alpha:.2f}"
        )
    kappa_reasons = {
        str(pair.kappa) for pair in panel.agreements.values() if isinstance(pair.kappa, NotEstimable)
    }
    notes += sorted(kappa_reasons)
    if panel.pooled is not None and panel.pooled.note:
        notes.append(panel.pooled.note)
    if len(panel.judges) == 1:
        notes.append("Agreement requires at least two judges; add another with --judge.")
    elif panel.agreements:
        notes.append(
            "Agreement is not accuracy: judges may share a bias. “At most”: the largest agreement possible "
            "with their answer shares. Order of authors: Kendall's τ-b over at least three authors that both "
            "judged against B."
        )
    return notes
