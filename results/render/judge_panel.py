"""Judge panel: every judge of one contest, their agreement, and corrected win rates."""

from __future__ import annotations

from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.queries.contest_index import name_of
from results.render.bias_correction import (
    bias_correction_caveats,
    bias_correction_data,
    bias_correction_table,
    human_preferences_data,
)
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE
from results.render.rendering import Rendering
from results.render.table import Column, Table, Value
from results.statistics.agreement import A_PREFERRED, B_PREFERRED, TIE, PairAgreement
from results.statistics.not_estimable import NotEstimable, estimated


def render_judge_panel(panel: JudgePanel, corrected: CorrectedPanel | None = None) -> Rendering:
    """Render the judges, their agreement, and corrected win rates."""
    corrections = corrected or CorrectedPanel()
    tables = [_judges_table(panel)]
    tables += [_agreement_table(panel)] if panel.agreements else []
    corrected_rates = bias_correction_table(panel, corrections)
    tables += [] if corrected_rates is None else [corrected_rates]
    caveats = (*bias_correction_caveats(panel, corrections), *_caveats(panel))
    return Rendering(_data(panel, corrections), tuple(tables), caveats=caveats)


def _data(panel: JudgePanel, corrections: CorrectedPanel) -> dict[str, Any]:
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
                **_agreement_data(agreement),
                "rank_correlation": _value(panel.ranks[first, second]),
            }
            for (first, second), agreement in panel.agreements.items()
        ],
        "majority_judges": [panel.judges[index].name for index in panel.same_prompt],
        "alpha": _value(panel.alpha),
        "majority": None
        if panel.verdict is None
        else {
            "win_rate": panel.verdict.rate,
            "low": panel.verdict.low,
            "high": panel.verdict.high,
            "order_robust": list(panel.verdict.order_robust),
            "n": panel.verdict.n,
            "consistency": panel.verdict.consistency,
        },
        "pooled": None
        if panel.pooled is None
        else {
            "win_rate": panel.pooled.rate,
            "low": panel.pooled.low,
            "high": panel.pooled.high,
            "order_robust": [panel.pooled.order_robust_low, panel.pooled.order_robust_high],
            "n": panel.pooled.n,
            "range": [panel.pooled.lowest, panel.pooled.highest],
            "note": panel.pooled.note,
        },
        "preferences": human_preferences_data(corrections),
        "notes": _caveats(panel),
    }


def _judge_data(index: int, judge: PanelJudge, corrected: CorrectedPanel) -> dict[str, Any]:
    """Return one judge's result as JSON data."""
    rate = judge.rate
    data: dict[str, Any] = {
        "judge": judge.name,
        "judge_id": judge.entry.judge_id,
        "run": judge.entry.run_id,
        "win_rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "order_robust": list(rate.order_robust),
        "n": rate.n,
        "incomplete": rate.incomplete,
        "consistency": rate.consistency,
        "first_position_rate": rate.first_position_rate,
        "unscored": dict(rate.unscored),
        "not_judged": rate.not_judged,
        "same_family": [match.to_dict() for match in judge.same_family],
        "cost_usd": judge.cost_usd,
        "emulated": is_emulated(judge.entry.model),
    }
    return data | bias_correction_data(index, corrected)


def _agreement_data(agreement: PairAgreement) -> dict[str, Any]:
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
        "kappa": _value(agreement.kappa),
        "alpha": _value(agreement.alpha),
        "ac1": agreement.ac1,
    }


def _value(value: float | NotEstimable) -> float | str:
    """Return the value, or the reason why it is not estimable."""
    return value if isinstance(value, float) else str(value)


def _judges_table(panel: JudgePanel) -> Table:
    """Return a row per judge, then their majority and mean."""
    columns = [
        Column("judge"),
        Column("win_rate", unit="percent"),
        Column("interval", "95 %", "percent_range"),
        Column("order_robust", "order-robust", "percent_range"),
        Column("n", unit="count"),
        Column("consistency", unit="percent"),
        Column("first_position_rate", "first position", "percent"),
        Column("same_family", alignment="right"),
        Column("cost_usd", "cost", "usd"),
    ]
    title = f"{name_of(panel.a)} against {name_of(panel.b)}, {panel.split} split: {len(panel.judges)} judges"
    table = Table(title, columns=columns)
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


AGREEMENT_COLUMNS = (
    Column("judges"),
    Column("agreement", unit="percent"),
    Column("interval", "95 %", "percent_range"),
    Column("attainable", "at most", "percent"),
    Column("ac1", "AC1", "decimal"),
    Column("kappa", "κ", "decimal"),
    Column("alpha", "α", "decimal"),
    Column("prevalence", "prefer A / tie / B", "whole_percents"),
    Column("n", unit="count"),
)


def agreement_cells(pair: PairAgreement) -> tuple[Value, ...]:
    """Return the cells of `AGREEMENT_COLUMNS` after the first."""
    shares = tuple(pair.prevalence.get(answer, 0.0) for answer in (A_PREFERRED, TIE, B_PREFERRED))
    interval = (pair.low, pair.high)
    estimates = (pair.ac1, estimated(pair.kappa), estimated(pair.alpha))
    return pair.agreement, interval, pair.attainable, *estimates, shares if pair.n else None, pair.n


def _agreement_table(panel: JudgePanel) -> Table:
    """Return a row per pair of judges."""
    columns = [*AGREEMENT_COLUMNS, Column("rank_correlation", "order of authors", "decimal")]
    table = Table("Agreement between judges, comparison by comparison", columns=columns)
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
