"""A jury as data and as tables: the same numbers, no other. Computes nothing."""

from __future__ import annotations

from typing import Any

from agents.models.family import self_preference_warning
from agents.models.spec import is_emulated
from results.analysis.human_preferences import Corrected
from results.analysis.judge_panel import JudgePanel, PanelJudge
from results.queries.contest_index import name_of
from results.render.bias_correction import corrections_data, people_data
from results.render.format import EMULATED_NOTE, ORDER_ROBUST_NOTE, format_percent, format_range, format_usd
from results.render.table import Table, table_of
from results.statistics.agreement import A_PREFERRED, B_PREFERRED, TIE, PairAgreement
from results.statistics.not_estimable import NotEstimable

ROBUST = "order-robust"


def to_dict(jury: JudgePanel, corrected: Corrected | None = None) -> dict[str, Any]:
    """A jury as plain data; rates in [0, 1]."""
    more = corrected or Corrected()
    return {
        "a": name_of(jury.a),
        "b": name_of(jury.b),
        "split": jury.split,
        "dialogues": len(jury.dialogues),
        "judges": [_juror_data(at, juror, more) for at, juror in enumerate(jury.jurors)],
        "excluded_same_family": list(jury.left_out),
        "agreement": [
            {
                "judges": [jury.jurors[one].name, jury.jurors[other].name],
                "judge_ids": [jury.jurors[one].entry.judge_id, jury.jurors[other].entry.judge_id],
                **_agreement_data(found),
                "rank_correlation": _value(jury.ranks[one, other]),
            }
            for (one, other), found in jury.agreements.items()
        ],
        "majority_judges": [jury.jurors[at].name for at in jury.alike],
        "alpha": _value(jury.alpha),
        "majority": None
        if jury.verdict is None
        else {
            "win_rate": jury.verdict.rate,
            "low": jury.verdict.low,
            "high": jury.verdict.high,
            "order_robust": list(jury.verdict.order_robust),
            "n": jury.verdict.n,
            "consistency": jury.verdict.consistency,
        },
        "pooled": None
        if jury.pooled is None
        else {
            "win_rate": jury.pooled.rate,
            "low": jury.pooled.low,
            "high": jury.pooled.high,
            "order_robust": [jury.pooled.order_robust_low, jury.pooled.order_robust_high],
            "n": jury.pooled.n,
            "range": [jury.pooled.lowest, jury.pooled.highest],
            "note": jury.pooled.note,
        },
        "preferences": people_data(more),
        "notes": caveats(jury),
    }


def _juror_data(at: int, juror: PanelJudge, corrected: Corrected) -> dict[str, Any]:
    rate = juror.rate
    told: dict[str, Any] = {
        "judge": juror.name,
        "judge_id": juror.entry.judge_id,
        "run": juror.entry.run_id,
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
        "same_family": [one.told() for one in juror.kin],
        "cost_usd": juror.cost_usd,
        "emulated": is_emulated(juror.entry.model),
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


def to_tables(jury: JudgePanel) -> list[Table]:
    """The judges, and how they agree."""
    title = f"{name_of(jury.a)} against {name_of(jury.b)}, {jury.split} split: {len(jury.jurors)} judges"
    judges = table_of(
        title, ("judge", "win rate", "95 %", ROBUST, "n", "consistency", "first place", "same_family", "cost")
    )
    for juror in jury.jurors:
        rate = juror.rate
        judges.add_row(
            juror.name,
            format_percent(rate.rate),
            format_range(rate.low, rate.high),
            format_range(*rate.order_robust),
            str(rate.n),
            format_percent(rate.consistency),
            format_percent(rate.first_position_rate),
            "same_family" if juror.kin else "",
            format_usd(juror.cost_usd),
            style="dim" if juror.is_control else "",
        )
    for name, found in (
        (f"majority of {len(jury.alike)} models", jury.verdict),
        (f"mean of {len(jury.alike)} models", jury.pooled),
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
    if jury.agreements:
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
        for (one, other), pair in jury.agreements.items():
            if not _worth_showing(jury, one, other):
                continue
            shares = " / ".join(f"{100 * pair.prevalence.get(answer, 0.0):.0f}" for answer in (1.0, 0.5, 0.0))
            agreement.add_row(
                f"{jury.jurors[one].name} – {jury.jurors[other].name}",
                format_percent(pair.agreement),
                format_range(pair.low, pair.high),
                format_percent(pair.attainable),
                _decimal(pair.ac1),
                _decimal(pair.kappa),
                _decimal(pair.alpha),
                shares if pair.n else "-",
                _decimal(jury.ranks[one, other]),
                str(pair.n),
            )
        tables.append(agreement)
    return tables


def _worth_showing(jury: JudgePanel, one: int, other: int) -> bool:
    """Judges asked alike, or one model asked in two ways; the data have all."""
    first, second = jury.jurors[one].entry, jury.jurors[other].entry
    controls = [at for at in (one, other) if jury.jurors[at].is_control]
    if controls:
        return all(at in jury.alike or jury.jurors[at].is_control for at in (one, other))
    return first.prompt_version == second.prompt_version or first.model == second.model


def _decimal(value: float | NotEstimable | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-"


def caveats(jury: JudgePanel) -> list[str]:
    """What a reader of the tables must know."""
    told = []
    if any(is_emulated(juror.entry.model) for juror in jury.jurors):
        told.append(EMULATED_NOTE)
    told += [juror.answering_model_note for juror in jury.jurors if juror.answering_model_note]
    told += [f"{self_preference_warning(juror.name, juror.kin)}." for juror in jury.jurors if juror.kin]
    told.append(ORDER_ROBUST_NOTE)
    if jury.left_out:
        told.append(f"left out as kin of a contestant: {', '.join(jury.left_out)}")
    if isinstance(jury.alpha, float):
        told.append(
            f"Krippendorff's α over the {len(jury.alike)} models asked with the same words: {jury.alpha:.2f}"
        )
    refused = {str(pair.kappa) for pair in jury.agreements.values() if isinstance(pair.kappa, NotEstimable)}
    told += sorted(refused)
    if jury.pooled is not None and jury.pooled.note:
        told.append(jury.pooled.note)
    if len(jury.jurors) == 1:
        told.append("one judge only: there is nothing to agree with. Ask another with --judge.")
    elif jury.agreements:
        told.append(
            "Agreement is no accuracy: judges may share a taste. “At most”: what their own shares of each "
            "answer allow. Order of authors: τ-b over the authors both judged against B, from three on."
        )
    return told
