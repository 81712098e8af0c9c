"""Which examples are shown, and what is said of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.db.store import Store
from results.queries.contests import load_contests
from results.report.examples import SHARES, ExampleKind, choose, select_examples
from results.report.verdict_texts import DialogueVerdicts, ShownVerdict, VerdictSummary, dialogue_verdicts

kinds_of_many = st.lists(st.sampled_from(list(ExampleKind)), max_size=120).map(
    lambda kinds: {f"dialogue-{at}": kind for at, kind in enumerate(kinds)}
)


@given(kinds=kinds_of_many, seed=st.integers(0, 5), limit=st.integers(0, 80))
def test_as_many_as_there_is_room_for_and_every_kind_has_its_share(
    kinds: dict[str, ExampleKind], seed: int, limit: int
) -> None:
    chosen = choose(kinds, seed=seed, limit=limit)
    assert len(chosen) == len(set(chosen)) == min(limit, len(kinds))
    for kind, share in SHARES.items():
        there = sum(of is kind for of in kinds.values())
        assert sum(kinds[key] is kind for key in chosen) >= min(there, int(limit * share))


@given(kinds=kinds_of_many, seed=st.integers(0, 5), shuffle=st.randoms())
def test_the_choice_does_not_depend_on_the_order_in_which_answers_came(
    kinds: dict[str, ExampleKind], seed: int, shuffle: random.Random
) -> None:
    keys = list(kinds)
    shuffle.shuffle(keys)
    assert choose({key: kinds[key] for key in keys}, seed=seed, limit=20) == choose(
        kinds, seed=seed, limit=20
    )


def test_another_seed_chooses_others() -> None:
    kinds = {f"dialogue-{at}": ExampleKind.CONSISTENT for at in range(200)}
    assert choose(kinds, seed=0, limit=20) != choose(kinds, seed=1, limit=20)


def test_the_shares_are_of_all_places() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0)


def said(*words: str) -> tuple[ShownVerdict, ...]:
    return tuple(
        ShownVerdict(word) if word in ("A", "B", "tie") else ShownVerdict("", reason=word) for word in words
    )


@pytest.mark.parametrize(
    ("a_first", "b_first", "outcome"),
    [
        ("A", "A", VerdictSummary.A),
        ("B", "B", VerdictSummary.B),
        ("A", "B", VerdictSummary.DIFFER),
        ("A", "tie", VerdictSummary.TIE),
        ("tie", "tie", VerdictSummary.TIE),
        ("A", "refused", VerdictSummary.UNSCORED),
        ("A", "no answer", VerdictSummary.OPEN),
        ("refused", "no answer", VerdictSummary.UNSCORED),
    ],
)
def test_both_orders_in_one_word(a_first: str, b_first: str, outcome: VerdictSummary) -> None:
    assert DialogueVerdicts("judge", said(a_first), said(b_first), None).outcome is outcome


def test_samples_that_differ_make_the_verdicts_differ() -> None:
    assert DialogueVerdicts("judge", said("A", "B"), said("A", "A"), 0.75).outcome is VerdictSummary.DIFFER


async def test_opinions_are_what_was_judged(store: Store, put_run: Any) -> None:
    run_id = await put_run({"openai/one": [("A:0.9", "B:0.25"), ("tie", "?refused"), ("B", "")]})
    (contest,) = await load_contests(store, run_id)
    opinions = dialogue_verdicts(contest)
    assert [one.a_first[0].author for one in opinions] == ["A", "tie", "B"]
    assert [one.b_first[0].author for one in opinions] == ["B", "", ""]
    assert [one.b_first[0].reason for one in opinions] == ["", "refused", "no answer"]
    assert [one.score for one in opinions] == [0.5, None, None]
    assert opinions[0].a_first[0].p_a == pytest.approx(0.9)
    assert opinions[0].b_first[0].p_a == pytest.approx(0.25)


async def test_kinds_and_disagreement_of_models_not_of_the_floor(store: Store, put_run: Any) -> None:
    judges = {
        "openai/one": [("A", "A"), ("A", "A"), ("A", "B"), ("?refused", "A"), ("", "")],
        "google/two": [("A", "A"), ("B", "B"), ("A", "A"), ("B", "B"), ("", "")],
        "control/first": [("A", "B")] * 4 + [("", "")],
    }
    found = await select_examples(store, await load_contests(store, await put_run(judges)), seed=0, limit=60)
    by_id = {one.dialogue.id: one.kind for one in found.shown}
    assert by_id == {
        "d0": ExampleKind.CONSISTENT,
        "d1": ExampleKind.DISAGREE,
        "d2": ExampleKind.DIFFER,
        "d3": ExampleKind.UNSCORED,
    }
    assert set(found.compared) == {"openai/one", "google/two"}
    assert {one.dialogue.id: one.disagree for one in found.shown}["d1"]
    assert all(one.a == "That must be hard." and one.b == "Oh well." for one in found.shown)


async def test_the_floor_is_compared_where_there_is_but_one_model(store: Store, put_run: Any) -> None:
    judges = {"openai/one": [("A", "A")], "control/longer": [("B", "B")]}
    found = await select_examples(store, await load_contests(store, await put_run(judges)), seed=0, limit=60)
    assert [one.kind for one in found.shown] == [ExampleKind.DISAGREE]


async def test_no_more_than_the_limit(store: Store, put_run: Any) -> None:
    run_id = await put_run({"openai/one": [("A", "A")] * 30})
    found = await select_examples(store, await load_contests(store, run_id), seed=0, limit=7)
    assert len(found.shown) == 7
    assert found.found[ExampleKind.CONSISTENT] == 30
