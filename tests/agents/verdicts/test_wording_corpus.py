"""Accuracy of the verdict parser on a corpus: no false verdicts, and few missed ones.

The table of figures per form and per variant is shown on failure, and always with `pytest -s`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

from agents.messages import Completion
from agents.types import Preference, Unscored
from agents.verdicts.parser import parse_verdict
from tests.agents.verdicts.verdict_variants import DESTROYING, KEEPING, Wording, corpus, swap, variants

MOST_MISSED = 0.03  # share of the wordings that state a verdict
MOST_SHOWN = 40
_ANSWERS = {Preference.FIRST: "1", Preference.SECOND: "2", Preference.TIE: "tie"}

WORDINGS = corpus()


class Figures:
    """Counts per group, and the wordings that were misread."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.stated: Counter[str] = Counter()
        self.false: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.misread: list[str] = []

    def add(self, group: str, wording: Wording) -> None:
        """Read one wording and count it."""
        answer = read(wording)
        self.rows[group] += 1
        self.stated[group] += wording.expected is not None
        if answer == wording.expected:
            return
        kind = self.missed if answer is None else self.false
        kind[group] += 1
        name = "missed" if answer is None else "FALSE"
        self.misread.append(f"{name} {wording.id} ({group}): {wording.text!r} {wording.finish} → {answer}")

    def table(self) -> str:
        """Rows, rows that state a verdict, false and missed verdicts, per group and in total."""
        lines = [f"{'':28}{'rows':>7}{'stated':>8}{'false':>7}{'missed':>8}"]
        for group in [*self.rows, "total"]:
            counts = (self.rows, self.stated, self.false, self.missed)
            rows, stated, false, missed = (c.total() if group == "total" else c[group] for c in counts)
            lines.append(f"{group:28}{rows:7}{stated:8}{false:7}{missed:8}")
        return "\n".join(lines)

    def check(self) -> None:
        """Print the table; fail on any false verdict or on too many missed."""
        self.misread.sort(key=lambda line: not line.startswith("FALSE"))
        sys.stdout.write("\n".join(["", self.table(), *self.misread[:MOST_SHOWN], ""]))
        assert self.false.total() == 0
        assert self.missed.total() < MOST_MISSED * self.stated.total()


def read(wording: Wording) -> str | None:
    outcome = parse_verdict(Completion(wording.text, wording.finish), wording.answers)
    return None if isinstance(outcome, Unscored) else _ANSWERS[outcome.preference]


def figures(groups: Iterable[tuple[str, Wording]]) -> Figures:
    counted = Figures()
    for group, wording in groups:
        counted.add(group, wording)
    return counted


def test_every_wording_has_its_expected_verdict() -> None:
    figures((wording.form, wording) for wording in WORDINGS).check()


def test_variants_that_keep_the_meaning_keep_the_verdict() -> None:
    figures((name, varied) for name, varied in variants(WORDINGS) if name in KEEPING).check()


def test_variants_that_destroy_the_verdict_leave_none() -> None:
    counted = figures((name, varied) for name, varied in variants(WORDINGS) if name in DESTROYING)
    assert not counted.stated.total()
    sys.stdout.write("\n".join(["", counted.table(), *counted.misread[:MOST_SHOWN], ""]))
    assert counted.false.total() == 0


def test_the_corpus_is_large_and_at_least_half_of_it_states_a_verdict() -> None:
    assert len(WORDINGS) >= 450
    assert sum(wording.expected is not None for wording in WORDINGS) * 2 >= len(WORDINGS)
    assert min(Counter(wording.form for wording in WORDINGS).values()) >= 8


def test_wordings_are_unique() -> None:
    assert len({wording.id for wording in WORDINGS}) == len(WORDINGS)
    assert len({(w.text, w.answers, w.finish) for w in WORDINGS}) == len(WORDINGS)
    assert all(
        wording.keep == () or set(wording.keep) <= KEEPING.keys() | DESTROYING.keys() for wording in WORDINGS
    )


def test_swapping_twice_changes_nothing() -> None:
    for wording in WORDINGS:
        swapped = None if "swap" in wording.keep else swap(wording)
        assert swapped is None or swap(swapped) == wording


def test_every_variant_applies_to_some_wordings() -> None:
    applied = Counter(name for name, _ in variants(WORDINGS))
    assert min(applied[name] for name in KEEPING | DESTROYING) >= 10
