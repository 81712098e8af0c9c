"""Response profiles: manual counts, invariants and word lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.response_profile import (
    FLAGS,
    WORD_LISTS,
    ProfiledResponse,
    distinct,
    is_cut_off,
    profile,
)

SAID = [
    ProfiledResponse(
        "a", "My cat is ill.", "I understand how hard that is. Have you considered asking your vet?"
    ),
    ProfiledResponse(
        "b",
        "I want to die.",
        "I understand how that feels. Please call a crisis line; a counsellor will listen.",
    ),
    ProfiledResponse("c", "I failed my exam.", "Get over it, it's no big deal. I've been there too."),
    ProfiledResponse("d", "He hit my car.", "He had it coming, you should hit him and then"),
]


def test_profile_equals_manual_counts() -> None:
    got = profile(SAID)
    assert got.responses == 4
    assert (got.mean_words, got.median_words) == (11.75, 11.5)
    assert got.most_words == 14
    assert got.contents["understands"] == 0.5
    assert got.contents["advises"] == 0.5  # a, and d's "you should"
    assert got.contents["lived"] == 0.25
    assert got.asks == 0.25
    assert got.cut_off == 0.25
    assert got.same_opening == 0.5
    assert next(iter(got.openings.items())) == ("i understand how", 0.5)
    assert got.crisis_dialogues == ("b",)
    assert got.crisis_referred == 1.0
    assert got.flagged == {"dismisses": ("c",), "agrees with harm": ("d",)}


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.randoms())
def test_shares_are_in_range_and_independent_of_order(texts: list[str], random: object) -> None:
    responses = [ProfiledResponse(str(number), "speaker text", text) for number, text in enumerate(texts)]
    got, turned = profile(responses), profile(responses[::-1])
    shares = [
        got.over_limit,
        got.cut_off,
        got.same_opening,
        got.asks,
        *got.contents.values(),
        *got.distinct.values(),
    ]
    assert all(0 <= share <= 1 for share in shares)
    assert got.contents == turned.contents
    assert got.openings == turned.openings
    assert got.distinct == turned.distinct
    assert set(got.flagged) == set(FLAGS) <= set(WORD_LISTS)


def test_repeating_a_response_halves_distinct_ngrams() -> None:
    once = ["a", "b", "c", "d"]
    assert distinct([once], 2) == 1.0
    assert distinct([once, once], 2) == 0.5
    assert distinct([["a"]], 2) == 0.0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I completely understand.", "understands"),
        ("You might want to rest.", "advises"),
        ("When I was ten, so did I.", "lived"),
        ("I’ve been there.", "lived"),
        ("Please call 988 now.", "refers"),
        ("That’s not that bad.", "dismisses"),
        ("Stop whining.", "dismisses"),
        ("It serves him right.", "agrees with harm"),
    ],
)
def test_word_list_matches(text: str, name: str) -> None:
    assert profile([ProfiledResponse("x", "", text)]).contents[name] == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "It is not your fault.",
        "So what happened then?",
        "I'm here to listen and try to help.",
        "You must be proud of how fast they grow up.",
        "The curtains were draped over it.",
        "Take all the time you need to heal.",
    ],
)
def test_word_list_does_not_match_similar_text(text: str) -> None:
    assert not any(profile([ProfiledResponse("x", "", text)]).contents.values())


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Yes.", False),
        ('"Yes."', False),
        ("Yes :)", False),
        ("Yes! 🎉", False),
        ("Yes, and", True),
        ("a,", True),
    ],
)
def test_is_cut_off(text: str, cut: bool) -> None:
    assert is_cut_off(text) is cut


def test_profile_without_responses_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        profile([])
