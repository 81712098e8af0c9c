"""Sentences of a report: the conclusion with its uncertainty, and the caveats.

All numbers come from the statistics. Shares are in percent with one decimal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.author_names import is_from_dataset
from agents.models.family import self_preference_warning
from results.analysis.contest_results import ContestResult
from results.render.contest import SINGLE_ORDER_NOTE
from results.render.format import format_count, format_percent, format_range
from results.report.author_roles import AuthorRole
from results.report.context import AuthorPair, ReportContext
from results.statistics import pooled_over_judges

TINY_NOTE = (
    "Tiny: the base and the students of this report are tiny models, built to rehearse the pipeline. Their "
    "results have no meaning."
)
UNCUT_NOTE = (
    "is untrained and not truncated: it continues past its response, so any model that stops in time beats "
    "it. A win over it is no evidence of empathy; compare with the format controls."
)
NO_CONTROLS_NOTE = (
    "No format control was judged: the share of a win over the base that is due to format is unknown."
)
TEST_SPLIT_NOTE = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)
_POINTS = 0.10
_SATURATED = 0.9
_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Conclusion of a report: one sentence and its necessary remarks."""

    sentence: str
    also: tuple[str, ...]


def conclude_pair(pair: AuthorPair, seed: int) -> Conclusion:
    """State which author of a pair is preferred, with the necessary remarks.

    Judges that are models decide; control judges (baselines) only if there are no others.
    """
    a, b = pair.a.name, pair.b.name
    models = [judged for judged in pair.judged if not judged.is_control]
    speaking = models or list(pair.judged)
    rated = [judged for judged in speaking if judged.hard.rate is not None]
    also = _incomplete_notes(pair, speaking)
    if not rated:
        nothing = all(not len(judged.contest.columns) for judged in speaking)
        sentences = "No judgments yet" if nothing else "No complete dialogue yet"
        judges = _listed([judged.contest.judge for judged in speaking])
        also.append("Repeat the command at the end of this report; only missing judgments are requested.")
        return Conclusion(f"{sentences}: {a} against {b}, by {judges}.", tuple(also))
    if len(rated) == 1:
        sentence = _by_one(rated[0], a, b)
    else:
        sentence = _by_several(rated, a, b)
        pooled = pooled_over_judges(
            {judged.contest.judge_id: judged.contest.columns for judged in rated}, seed=seed
        )
        if pooled.disagree_on_sign:
            also.insert(0, "The judges disagree on which author is better.")
        if pooled.disagree_by_points and pooled.highest is not None and pooled.lowest is not None:
            also.insert(
                0, f"The judges' win rates lie {100 * (pooled.highest - pooled.lowest):.1f} points apart."
            )
    also += [note for judged in speaking if (note := judged.contest.answering_model_note)]
    also += [
        f"{self_preference_warning(judged.contest.judge, judged.contest.same_family)}."
        for judged in speaking
        if judged.contest.same_family
    ]
    also += _control_notes(rated, [judged for judged in pair.judged if judged not in speaking])
    if not models:
        also.append("Only control judges took part; they are baselines that a judge must beat.")
    return Conclusion(sentence, tuple(also))


def format_notes(material: ReportContext) -> list[str]:
    """Return a note for each base among the authors: a win over it may be a matter of format."""
    roles = {author.role for author in material.authors.values()}
    sentences = [
        f"{author.name} {UNCUT_NOTE}"
        for author in material.authors.values()
        if author.role is AuthorRole.BASE
    ]
    if roles & {AuthorRole.STUDENT} and sentences and not any(role.is_format_control for role in roles):
        sentences.append(NO_CONTROLS_NOTE)
    return sentences


def _direction(judged: ContestResult) -> int:
    """Return 1 if A is preferred, −1 if B is, 0 if the interval contains ½."""
    hard = judged.hard
    if hard.low is not None and hard.low > 0.5:
        return 1
    return -1 if hard.high is not None and hard.high < 0.5 else 0


def _level(judged: ContestResult) -> str:
    return f"{100 * judged.hard.level:g} %"


def _by_one(judged: ContestResult, a: str, b: str) -> str:
    hard, judge = judged.hard, judged.contest.judge
    direction = _direction(judged)
    verdict_text = {
        1: f"{judge} prefers {a} to {b}",
        -1: f"{judge} prefers {b} to {a}",
        0: f"{judge} does not decide between {a} and {b}",
    }[direction]
    return (
        f"{verdict_text}: the win rate of {a} is {format_percent(hard.rate)} ({_level(judged)} interval "
        f"{format_range(hard.low, hard.high)}; order-robust {format_range(*hard.order_robust)}) over "
        f"{format_count(hard.n, 'dialogue')}, each judged in both orders."
    )


def _by_several(rated: Sequence[ContestResult], a: str, b: str) -> str:
    verdict_text = _combine_directions([_direction(judged) for judged in rated], a, b)
    ordered = sorted(rated, key=lambda judged: (judged.hard.rate or 0.0, judged.contest.judge))
    sentences = [
        f"{format_percent(judged.hard.rate)} by {judged.contest.judge} ({_level(judged)} interval "
        f"{format_range(judged.hard.low, judged.hard.high)}; order-robust "
        f"{format_range(*judged.hard.order_robust)}; {format_count(judged.hard.n, 'dialogue')})"
        for judged in (ordered[0], ordered[-1])
    ]
    if len(rated) == 2:
        return f"{verdict_text}: the win rate of {a}, over both orders, is {sentences[0]} and {sentences[1]}."
    return (
        f"{verdict_text}: the win rate of {a}, over both orders, lies from {sentences[0]} to {sentences[1]}."
    )


def _combine_directions(directions: Sequence[int], a: str, b: str) -> str:
    """Combine the directions of several judges (1 for A, −1 for B, 0 undecided) into a clause."""
    count = len(directions)
    if {1, -1} <= set(directions):
        return f"The {count} judges contradict each other about {a} and {b}"
    decided = sum(direction != 0 for direction in directions)
    better, worse = (b, a) if -1 in directions else (a, b)
    if decided == count:
        return f"{_all(count)} prefer {better} to {worse}"
    if not decided:
        return f"{_all(count)} do not decide between {a} and {b}"
    some = f"{decided} of {count} judges {'prefers' if decided == 1 else 'prefer'} {better} to {worse}"
    return f"{some}; {count - decided} {'does' if count - decided == 1 else 'do'} not decide"


def _all(count: int) -> str:
    return {2: "Both judges", 3: "All three judges"}.get(count, f"All {count} judges")


def _incomplete_notes(pair: AuthorPair, speaking: Sequence[ContestResult]) -> list[str]:
    """Return a sentence for each judge with incomplete dialogues."""
    sentences = []
    for judged in speaking:
        hard = judged.hard
        if hard.incomplete and len(judged.contest.columns):
            sentences.append(
                f"{judged.contest.judge}: {format_count(hard.incomplete, 'dialogue')} of "
                f"{len(judged.contest.dialogues)} incomplete; with every missing verdict against "
                f"{pair.a.name}, or for it, the rate over all of them would be "
                f"{format_range(hard.bound_low, hard.bound_high)}."
            )
    return sentences


def _control_notes(rated: Sequence[ContestResult], controls: Sequence[ContestResult]) -> list[str]:
    """Name the control judges that differ by more than 10 points or in sign."""
    rates = [judged.hard.rate for judged in rated if judged.hard.rate is not None]
    differing = [
        control
        for control in controls
        if control.hard.rate is not None and any(_differ(control.hard.rate, rate) for rate in rates)
    ]
    if not differing:
        return []
    sentences = _listed(
        [f"{control.contest.judge} {format_percent(control.hard.rate)}" for control in differing]
    )
    return [f"Control judges (baselines) differ by more than 10 points or in sign: {sentences}."]


def _differ(first: float, second: float) -> bool:
    return abs(first - second) > _POINTS + _NOISE or (first - 0.5) * (second - 0.5) < -_NOISE


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def caveats(material: ReportContext) -> list[str]:
    """Return the limits of the report's numbers."""
    contests = [judged for pair in material.pairs for judged in pair.judged]
    sentences = [
        f"Every interval is {contests[0].hard.scope}. It does not extend to other trainings, prompts or "
        "judges, and win rates do not measure what a person in need would have felt.",
        "Every pair was judged in both orders and the rate is balanced over order. This does not remove "
        "position bias in general: an additive bias cancels unless probabilities are clipped, but a bias on "
        "the logit scale can move the rate either way, even across 50\u00a0%. The order-robust bounds hold "
        "for any bias.",
        f"“A first” and “B first” are single-order estimates: {SINGLE_ORDER_NOTE}.",
    ]
    if sum(author.role is AuthorRole.STUDENT for author in material.authors.values()) > 1:
        sentences.append(
            "Students of different strategies or methods are single checkpoints: except for results over "
            "several training seeds, a difference is one between checkpoints, not between strategies. The "
            "best of many, selected by these numbers, is overestimated: select on development dialogues."
        )
    spoken = [judged.hard.rate or 0.0 for pair in material.pairs for judged in pair.speaking]
    if len(material.pairs) > 1 and max(spoken) > _SATURATED:
        sentences.append(
            "A win rate over 90\u00a0% means that the opponent is too weak to separate students: compare "
            "them head to head with empathy compare."
        )
    if any(judged.hard.incomplete for judged in contests):
        sentences.append(
            "An unscored judgment makes its dialogue incomplete: it is counted and left out of the rate, "
            "never a loss or a tie. The bounds show the largest possible effect of incomplete dialogues; "
            "they are not a confidence interval."
        )
    sentences += list(
        dict.fromkeys(
            note for judged in contests if (note := judged.contest.readings.note(judged.contest.judge))
        )
    )
    if any(judged.soft is not None for judged in contests):
        sentences.append(
            "The soft win rate uses the judge's probabilities, the hard one its stated verdicts: two "
            "measurements, never mixed."
        )
    if material.spec.get("split") == "test" and any(_is_dataset_pair(pair) for pair in material.pairs):
        sentences.append(TEST_SPLIT_NOTE)
    if any(judged.is_control for judged in contests):
        sentences.append(
            "Judges named control/… are baselines without an API key, not judges of empathy. "
            "control/ratings, fitted on human ratings, is only slightly better than chance."
        )
    sentences.append(
        "Length is also an effect of training: the win rate at equal length is an association given length, "
        "not the result of responses of equal length."
    )
    notes = {f"{judged.contest.judge}: {judged.hard.note}." for judged in contests if judged.hard.note}
    return sentences + sorted(notes)


def _is_dataset_pair(pair: AuthorPair) -> bool:
    return any(is_from_dataset(response_set.author) for response_set in (pair.a, pair.b))
