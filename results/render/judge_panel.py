"""A jury as data and as tables: the same numbers, no other. Computes nothing."""

from __future__ import annotations

from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.human_preferences import CorrectedPanel
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.queries.contest_index import name_of
from results.render.bias_correction import corrections_data, people_data
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE, format_percent, format_range, format_usd
from results.render.table import Table, table_of
from results.statistics.agreement import A_PREFERRED, B_PREFERRED, TIE, PairAgreement
from results.statistics.not_estimable import NotEstimable

ROBUST = "order-robust"


def to_dict(panel: JudgePanel, corrected: CorrectedPanel | None = None) -> dict[str, Any]:
    """A jury as plain data; rates in [0, 1]."""
    more = corrected or CorrectedPanel()
    return {
        "a": name_of(panel.a),
        "b": name_of(panel.b),
        "split": panel.split,
        "dialogues": len(panel.dialogues),
        "judges": [_juror_data(at, judge, more) for at, judge in enumerate(panel.judges)],
        "excluded_same_family": list(panel.left_out),
        "agreement": [
            {
                "judges": [panel.judges[one].name, panel.judges[other].name],
                "judge_ids": [panel.judges[one].entry.judge_id, panel.judges[other].entry.judge_id],
                **_agreement_data(found),
                "rank_correlation": _value(panel.ranks[one, other]),
            }
            for (one, other), found in panel.agreements.items()
        ],
        "majority_judges": [panel.judges[at].name for at in panel.same_prompt],
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
        "preferences": people_data(more),
        "notes": caveats(panel),
    }


def _juror_data(at: int, judge: PanelJudge, corrected: CorrectedPanel) -> dict[str, Any]:
    rate = judge.rate
    told: dict[str, Any] = {
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
        "same_family": [one.to_dict() for one in judge.same_family],
        "cost_usd": judge.cost_usd,
        "emulated": is_emulated(judge.entry.model),
    }
    return told | corrections_data(at, corrected)


def _agreement_data(found: PairAgreement) -> dict[str, Any]:
    return {
        "n": found.n,
        "agreement": found.agreement,
        "low": found.low,
        "high": found.high,
        "attainable": found.attainable,
        "prevalence": {
            "a": found.prevalence.get(A_PREFERRED),
            "tie": found.prevalence.get(TIE, 0.0 if found.n else None),
            "b": found.prevalence.get(B_PREFERRED),
        },
        "kappa": _value(found.kappa),
        "alpha": _value(found.alpha),
        "ac1": found.ac1,
    }


def _value(value: float | NotEstimable) -> float | str:
    return value if isinstance(value, float) else str(value)


def to_tables(panel: JudgePanel) -> list[Table]:
    """The judges, and how they agree."""
    title = f"{name_of(panel.a)} against {name_of(panel.b)}, {panel.split} split: {len(panel.judges)} judges"
    judges = table_of(
        title, ("judge", "win rate", "95 %", ROBUST, "n", "consistency", "first place", "same_family", "cost")
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
            "same_family" if judge.same_family else "",
            format_usd(judge.cost_usd),
            style="dim" if judge.is_control else "",
        )
    for name, found in (
        (f"majority of {len(panel.same_prompt)} models", panel.verdict),
        (f"mean of {len(panel.same_prompt)} models", panel.pooled),
    ):
        if found is not None:
            robust = format_range(found.order_robust_low, found.order_robust_high)
            judges.add_row(
                name,
                format_percent(found.rate),
                format_range(found.low, found.high),
                robust,
                str(found.n),
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
        agreement = table_of("Agreement between judges, comparison by comparison", heads)
        for (one, other), pair in panel.agreements.items():
            if not _worth_showing(panel, one, other):
                continue
            shares = " / ".join(f"{100 * pair.prevalence.get(answer, 0.0):.0f}" for answer in (1.0, 0.5, 0.0))
            agreement.add_row(
                f"{panel.judges[one].name} – {panel.judges[other].name}",
                format_percent(pair.agreement),
                format_range(pair.low, pair.high),
                format_percent(pair.attainable),
                _decimal(pair.ac1),
                _decimal(pair.kappa),
                _decimal(pair.alpha),
                shares if pair.n else "-",
                _decimal(panel.ranks[one, other]),
                str(pair.n),
            )
        tables.append(agreement)
    return tables


def _worth_showing(panel: JudgePanel, one: int, other: int) -> bool:
    """Judges asked alike, or one model asked in two ways; the data have all."""
    first, second = panel.judges[one].entry, panel.judges[other].entry
    controls = [at for at in (one, other) if panel.judges[at].is_control]
    if controls:
        return all(at in panel.same_prompt or panel.judges[at].is_control for at in (one, other))
    return first.prompt_version == second.prompt_version or first.model == second.model


def _decimal(value: float | NotEstimable | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-"


def caveats(panel: JudgePanel) -> list[str]:
    """What a reader of the tables must know."""
    told = []
    if any(is_emulated(judge.entry.model) for judge in panel.judges):
        told.append(EMULATED_NOTE)
    told += [judge.answering_model_note for judge in panel.judges if judge.answering_model_note]
    told += [
        f"{self_preference_warning(judge.name, judge.same_family)}."
        for judge in panel.judges
        if judge.same_family
    ]
    told.append(ORDER_ROBUST_NOTE)
    if panel.left_out:
        told.append(f"left out as kin of a contestant: {', '.join(panel.left_out)}")
    if isinstance(panel.alpha, float):
        told.append(
            f"Krippendorff's α over the {len(panel.same_prompt)} models asked with the same words: {panel.alpha:.2f}"
        )
    refused = {str(pair.kappa) for pair in panel.agreements.values() if isinstance(pair.kappa, NotEstimable)}
    told += sorted(refused)
    if panel.pooled is not None and panel.pooled.note:
        told.append(panel.pooled.note)
    if len(panel.judges) == 1:
        told.append("one judge only: there is nothing to agree with. Ask another with --judge.")
    elif panel.agreements:
        told.append(
            "Agreement is no accuracy: judges may share a taste. “At most”: what their own shares of each "
            "answer allow. Order of authors: τ-b over the authors both judged against B, from three on."
        )
    return told
