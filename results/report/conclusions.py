"""The page's sentences: the answer with its uncertainty, and what the numbers do not say.

Words only: every number comes from the statistics. Shares are told in percent with one decimal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agents.models.family import self_preference_warning
from results.report.author_roles import AuthorRole
from results.report.context import AuthorPair, JudgedContest, ReportContext
from results.statistics import pooled_over_judges

EMULATED_NOTE = (
    "Emulated: the answers of models named emulated-… come from an emulator, not from any real model. They "
    "rehearse a study and say nothing about empathy."
)
SINGLE_ORDER_NOTE = (
    "the paper's estimator, by the judge's prompt as named (else ours); unscored in the denominator"
)
TINY_NOTE = (
    "Tiny: base and students of this page are toys, built on the spot to rehearse the whole chain. What they "
    "say, win or lose means nothing."
)
UNCUT_NOTE = (
    "is untrained and not cut: it rambles past its answer, and whoever learned to stop will beat it. A win "
    "over it is not called a gain in empathy; the format controls say how much of it is form."
)
NO_CONTROLS_NOTE = (
    "No format control was judged here: how much of a win over the base is only form is not known."
)
TEST_SPLIT_NOTE = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)
NONE = "–"
_SPACE = "\u00a0"  # between a number and its unit: never broken over two lines
_POINTS = 0.10
_SATURATED = 0.9
_NOISE = 1e-9


def percent(share: float | None) -> str:
    """`61.6 %`, or a dash where there is none."""
    return NONE if share is None else f"{100 * share:.1f}{_SPACE}%"


def whole_percent(share: float) -> str:
    """`62 %`: enough beside a single verdict."""
    return f"{100 * share:.0f}{_SPACE}%"


def between(low: float | None, high: float | None) -> str:
    """`55.2 to 67.8 %`, or a dash."""
    return NONE if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}{_SPACE}%"


def money(usd: float | None) -> str:
    """US dollars; unknown is unknown."""
    return "not known" if usd is None else f"${usd:.4f}"


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 dialogue`, `250 dialogues`."""
    return f"{number:,}{_SPACE}{thing if number == 1 else things or thing + 's'}"


def reasons(unscored: Mapping[str, int]) -> str:
    """`3: refused 2, truncated 1`."""
    if not unscored:
        return "0"
    told = ", ".join(f"{reason}{_SPACE}{count}" for reason, count in sorted(unscored.items()))
    return f"{sum(unscored.values())}: {told}"


def points(difference: float | None) -> str:
    """`+4.2`, a difference of shares in points, or a dash."""
    return NONE if difference is None else f"{100 * difference:+.1f}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """`1 h 12 min`, `3 min 20 s`, `4.2 s`."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f}{_SPACE}s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min {left}{_SPACE}s"
    return f"{minutes // 60}{_SPACE}h {minutes % 60}{_SPACE}min"


def moment(seconds: float | None) -> str:
    """A time as people read it, in UTC."""
    if seconds is None:
        return "not ended: still going, or killed"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands on top: one sentence, and what must be said with it."""

    sentence: str
    also: tuple[str, ...]


def answer(pair: AuthorPair, seed: int) -> Answer:
    """The answer to "which of the two is preferred?" in one sentence, with what must stand beside it.

    The models speak where there are any; control judges, the floor, where there are only they.
    """
    a, b = pair.a.name, pair.b.name
    models = [judged for judged in pair.judged if not judged.is_control]
    speaking = models or list(pair.judged)
    rated = [judged for judged in speaking if judged.hard.rate is not None]
    also = _unfinished(pair, speaking)
    if not rated:
        nothing = all(not len(judged.contest.columns) for judged in speaking)
        told = "Nothing has been judged yet" if nothing else "No dialogue has a verdict in both orders yet"
        judges = _listed([judged.contest.judge for judged in speaking])
        also.append("Go on with the command at the end of this page: only what is missing is asked.")
        return Answer(f"{told}: {a} against {b}, by {judges}.", tuple(also))
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
    also += _against_controls(rated, [judged for judged in pair.judged if judged not in speaking])
    if not models:
        also.append("Only control judges were asked: they are the floor a judge must beat.")
    return Answer(sentence, tuple(also))


def form_notes(material: ReportContext) -> list[str]:
    """What must be said of a base among the authors: a win over it may be a win of form."""
    roles = {author.role for author in material.authors.values()}
    told = [
        f"{author.name} {UNCUT_NOTE}"
        for author in material.authors.values()
        if author.role is AuthorRole.BASE
    ]
    if roles & {AuthorRole.STUDENT} and told and not any(role.is_format_control for role in roles):
        told.append(NO_CONTROLS_NOTE)
    return told


def _direction(judged: JudgedContest) -> int:
    """1 where A is preferred, −1 where B is, 0 where the interval leaves it open."""
    hard = judged.hard
    if hard.low is not None and hard.low > 0.5:
        return 1
    return -1 if hard.high is not None and hard.high < 0.5 else 0


def _level(judged: JudgedContest) -> str:
    return f"{100 * judged.hard.level:g}{_SPACE}%"


def _by_one(judged: JudgedContest, a: str, b: str) -> str:
    hard, judge = judged.hard, judged.contest.judge
    direction = _direction(judged)
    said = {
        1: f"{judge} prefers {a} to {b}",
        -1: f"{judge} prefers {b} to {a}",
        0: f"{judge} leaves open which of {a} and {b} is better",
    }[direction]
    return (
        f"{said}: the win rate of {a} is {percent(hard.rate)} ({_level(judged)} interval "
        f"{between(hard.low, hard.high)}; order-robust {between(*hard.order_robust)}) over "
        f"{counted(hard.n, 'dialogue')}, each judged in both orders."
    )


def _by_several(rated: Sequence[JudgedContest], a: str, b: str) -> str:
    said = _together([_direction(judged) for judged in rated], a, b)
    ordered = sorted(rated, key=lambda judged: (judged.hard.rate or 0.0, judged.contest.judge))
    told = [
        f"{percent(judged.hard.rate)} by {judged.contest.judge} ({_level(judged)} interval "
        f"{between(judged.hard.low, judged.hard.high)}; order-robust {between(*judged.hard.order_robust)}; "
        f"{counted(judged.hard.n, 'dialogue')})"
        for judged in (ordered[0], ordered[-1])
    ]
    if len(rated) == 2:
        return f"{said}: the win rate of {a}, over both orders, is {told[0]} and {told[1]}."
    return f"{said}: the win rate of {a}, over both orders, lies from {told[0]} to {told[1]}."


def _together(directions: Sequence[int], a: str, b: str) -> str:
    """What two or more judges say together: 1 for A, −1 for B, 0 for an open question."""
    count = len(directions)
    if {1, -1} <= set(directions):
        return f"The {count} judges contradict each other about {a} and {b}"
    decided = sum(direction != 0 for direction in directions)
    better, worse = (b, a) if -1 in directions else (a, b)
    if decided == count:
        return f"{_all(count)} prefer {better} to {worse}"
    if not decided:
        return f"{_all(count)} leave open which of {a} and {b} is better"
    some = f"{decided} of {count} judges {'prefers' if decided == 1 else 'prefer'} {better} to {worse}"
    return f"{some}, the {'other leaves' if count - decided == 1 else 'others leave'} it open"


def _all(count: int) -> str:
    return {2: "Both judges", 3: "All three judges"}.get(count, f"All {count} judges")


def _unfinished(pair: AuthorPair, speaking: Sequence[JudgedContest]) -> list[str]:
    """What is missing from the answer, in words."""
    told = []
    for judged in speaking:
        hard = judged.hard
        if hard.incomplete and len(judged.contest.columns):
            told.append(
                f"{judged.contest.judge}: {counted(hard.incomplete, 'dialogue')} of "
                f"{len(judged.contest.dialogues)} incomplete; with every missing verdict against "
                f"{pair.a.name}, or for it, the rate over all of them would be "
                f"{between(hard.bound_low, hard.bound_high)}."
            )
    return told


def _against_controls(rated: Sequence[JudgedContest], controls: Sequence[JudgedContest]) -> list[str]:
    """Control judges that say something else, by more than 10 points or on the other side of ½."""
    rates = [judged.hard.rate for judged in rated if judged.hard.rate is not None]
    other = [
        control
        for control in controls
        if control.hard.rate is not None and any(_differ(control.hard.rate, rate) for rate in rates)
    ]
    if not other:
        return []
    told = _listed([f"{control.contest.judge} {percent(control.hard.rate)}" for control in other])
    return [
        f"Control judges, the floor and no second opinion, differ by more than 10 points or in sign: {told}."
    ]


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > _POINTS + _NOISE or (one - 0.5) * (other - 0.5) < -_NOISE


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def caveats(material: ReportContext) -> list[str]:
    """What the numbers do not say, for this page."""
    judged = [one for pair in material.pairs for one in pair.judged]
    told = [
        f"Every interval is {judged[0].hard.scope}. It says nothing of other trainings, other prompts or "
        "other judges, and it does not measure what a person in need would have felt.",
        "Every pair was judged in both orders and the rate is balanced over order, which is not “bias "
        "removed”. A preference for a place that adds to the probability cancels as long as nothing is "
        "clipped; one that adds on the logit scale can move the rate either way, even across 50\u00a0%. "
        "The order-robust bounds assume nothing about it.",
        f"“A first” and “B first” are single-order estimates: {SINGLE_ORDER_NOTE}.",
    ]
    if sum(author.role is AuthorRole.STUDENT for author in material.authors.values()) > 1:
        told.append(
            "Students that differ in a strategy or a method are single checkpoints: but for what is told "
            "over several training seeds, a difference is one between these checkpoints, not between "
            "strategies. The best of many, picked by these very numbers, looks better than it is: choose on "
            "development dialogues."
        )
    spoken = [one.hard.rate or 0.0 for pair in material.pairs for one in pair.speaking]
    if len(material.pairs) > 1 and max(spoken) > _SATURATED:
        told.append(
            "Where a win rate is over 90\u00a0%, the opponent is too weak to tell students apart: compare "
            "them head to head, with empathy compare."
        )
    if any(one.hard.incomplete for one in judged):
        told.append(
            "An unscored judgment is never a loss, a tie or a silent drop: its dialogue is incomplete, left "
            "out of the rate and counted. The bounds say what all of them could have changed; they are not "
            "a confidence interval."
        )
    told += list(
        dict.fromkeys(note for one in judged if (note := one.contest.readings.note(one.contest.judge)))
    )
    if any(one.soft is not None for one in judged):
        told.append(
            "The soft win rate uses the judge's probabilities, the hard one its stated verdicts: two "
            "measurements, never mixed."
        )
    if material.spec.get("split") == "test" and any(_of_the_dataset(pair) for pair in material.pairs):
        told.append(TEST_SPLIT_NOTE)
    if any(one.is_control for one in judged):
        told.append(
            "Judges named control/… need no key and are no judges of empathy: they are the floor that a "
            "judge must beat. control/ratings, fitted on people's ratings, is only a little above chance."
        )
    told.append(
        "Length is also an effect of training: the win rate at equal length is an association given length, "
        "no answer to what would be if the responses were as long."
    )
    notes = {f"{one.contest.judge}: {one.hard.note}." for one in judged if one.hard.note}
    return told + sorted(notes)


def _of_the_dataset(pair: AuthorPair) -> bool:
    return any(of.author.startswith("dataset:") for of in (pair.a, pair.b))
