"""The answer of a page with several pairs of authors: what each judge says of all of them, in a sentence.

Students against their bases come first, then students against the format controls: what is won over the one
and not over the others is form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.report.author_roles import AuthorRole
from results.report.conclusions import Answer, answer, between, counted, form_notes, percent
from results.report.context import AuthorPair, JudgedContest, ReportContext

_FEW = 3  # pairs that each get a sentence of their own
_POINTS = 0.10
_OPPONENTS = {
    AuthorRole.BASE: "the uncut base",
    AuthorRole.TRUNCATED_BASE: "the base, cut to its first turn and 97 words",
    AuthorRole.LOW_RATED: "the student trained on low-rated responses",
}


@dataclass(frozen=True, slots=True)
class JudgeRate:
    """One contest from the side of the author that the sentence is about; rates in [0, 1]."""

    judge: str
    name: str
    rate: float
    low: float
    high: float
    n: int
    order_robust: tuple[float, float]

    @property
    def direction(self) -> int:
        """1 where the author is preferred, −1 where the opponent is, 0 where it is open."""
        return 1 if self.low > 0.5 else -1 if self.high < 0.5 else 0


def judge_rate(judged: JudgedContest, *, mirrored: bool) -> JudgeRate | None:
    """A contest from its A's side, or from its B's; None without a rate."""
    hard, contest = judged.hard, judged.contest
    if hard.rate is None or hard.low is None or hard.high is None:
        return None
    name = (contest.b if mirrored else contest.a).name
    robust = hard.order_robust_low or 0.0, 1.0 if hard.order_robust_high is None else hard.order_robust_high
    if mirrored:
        robust = 1.0 - robust[1], 1.0 - robust[0]
        return JudgeRate(
            contest.judge, name, 1.0 - hard.rate, 1.0 - hard.high, 1.0 - hard.low, hard.n, robust
        )
    return JudgeRate(contest.judge, name, hard.rate, hard.low, hard.high, hard.n, robust)


def sided(material: ReportContext, role: AuthorRole) -> list[tuple[AuthorPair, bool]]:
    """The pairs of a student and an opponent of a role, and whether the student is B."""
    found = []
    for pair in material.pairs:
        a, b = (material.authors[of.id].role for of in (pair.a, pair.b))
        if a is AuthorRole.STUDENT and b is role:
            found.append((pair, False))
        elif b is AuthorRole.STUDENT and a is role:
            found.append((pair, True))
    return found


def headline_lines(material: ReportContext) -> Answer | None:
    """What stands on top of a page; None where nothing says yet who meets whom."""
    if not material.pairs:
        return None
    if len(material.pairs) > 1:
        return _of_several(material)
    one = answer(material.pairs[0], material.seed)
    return Answer(one.sentence, (*one.also, *form_notes(material)))


def _of_several(material: ReportContext) -> Answer:
    groups = [(told, pairs) for role, told in _OPPONENTS.items() if (pairs := sided(material, role))]
    also: list[str] = []
    if groups:
        sentence = _all_of(groups[0][1], groups[0][0])
        also += _disagreement(groups[0][1])
        also += [_all_of(pairs, told) for told, pairs in groups[1:]]
    elif len(material.pairs) <= _FEW:
        answers = [answer(pair, material.seed) for pair in material.pairs]
        sentence = " ".join(one.sentence for one in answers)
        also += [line for one in answers for line in one.also]
    else:
        sentence = _all_of([(pair, False) for pair in material.pairs], "the author it met")
    return Answer(sentence, tuple(dict.fromkeys([*also, *_kin(material), *form_notes(material)])))


def _kin(material: ReportContext) -> list[str]:
    """Judges of an author's family, in short; the section on the judges names the authors."""
    found: dict[str, dict[str, str]] = {}
    for pair in material.pairs:
        for judged in pair.speaking:
            for same_family in judged.contest.same_family:
                found.setdefault(judged.contest.judge, {})[same_family.set_id] = same_family.family
    return [
        f"{judge} is of the same family ({' and '.join(sorted(set(sets.values())))}) as "
        f"{counted(len(sets), 'author')}, or as who taught them: it may favour its own."
        for judge, sets in found.items()
    ]


def _all_of(pairs: Sequence[tuple[AuthorPair, bool]], opponent: str) -> str:
    """What every judge says of these, one clause a judge."""
    by_judge: dict[str, list[JudgeRate]] = {}
    lacking = 0
    for pair, mirrored in pairs:
        for judged in pair.speaking:
            seen = judge_rate(judged, mirrored=mirrored)
            lacking += seen is None
            if seen:
                by_judge.setdefault(judged.contest.judge, []).append(seen)
    if not by_judge:
        told = counted(len(pairs), "contest")
        return f"Nothing has been judged in both orders yet: {told} against {opponent}."
    clauses = "; ".join(_clause(judge, seen) for judge, seen in by_judge.items())
    authors = (
        counted(len(pairs), "student") if opponent != "the author it met" else counted(len(pairs), "author")
    )
    open_told = f" {counted(lacking, 'contest')} without a rate yet." if lacking else ""
    brackets = _brackets([one for of in by_judge.values() for one in of])
    return f"Of {authors} against {opponent}: {clauses}; {brackets}.{open_told}"


def _clause(judge: str, seen: Sequence[JudgeRate]) -> str:
    ordered = sorted(seen, key=lambda one: (one.rate, one.name))
    counts = [sum(one.direction == way for one in seen) for way in (1, -1, 0)]
    told = [f"prefers {_count(counts[0], len(seen))}"]
    if counts[1]:
        told.append(f"prefers the opponent of {counts[1]}")
    if counts[2]:
        told.append(f"leaves {_count(counts[2], len(seen))} open")
    listed = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    low, high = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return f"{judge} {listed}, with a win rate of {_rate(low)}"
    if len(ordered) == 2:
        return f"{judge} {listed}, with win rates of {_rate(low)} and {_rate(high)}"
    return f"{judge} {listed}, with win rates from {_rate(low)} to {_rate(high)}"


def _brackets(seen: Sequence[JudgeRate]) -> str:
    """What stands in brackets, and over how many dialogues."""
    counts = sorted({one.n for one in seen})
    over = counted(counts[0], "dialogue") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} dialogues"
    return f"in brackets 95\u00a0% intervals, over {over}"


def _count(count: int, of: int) -> str:
    return (
        "none"
        if not count
        else "it"
        if of == 1
        else "both"
        if count == of == 2
        else (f"all {of}" if count == of else str(count))
    )


def _rate(seen: JudgeRate) -> str:
    return f"{percent(seen.rate)} [{between(seen.low, seen.high)}]"


def _disagreement(pairs: Sequence[tuple[AuthorPair, bool]]) -> list[str]:
    """Where judges disagree on the sign, or by more than 10 points."""
    sign, apart, compared = 0, 0, 0
    for pair, mirrored in pairs:
        rates = [
            seen.rate
            for judged in pair.speaking
            if (seen := judge_rate(judged, mirrored=mirrored)) is not None
        ]
        if len(rates) < 2:
            continue
        compared += 1
        sign += min(rates) < 0.5 < max(rates)
        apart += max(rates) - min(rates) > _POINTS + 1e-9
    if not compared or not (sign or apart):
        return []
    told = [f"on which of the two is better for {sign} of {compared}"] if sign else []
    told += [f"by more than 10 points for {apart} of {compared}"] if apart else []
    return [f"The judges disagree {' and '.join(told)}."]
