"""A contest as a JSON document, and the caveats of contests."""

from __future__ import annotations

from collections.abc import Iterable

from agents.models.family import FamilyMatch, self_preference_warning
from results.analysis.contest_results import ContestResult
from results.analysis.early_stopping import StoppingResult
from results.queries.contests import Contest
from results.render.documents import (
    ContestDocument,
    InterimLookDocument,
    LengthControlDocument,
    LengthDocument,
    ParserVersionsDocument,
    RangeDocument,
    SameFamilyDocument,
    SingleOrderDocument,
    SingleOrdersDocument,
    SoftDocument,
    StoppingDocument,
)
from results.statistics import LengthControl, NotEstimable, SingleOrder, WinRate

SINGLE_ORDER_NOTE = (
    "the paper's single-order estimator with the named judge prompt (default: ours); unscored judgments "
    "stay in the denominator"
)


def contest_document(result: ContestResult) -> ContestDocument:
    """Return a contest as JSON data.

    After early stopping, every estimate whose interval is for a fixed number of dialogues is None: only the
    confidence sequence is valid.
    """
    contest, hard, stopped = result.contest, result.hard, result.stopped
    lost, won = hard.missing_lost, hard.missing_won
    return ContestDocument(
        a=contest.a.name,
        b=contest.b.name,
        judge=contest.judge,
        judge_id=contest.judge_id,
        win_rate=hard.rate,
        low=hard.low,
        high=hard.high,
        level=hard.level,
        interval=hard.interval_method,
        scope=hard.scope,
        n=hard.n,
        incomplete=hard.incomplete,
        bounds=range_document(hard.bound_low, hard.bound_high),
        worst_case=range_document(lost.low if lost else None, won.high if won else None),
        order_robust=range_document(*hard.order_robust),
        soft=None if result.soft is None else _soft(result.soft),
        single_orders=_single_orders(hard),
        length=_length(result),
        ties=hard.ties,
        consistency=hard.consistency,
        first_position_rate=hard.first_position_rate,
        repetition_stability=hard.repetition_stability,
        unlisted_mass=hard.unlisted_mass,
        expected_judgments=contest.expected,
        unscored=result.unscored,
        not_judged=hard.not_judged,
        retried_judgments=contest.asked_again,
        answering_models=dict(contest.answering_models),
        several_answering_models=len(contest.answering_models) > 1,
        answers_left_out=contest.left_out,
        parser_versions=ParserVersionsDocument(**contest.readings.to_dict()),  # type: ignore[typeddict-item]
        samples=contest.samples,
        temperature=contest.temperature,
        repeatability=repeatability(contest),
        cost_usd=contest.cost_usd,
        unanswered_cost_usd=result.unanswered_usd,
        emulated=result.is_emulated,
        control=result.is_control,
        same_family=same_family_documents(contest.same_family),
        stopping=None if stopped is None else _stopping(stopped),
        note=hard.note,
    )


def range_document(low: float | None, high: float | None) -> RangeDocument:
    """Return two ends as JSON data."""
    return RangeDocument(low=low, high=high)


def same_family_documents(matches: Iterable[FamilyMatch]) -> list[SameFamilyDocument]:
    """Return authors of a judge's model family as JSON data."""
    return [SameFamilyDocument(author=match.author, family=match.family, why=match.why) for match in matches]


def _soft(soft: WinRate) -> SoftDocument:
    return SoftDocument(
        win_rate=soft.rate, low=soft.low, high=soft.high, interval=soft.interval_method, n=soft.n
    )


def _single_orders(rate: WinRate) -> SingleOrdersDocument:
    return SingleOrdersDocument(
        note=SINGLE_ORDER_NOTE, a_first=_single(rate.a_first), b_first=_single(rate.b_first)
    )


def _single(order: SingleOrder) -> SingleOrderDocument:
    return SingleOrderDocument(win_rate=order.rate, low=order.low, high=order.high, n=order.n)


def _length(result: ContestResult) -> LengthDocument:
    lengths = result.lengths
    return LengthDocument(
        words_a=lengths.words_a,
        words_b=lengths.words_b,
        a_longer=lengths.a_longer,
        longer_wins=lengths.longer_wins,
        control=_length_control(lengths.control),
    )


def _length_control(control: LengthControl | NotEstimable) -> LengthControlDocument:
    if isinstance(control, NotEstimable):
        names = LengthControlDocument.__annotations__
        return LengthControlDocument(**{**dict.fromkeys(names), "not_estimable": control.reason})  # type: ignore[typeddict-item]
    return LengthControlDocument(
        win_rate=control.rate,
        low=control.low,
        high=control.high,
        level=control.level,
        plain=control.plain,
        effect=control.effect,
        longer=control.longer,
        shorter=control.shorter,
        n=control.n,
        wording=control.wording,
        unit=control.unit,
        scope=control.scope,
        not_estimable=None,
    )


def _stopping(stopped: StoppingResult) -> StoppingDocument:
    sequence = stopped.sequence
    return StoppingDocument(
        stop_when=stopped.until.spec["until"],
        estimand=str(sequence.estimand),
        rule_met=stopped.answered,
        finished=stopped.finished,
        decided=sequence.decided,
        known_for_these_dialogues=sequence.known,
        better=sequence.better,
        exact=stopped.is_exact,
        n_contests=sequence.n_contests,
        dialogues=sequence.prefix,
        total_dialogues=sequence.total,
        interim_looks=stopped.looked,
        path=[InterimLookDocument(dialogues=n, low=low, high=high) for n, low, high in stopped.path],
        judgments=stopped.requested,
        beyond=stopped.beyond,
        saved=stopped.saved,
        saved_usd=stopped.saved_usd,
    )


def repeatability(contest: Contest) -> str:
    """Return what the repetitions measure; "" with one sample."""
    if contest.samples < 2:
        return ""
    if contest.temperature is None:
        return "at the provider's own temperature"
    if contest.temperature == 0.0:
        return "at temperature 0, the setting used for single verdicts"
    return f"at temperature {contest.temperature:g}"


def answering_model_caveats(contests: Iterable[Contest]) -> list[str]:
    """Return the warnings about judges whose name other models answered under."""
    return list(dict.fromkeys(note for contest in contests if (note := contest.answering_model_note)))


def self_preference_caveats(contests: Iterable[Contest]) -> list[str]:
    """Return the self-preference warnings of judges of an author's family."""
    return [
        f"{self_preference_warning(contest.judge, contest.same_family)}."
        for contest in contests
        if contest.same_family
    ]
