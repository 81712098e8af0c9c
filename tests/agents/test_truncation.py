"""Truncation of responses: properties for any text, and examples of base models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.truncation import (
    FIRST_TURN_97_WORDS,
    NEW_TURN,
    NO_TRUNCATION,
    STOP_STRINGS,
    first_words,
    rambles,
    strip_label,
)

PIECES = st.sampled_from(
    [
        "I am so sorry",
        " ",
        "\n",
        "\n\n",
        "Speaker:",
        "\nListener: yes",
        "Response:",
        "**Reply:** ",
        "<utterance>",
        "###",
        "a ",
        "—",
        "É ",
        ". ",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))


@given(TEXTS)
def test_truncation_keeps_one_turn_within_the_limit_and_is_idempotent(text: str) -> None:
    cut = FIRST_TURN_97_WORDS(text)
    assert strip_label(text.strip()).startswith(cut)
    assert len(cut.split()) <= 97
    assert NEW_TURN.search(cut) is None
    assert FIRST_TURN_97_WORDS(cut) == cut
    assert not rambles(cut)


@given(TEXTS)
def test_a_text_rambles_if_truncation_changes_it(text: str) -> None:
    assert rambles(text) == (FIRST_TURN_97_WORDS(text) != strip_label(NO_TRUNCATION(text)))


@given(TEXTS, st.integers(1, 12))
def test_first_words_are_a_prefix(text: str, most: int) -> None:
    assert first_words(text, most).split() == text.split()[:most]


@pytest.mark.parametrize("stop", STOP_STRINGS)
def test_stop_strings_of_a_server_are_turn_starts(stop: str) -> None:
    assert FIRST_TURN_97_WORDS(" That sounds hard." + stop) == "That sounds hard."


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" I am glad for you!", "I am glad for you!"),
        ("I am glad.\n\nYou must be proud.", "I am glad.\n\nYou must be proud."),
        ("I am glad.\n\nSpeaker: Thank you.", "I am glad."),
        ("I am glad.\n**Context:** My dog", "I am glad."),
        ("I am glad.\nResponse 2: I am", "I am glad."),
        ("I am glad.</utterance>", "I am glad."),
        ("As you say: it will pass.", "As you say: it will pass."),
        ("My answer is: yes", "My answer is: yes"),
        ("Speaker: My dog died.", ""),
        (" Response: I am glad.\nSpeaker: Thanks.", "I am glad."),
        ("**Listener:** I am glad.", "I am glad."),
        ("Answering: yes", "Answering: yes"),
        ("", ""),
    ],
)
def test_truncation_examples(written: str, kept: str) -> None:
    assert FIRST_TURN_97_WORDS(written) == kept
