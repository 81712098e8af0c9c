"""A comparison for people: a table, what it comes to, and what must be known with it. Computes nothing.

What every line means stands in `docs/comparing.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agents.kinship import kin_note
from agents.vocabulary import ResponseSet
from harness.data.splits import Split
from harness.findings.compared import Compared, Everyone, JudgeAnswer, Place, SingleOrderTest, Strategies
from harness.findings.comparing import Gathered
from harness.runs.catalogue import name_of
from harness.showing.compared_data import is_any_emulated, looks_of, verdict
from harness.wording import EMULATED_NOTE, percent
from results.statistics import Difference, Refusal

if TYPE_CHECKING:
    from rich.table import Table

ONE_CHECKPOINT = (
    "Scope: over dialogues; these two checkpoints, these responses, this judge. A claim about a strategy "
    "needs several training seeds: name them with commas, A1,A2,A3."
)
CONDITIONED = (
    "The test split was chosen by low ratings: numbers about the dataset's own responders on it are "
    "conditioned on the outcome."
)


def points(difference: float | None) -> str:
    """`+7.2`, in points of a hundred."""
    return "-" if difference is None else f"{100 * difference:+.1f}"


def span(low: float | None, high: float | None) -> str:
    """`+3.1 to +11.0`, in points."""
    return "-" if low is None or high is None else f"{points(low)} to {points(high)}"


def p_value(p: float | None) -> str:
    """`0.012`, `< 0.001`."""
    return "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", header_style="bold", pad_edge=False, collapse_padding=True
    )
    for number, name in enumerate(columns):
        least = 21 if number == 0 else 16 if number == 1 else None
        table.add_column(name, justify="left" if number < 2 else "right", overflow="fold", min_width=least)
    return table


def _family(size: int) -> str:
    return "one test" if size < 2 else f"a family of {size} tests (Holm)"


def compared_table(of: Compared) -> Table:
    """One row a test; the primary one of each judge is marked."""
    first, second = (name_of(one) for one in of.gathered.authors)
    size = of.family_size
    interval = "95 %" if size < 2 else "95 %,\nsimultaneous"
    table = _table(
        f"{first} minus {second}, in points: {_family(size)}, {of.gathered.split} split",
        (
            "judge",
            "how",
            "first",
            "second",
            "difference",
            interval,
            "p",
            "p, Holm",
            "n",
            "detec-\ntable",
        ),
    )
    opponent = f"against {name_of(of.gathered.opponent)}"
    for one in of.judges:
        named = one.under.judge  # once
        for test in (one.answer.against_opponent, one.answer.head_to_head):
            if test is not None:
                mark = " *" if test.kind == one.answer.primary else ""
                how = opponent if test is one.answer.against_opponent else test.kind
                table.add_row(named, how + mark, *_cells(test))
                named = ""
        for order in one.single_orders:
            table.add_row("", f"McNemar, {order.order}", *_mcnemar_cells(order))
    return table


def _cells(test: Difference) -> tuple[str, ...]:
    return (
        percent(test.rate_first),
        percent(test.rate_second),
        points(test.difference),
        span(test.low, test.high),
        p_value(test.p),
        p_value(test.p_adjusted),
        str(test.n),
        "-" if test.detectable is None else f"{100 * test.detectable:.1f}",
    )


def _mcnemar_cells(one: SingleOrderTest) -> tuple[str, ...]:
    if isinstance(one.test, Refusal):
        return ("-",) * 8
    won = (f"only {one.test.only_first}", f"only {one.test.only_second}")
    return (*won, "-", "-", p_value(one.test.p), p_value(one.p_adjusted), str(one.test.n), "-")


def compared_lines(of: Compared) -> list[str]:
    """The answers, one sentence a judge, and what belongs to them."""
    first, second = (name_of(one) for one in of.gathered.authors)
    lines = []
    for one in of.judges:
        lines.append(f"{one.under.judge}: {_sentence(one, first, second, of.level)}")
    if of.disagree:
        lines.append(f"But {of.disagree}.")
    return lines


def _sentence(one: JudgeAnswer, first: str, second: str, level: float) -> str:
    test = one.answer.answer
    found = verdict(test, level)
    if not found:
        return f"nothing to say: {test.note}."
    said = f"{_told(test, found, first, second)}, {test.kind}."
    if found == "undecided":
        said += _more(one)
    other = one.answer.head_to_head
    if other is not None and other is not test and verdict(other, level) not in ("", found):
        said += f" But head to head, {_told(other, verdict(other, level), first, second)}."
    return said


def _told(test: Difference, found: str, first: str, second: str) -> str:
    by = f"{points(test.difference)} points ({span(test.low, test.high)}), p {p_value(test.p_adjusted)}"
    if found == "undecided":
        return f"{first} and {second} cannot be told apart: {by}"
    better, worse = (first, second) if found == "first" else (second, first)
    return f"{better} is better than {worse}: {by}"


def _more(one: JudgeAnswer) -> str:
    found = one.answer.needed
    if found is None:
        return ""
    size = f"{100 * found.difference:g} points"
    if not found.more_dialogues:
        return f" {one.answer.answer.n} dialogues are enough to find a true difference of {size}."
    told = f" To find a true difference of {size} takes {found.dialogues:,} dialogues, "
    told += f"{found.more_dialogues:,} more"
    if found.samples is not None:
        told += f", or {found.samples} samples of each comparison"
    return told + "."


def compared_notes(of: Compared) -> list[str]:
    """What a reader of the table must know."""
    told = _common_notes(of.gathered)
    told.append(
        "* answers the question. Differences are paired by dialogue: sign-flip permutation test, bootstrap "
        "interval. “detectable”: the smallest true difference, in points, that so many dialogues find four "
        "times in five, before Holm."
    )
    told.append(ONE_CHECKPOINT)
    for one in of.judges:
        judge = one.under.judge
        if one.answer.note:
            told.append(f"{judge}: {one.answer.note}.")
        direct = one.answer.head_to_head
        if direct is not None and direct.note and direct.note not in one.answer.note:
            told.append(f"{judge}, head to head: {direct.note}.")
        if one.unshared:
            told.append(f"{judge}: {one.unshared} dialogues were to be judged for only one of the two.")
        told += [
            f"{judge}, {order.order}: {order.test}."
            for order in one.single_orders
            if isinstance(order.test, Refusal)
        ]
        told += _left_out(judge, one.answer.against_opponent)
    return told


def _left_out(who: str, test: Difference) -> list[str]:
    if not test.left_out:
        return []
    return [
        f"{who}: {test.left_out} dialogues are not complete; with their missing judgments all one way or "
        f"all the other the difference is {span(test.bound_low, test.bound_high)} points."
    ]


def _common_notes(gathered: Gathered) -> list[str]:
    told = [EMULATED_NOTE] if is_any_emulated(gathered) else []
    told += [f"{kin_note(under.judge, under.kin)}." for under in gathered.judges if under.kin]
    if gathered.left_out:
        told.append(f"Left out, of the family of one of these: {', '.join(gathered.left_out)}.")
    if gathered.split in (Split.TEST, Split.ALL):
        looks = ", ".join(f"look {count} at {name}" for name, count in looks_of(gathered).items())
        told.append(
            f"On the test split this is {looks}: so many contests of it, under any judge, were summarised. "
            "Choose on --split development; a choice made here flatters what it chooses."
        )
        if any(_of_dataset(of) for of in (*gathered.authors, gathered.opponent)):
            told.append(CONDITIONED)
    return told


def _of_dataset(of: ResponseSet) -> bool:
    return of.author.startswith("dataset:")


def everyone_table(of: Everyone) -> Table:
    """One row a test; within a judge, the best first."""
    opponent = name_of(of.gathered.opponent)
    size = of.family_size
    what = f"every pair, by way of {opponent}" if of.pairwise else f"every author against {opponent}"
    title = f"{what}: {_family(size)}, {of.gathered.split} split"
    interval = "95 %" if size < 2 else "95 %,\nsimultaneous"
    if of.pairwise:
        names: tuple[str, ...] = ("judge", "first – second", "first", "second", "difference", interval)
    else:
        names = ("judge", "author", "win rate", interval, "alone, 95 %")
    table = _table(title, (*names, "p", "p, Holm", "n", "detec-\ntable"))
    order = {under.judge_id: at for at, under in enumerate(of.gathered.judges)}
    places = sorted(of.places, key=lambda one: (order[one.under.judge_id], -(one.test.difference or 0.0)))
    named = ""
    for place in places:
        cells = _cells(place.test)
        judge = "" if place.under.judge_id == named else place.under.judge
        named = place.under.judge_id
        if of.pairwise:
            table.add_row(judge, f"{place.first} – {place.second}", *cells)
        else:
            table.add_row(judge, place.first, *_alone(place), *cells[4:])
    return table


def _alone(place: Place) -> tuple[str, str, str]:
    """The win rate, its simultaneous interval, and the one that it would have alone."""
    test, rate = place.test, place.rate
    together = "-"
    if test.low is not None and test.high is not None:
        together = f"{50 * (1 + test.low):.1f} to {50 * (1 + test.high):.1f}"
    alone = "-"
    if rate is not None and rate.low is not None and rate.high is not None:
        alone = f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"
    return percent(test.rate_first), together, alone


def everyone_notes(of: Everyone) -> list[str]:
    """What a reader of the table must know."""
    told = _common_notes(of.gathered)
    told.append(
        "p: sign-flip permutation over dialogues, against no difference; Holm over all rows. Simultaneous: "
        "with probability 95 % all of these intervals hold at once. “detectable”: in points of the "
        "difference between the two, before Holm."
    )
    if not of.pairwise and len(of.places) > 1:
        told.append(
            "The best of several on the same dialogues looks better than it is; to say that one author is "
            "better than another, compare the two, or use --pairwise."
        )
    for judge, names in of.saturated.items():
        told.append(
            f"{judge}: {name_of(of.gathered.opponent)} saturates against {', '.join(names)} (over 90 %) and "
            "can hide a difference between them: judge them head to head."
        )
    for place in of.places:
        who = f"{place.under.judge}, {place.first}"
        if place.test.note:
            told.append(f"{who}: {place.test.note}.")
        told += _left_out(who, place.test)
    return told


def strategies_lines(of: Strategies) -> list[str]:
    """One line a judge."""
    first, second = (" + ".join(name_of(one) for one in group) for group in (of.first, of.second))
    lines = [f"First: {first}", f"Second: {second}", f"Opponent: {name_of(of.gathered.opponent)}"]
    for under in of.gathered.judges:
        found = of.estimates[under.judge]
        if isinstance(found, Refusal):
            lines.append(f"{under.judge}: {found}.")
            continue
        lines.append(
            f"{under.judge}: first minus second {points(found.estimate)} points "
            f"({span(found.low, found.high)}), p {p_value(found.p)}, Holm over {len(of.p_adjusted)} "
            f"{p_value(of.p_adjusted[under.judge])}; {found.seeds[0]} and {found.seeds[1]} training seeds, "
            f"n {found.n}; between seeds {100 * found.between_seeds:.1f} points; {found.scope}."
        )
    return lines


def strategies_notes(of: Strategies) -> list[str]:
    """What a reader must know."""
    return [*_common_notes(of.gathered), "Method: two-level resampling of dialogues and training seeds."]
