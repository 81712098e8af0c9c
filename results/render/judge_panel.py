"""Judge panel as JSON data, tables and caveats."""

from __future__ import annotations

from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.queries.contest_index import name_of
from results.render.bias_correction import bias_correction_data, human_preferences_data
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE, format_percent, format_range, format_usd
from results.render.table import Table, make_table
from results.statistics.agreement import A_PREFERRED, B_PREFERRED, TIE, PairAgreement
from results.statistics.not_estimable import NotEstimable

ROBUST = "order-robust"


def to_dict(panel: JudgePanel, corrected: CorrectedPanel | None = None) -> dict[str, Any]:
    """Return the panel as JSON data; rates in [0, 1]."""
    corrections = corrected or CorrectedPanel()
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
        "notes": caveats(panel),
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


def to_tables(panel: JudgePanel) -> list[Table]:
    """Return the table of judges and the table of their agreement."""
    title = f"{name_of(panel.a)} against {name_of(panel.b)}, {panel.split} split: {len(panel.judges)} judges"
    judges = make_table(
        title,
        ("judge", "win rate", "95 %", ROBUST, "n", "consistency", "first position", "same family", "cost"),
    )
    for judge in panel.judges:
        rate = judge.rate
        judges.add_row(
            judge.name,
            format_percent(rate.rate),
            format_range(rate.low, rate.high),
            format_range(*rate.order_robust),
            str(rate.n),
            format_percent(rate.consistency),
            format_percent(rate.first_position_rate),
            "same family" if judge.same_family else "",
            format_usd(judge.cost_usd),
            style="dim" if judge.is_control else "",
        )
    for name, result in (
        (f"majority of {len(panel.same_prompt)} models", panel.verdict),
        (f"mean of {len(panel.same_prompt)} models", panel.pooled),
    ):
        if result is not None:
            robust_range = format_range(result.order_robust_low, result.order_robust_high)
            judges.add_row(
                name,
                format_percent(result.rate),
                format_range(result.low, result.high),
                robust_range,
                str(result.n),
                *[""] * 4,
            )
    tables = [judges]
    if panel.agreements:
        heads = (
            "judges",
            "agreement",
            "95 %",
            "at most",
            "AC1",
            "κ",
            "α",
            "prefer A / tie / B",
            "order of authors",
            "n",
        )
        agreement = make_table("Agreement between judges, comparison by comparison", heads)
        for (first, second), pair in panel.agreements.items():
            if not _is_comparable(panel, first, second):
                continue
            shares = " / ".join(f"{100 * pair.prevalence.get(answer, 0.0):.0f}" for answer in (1.0, 0.5, 0.0))
            agreement.add_row(
                f"{panel.judges[first].name} – {panel.judges[second].name}",
                format_percent(pair.agreement),
                format_range(pair.low, pair.high),
                format_percent(pair.attainable),
                _decimal(pair.ac1),
                _decimal(pair.kappa),
                _decimal(pair.alpha),
                shares if pair.n else "-",
                _decimal(panel.ranks[first, second]),
                str(pair.n),
            )
        tables.append(agreement)
    return tables


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


def _decimal(value: float | NotEstimable | None) -> str:
    """Return a value with two decimals, or `-`."""
    return f"{value:.2f}" if isinstance(value, float) else "-"


def caveats(panel: JudgePanel) -> list[str]:
    """Return the caveats to print below the tables."""
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
