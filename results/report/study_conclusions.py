"""Conclusion of a report with several pairs of authors, one sentence per group of opponents.

Students against their bases come first, then students against format controls: a win over the base only is a
matter of format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.analysis.contest_results import ContestResult
from results.render.format import format_count, format_percent, format_range
from results.report.author_roles import AuthorRole
from results.report.conclusions import Conclusion, conclude_pair, format_notes
from results.report.context import AuthorPair, ReportContext

_FEW = 3  # pairs that each get a sentence of their own
_POINTS = 0.10
_OPPONENTS = {
    AuthorRole.BASE: "the uncut base",
    AuthorRole.TRUNCATED_BASE: "the base, cut to its first turn and 97 words",
    AuthorRole.LOW_RATED: "the student trained on low-rated responses",
}


@dataclass(frozen=True, slots=True)
class JudgeRate:
    """A contest from the point of view of one author; rates in [0, 1]."""

    judge: str
    name: str
    rate: float
    low: float
    high: float
    n: int
    order_robust: tuple[float, float]

    @property
    def direction(self) -> int:
        """Return 1 if the author is preferred, −1 if the opponent is, 0 if undecided."""
        return 1 if self.low > 0.5 else -1 if self.high < 0.5 else 0


def judge_rate(judged: ContestResult, *, mirrored: bool) -> JudgeRate | None:
    """Return the rate of A, or of B if mirrored; None without a rate."""
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


def student_pairs(material: ReportContext, role: AuthorRole) -> list[tuple[AuthorPair, bool]]:
    """Return the pairs of a student and an opponent with this role, and whether the student is B."""
    pairs_of_role = []
    for pair in material.pairs:
        a, b = (material.authors[author.id].role for author in (pair.a, pair.b))
        if a is AuthorRole.STUDENT and b is role:
            pairs_of_role.append((pair, False))
        elif b is AuthorRole.STUDENT and a is role:
            pairs_of_role.append((pair, True))
    return pairs_of_role


def headline_lines(material: ReportContext) -> Conclusion | None:
    """Return the conclusion at the top of a report; None without contests."""
    if not material.pairs:
        return None
    if len(material.pairs) > 1:
        return _several_pairs(material)
    conclusion = conclude_pair(material.pairs[0], material.seed)
    return Conclusion(conclusion.sentence, (*conclusion.also, *format_notes(material)))


def _several_pairs(material: ReportContext) -> Conclusion:
    groups = [
        (description, pairs)
        for role, description in _OPPONENTS.items()
        if (pairs := student_pairs(material, role))
    ]
    also: list[str] = []
    if groups:
        sentence = _summarize_group(groups[0][1], groups[0][0])
        also += _disagreement(groups[0][1])
        also += [_summarize_group(pairs, description) for description, pairs in groups[1:]]
    elif len(material.pairs) <= _FEW:
        answers = [conclude_pair(pair, material.seed) for pair in material.pairs]
        sentence = " ".join(conclusion.sentence for conclusion in answers)
        also += [line for conclusion in answers for line in conclusion.also]
    else:
        sentence = _summarize_group([(pair, False) for pair in material.pairs], "the author it met")
    return Conclusion(
        sentence, tuple(dict.fromkeys([*also, *_same_family_notes(material), *format_notes(material)]))
    )


def _same_family_notes(material: ReportContext) -> list[str]:
    """Return one sentence per judge of an author's family."""
    families: dict[str, dict[str, str]] = {}
    for pair in material.pairs:
        for judged in pair.speaking:
            for same_family in judged.contest.same_family:
                families.setdefault(judged.contest.judge, {})[same_family.set_id] = same_family.family
    return [
        f"{judge} is of the same family ({' and '.join(sorted(set(sets.values())))}) as "
        f"{format_count(len(sets), 'author')}, or as who taught them: it may favour them (self-preference)."
        for judge, sets in families.items()
    ]


def _summarize_group(pairs: Sequence[tuple[AuthorPair, bool]], opponent: str) -> str:
    """Summarise the contests against one kind of opponent, one clause per judge."""
    by_judge: dict[str, list[JudgeRate]] = {}
    unrated = 0
    for pair, mirrored in pairs:
        for judged in pair.speaking:
            seen = judge_rate(judged, mirrored=mirrored)
            unrated += seen is None
            if seen:
                by_judge.setdefault(judged.contest.judge, []).append(seen)
    if not by_judge:
        n_contests = format_count(len(pairs), "contest")
        return f"No complete dialogue yet: {n_contests} against {opponent}."
    clauses = "; ".join(_clause(judge, seen) for judge, seen in by_judge.items())
    authors = (
        format_count(len(pairs), "student")
        if opponent != "the author it met"
        else format_count(len(pairs), "author")
    )
    open_told = f" {format_count(unrated, 'contest')} without a rate yet." if unrated else ""
    brackets = _interval_note([rate for rates in by_judge.values() for rate in rates])
    return f"Of {authors} against {opponent}: {clauses}; {brackets}.{open_told}"


def _clause(judge: str, seen: Sequence[JudgeRate]) -> str:
    ordered = sorted(seen, key=lambda rate: (rate.rate, rate.name))
    counts = [sum(rate.direction == way for rate in seen) for way in (1, -1, 0)]
    clauses = [f"prefers {_count(counts[0], len(seen))}"]
    if counts[1]:
        clauses.append(f"prefers the opponent of {counts[1]}")
    if counts[2]:
        clauses.append(f"leaves {_count(counts[2], len(seen))} open")
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    low, high = ordered[0], ordered[-1]
    if len(ordered) == 1:
        return f"{judge} {listed}, with a win rate of {_rate(low)}"
    if len(ordered) == 2:
        return f"{judge} {listed}, with win rates of {_rate(low)} and {_rate(high)}"
    return f"{judge} {listed}, with win rates from {_rate(low)} to {_rate(high)}"


def _interval_note(seen: Sequence[JudgeRate]) -> str:
    """Return the explanation of the intervals and the number of dialogues."""
    counts = sorted({rate.n for rate in seen})
    over = (
        format_count(counts[0], "dialogue") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} dialogues"
    )
    return f"in brackets 95\u00a0% intervals, over {over}"


def _count(count: int, total: int) -> str:
    return (
        "none"
        if not count
        else "it"
        if total == 1
        else "both"
        if count == total == 2
        else (f"all {total}" if count == total else str(count))
    )


def _rate(seen: JudgeRate) -> str:
    return f"{format_percent(seen.rate)} [{format_range(seen.low, seen.high)}]"


def _disagreement(pairs: Sequence[tuple[AuthorPair, bool]]) -> list[str]:
    """Return a sentence if judges disagree in sign or by more than 10 points."""
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
    phrases = [f"on which of the two is better for {sign} of {compared}"] if sign else []
    phrases += [f"by more than 10 points for {apart} of {compared}"] if apart else []
    return [f"The judges disagree {' and '.join(phrases)}."]
