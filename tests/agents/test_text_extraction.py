"""Text extraction: properties for any text, and examples of wrapped responses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.text_extraction import clean, is_unchanged, parse_lacking_dimension, word_count
from agents.types import Dialogue

DIALOGUE = Dialogue(
    "d", "I lost my old dog.", "My dog died yesterday, right after we came back from the lake."
)
PLAIN = "I am so sorry. I can hear how much he meant to you; what was he like?"

texts = st.text(max_size=200) | st.lists(
    st.sampled_from(
        [
            *(
                "**",
                "*",
                '"',
                "“",
                "”",
                "\n",
                "\n\n",
                " ",
                "`",
                "#",
                "# ",
                "- ",
                "<response>",
                "</response>",
                "(6 words)",
            ),
            *(
                "Improved Response:",
                "Response:",
                "Here is an improved response:",
                "Sure! ",
                "Context:",
                "Speaker: x",
            ),
            *(
                "I hear you.",
                "That hurts",
                "dimension",
                "Explanation: because",
                "This response shows",
                "<think>",
            ),
        ]
    ),
    max_size=12,
).map("".join)
sentences = st.lists(st.sampled_from(PLAIN.split()), min_size=1, max_size=30).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_cleaning_twice_is_cleaning_once_and_adds_nothing(text: str) -> None:
    once = clean(text, DIALOGUE)
    assert clean(once, DIALOGUE) == once
    assert len(once) <= len(text.replace("\r\n", "\n"))
    assert once == once.strip()


@given(sentences)
def test_an_ordinary_response_stays_as_it_is(text: str) -> None:
    assert clean(text) == text
    assert clean(f"  {text}\n") == text


WRAPPINGS = [
    '"{}"',
    "“{}”",
    "**{}**",
    "Improved Response: {}",
    "**Improved Response:** {}",
    "### Improved Response\n\n**Response:** {}",
    '**Higher-quality response (28 words):** "{}"',
    "Sure! Here is an improved response:\n\n> {}",
    "Here's a more empathetic version of the response: {}",
    "<response>\n{}\n</response>",
    "<think>The speaker grieves.</think>\n\n{}",
    "```\n{}\n```",
    "{} (28 words)",
    "{}\n\n(Word count: 28)",
    "{}\n\nThis response acknowledges the loss and improves affective empathy.",
    "{}\n\n**Explanation:** It names the feeling.",
    "Context: I lost my old dog.\nUtterance: My dog died yesterday.\nResponse: {}",
    "<context>\nI lost my old dog.\n</context>\n\n<utterance>\nMy dog died.\n</utterance>\n\n{}",
    "My dog died yesterday, right after we came back from the lake.\n\n{}",
    "Original response: That happens.\n\nImproved response: {}",
    "The original response lacks the affective dimension of empathy most.\n\n{}",
    "Lacking dimension: affective\n\n{}",
]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_text_around_a_response_is_removed(wrapping: str) -> None:
    assert clean(wrapping.format(PLAIN), DIALOGUE) == PLAIN


UNQUOTED = [wrapping for wrapping in WRAPPINGS[3:10] if '"' not in wrapping]


@given(st.sampled_from(WRAPPINGS[:3]), st.lists(st.sampled_from(UNQUOTED), max_size=2))
def test_wrappings_within_wrappings(quotes: str, wrappings: list[str]) -> None:
    text = PLAIN
    for wrapping in (quotes, *wrappings):
        text = wrapping.format(text)
    assert clean(text, DIALOGUE) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry about your dog. 'Good boys' are hard to find.",
        '"I cannot bear it," she said. "It hurts."',
        "Here's what I think: you did all you could.",
        "The response from your boss must have hurt.",
        "That is 5 * 3 * 2 reasons to smile.",
        "My version of that story is shorter.",
    ],
)
def test_words_of_the_response_itself_stay(text: str) -> None:
    assert clean(text, DIALOGUE) == text


@pytest.mark.parametrize(
    "text", ["", "   ", "Improved Response:", '""', "<response></response>", "**Response:**"]
)
def test_empty_text_stays_empty(text: str) -> None:
    assert clean(text, DIALOGUE) == ""


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (f"Lacking dimension: Affective\n\nImproved response: {PLAIN}", "affective"),
        (f"The emotional dimension is missing most.\n\n{PLAIN}", "affective"),
        (
            "Of the cognitive, affective and compassionate dimensions, the original response is fair. It "
            f"lacks compassionate empathy most.\n\nResponse: {PLAIN}",
            "compassionate",
        ),
        (PLAIN, ""),
        ("I feel an affective pull towards you.", ""),  # the response's own words name nothing
        (f"It lacks cognitive and affective empathy.\n\nResponse: {PLAIN}", ""),
    ],
)
def test_the_dimension_that_a_teacher_names(raw: str, named: str) -> None:
    assert parse_lacking_dimension(raw, clean(raw, DIALOGUE)) == named


def test_case_space_and_quotation_marks_do_not_matter() -> None:
    assert is_unchanged("I’m  here.", '"I\'m here."')
    assert not is_unchanged("I'm here.", "I'm there.")
    assert word_count(" a  b\nc ") == 3


@pytest.mark.parametrize("tag", ["think", "thinking", "THINK"])
@pytest.mark.parametrize("thought", ["", "\n\n", "They grieve.\n\nI should be kind.", "a </b> b < c"])
def test_a_thought_opened_by_the_prompt_is_removed(tag: str, thought: str) -> None:
    assert clean(f"{thought}</{tag}>\n\nThat silence can weigh so much.") == "That silence can weigh so much."
    assert clean(f"{thought}</{tag}>") == ""
    assert clean(f"{thought}</{tag}> Oh. <{tag}>more") == "Oh."
