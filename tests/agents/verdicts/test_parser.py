"""Verdict parser: expected verdicts of example answers, and properties that hold for every answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.messages import Completion, FinishReason
from agents.types import Preference, Unscored, UnscoredReason, Verdict
from agents.verdicts.parser import VERDICT_PARSER, parse_verdict
from tests.agents.verdicts.verdict_variants import Wording, corpus

TWO = ("1", "2")
THREE = ("1", "2", "tie")
FIRST, SECOND, TIE = Preference.FIRST, Preference.SECOND, Preference.TIE
UNREADABLE, REFUSED, TRUNCATED = UnscoredReason.UNREADABLE, UnscoredReason.REFUSED, UnscoredReason.TRUNCATED
WORDINGS = corpus()
STATING = [wording for wording in WORDINGS if wording.expected and wording.finish is FinishReason.STOP]


def read(
    text: str, answers: tuple[str, ...] = TWO, finish: FinishReason = FinishReason.STOP
) -> Preference | UnscoredReason:
    outcome = parse_verdict(Completion(text, finish), answers)
    if isinstance(outcome, Unscored):
        assert outcome.raw == text, "the raw text is kept unchanged"
        return outcome.reason
    return outcome.preference


def test_the_parser_version() -> None:
    assert VERDICT_PARSER == "verdict-3"


BARE: list[tuple[str, Preference | UnscoredReason]] = [
    ("1", FIRST),
    (" 2\n", SECOND),
    ("1.", FIRST),
    ("(2)", SECOND),
    ("[[1]]", FIRST),
    ("**2**", SECOND),
    ("“1”", FIRST),
    ("２", SECOND),
    ("1️⃣", FIRST),
    ("the second", SECOND),
    ("**Response 2.**", SECOND),
    ("Option #1", FIRST),
    ("2 \ud83d", SECOND),
    ("1\x00", FIRST),
    ("2 <|eot_id|>", SECOND),
]

STATED: list[tuple[str, Preference | UnscoredReason]] = [
    ("My answer is 1.", FIRST),
    ("**Answer**: 2", SECOND),
    ("Final verdict - Response 2", SECOND),
    ("The more empathetic response is Response 1, not Response 2.", FIRST),
    ("I would choose Response 2 over Response 1.", SECOND),
    ("Response 2 is more empathetic than Response 1.", SECOND),
    ("Overall, the first response shows more empathy than the second response.", FIRST),
    ("1 is warm and 2 is not.\n\nAnswer: 1", FIRST),
    ("1\n\nResponse 1 takes up the loss; response 2 does not.", FIRST),
    ("Response 1:\nIt listens.\n\nResponse 2:\nIt advises.\n\n2", SECOND),
    (r"So the answer is \boxed{2}.", SECOND),
    ("<answer>2</answer>", SECOND),
    ("Definitely 2, because it listens.", SECOND),
    ("Response 1 is kind, but Response 2 is more empathetic.", SECOND),
]

LAST: list[tuple[str, Preference | UnscoredReason]] = [
    ("At first I choose 2. No, final answer: 1", FIRST),
    ("Response 1 is more empathetic. On second thought, Response 2 is more empathetic.", SECOND),
    ("Response 1 is more empathetic. Response 2 is more empathetic.", UNREADABLE),
    ("Answer: 1\nAnswer: 2", UNREADABLE),
    ("1\n\n2", UNREADABLE),
    ("Answer: 1. Wait, let me think again.", UNREADABLE),
]

JSON: list[tuple[str, Preference | UnscoredReason]] = [
    ('{"answer": "1"}', FIRST),
    ('{"answer":2}', SECOND),
    ('```json\n{"answer": "1"}\n```', FIRST),
    ('{"reason": "Response 1 is more empathetic", "answer": "2"}', SECOND),
    ('Both are kind.\n{"answer": "2", "reason": "my choice is 1 for warmth, 2 for depth"}', SECOND),
    ('{"answer": "1"} {"answer": "2"}', UNREADABLE),
    ('{"answer": "1", "answer": "2"}', UNREADABLE),
    ('{"answer": "1", "retracted": true}', UNREADABLE),
    ('{"answer": "3"}', UNREADABLE),
    ('{"answer": "both 1 and 2"}', UNREADABLE),
    ('{"score": 1}', UNREADABLE),
    ('The format is {"answer": "1"}.', UNREADABLE),
    ('For example:\n{"answer": "1"}', UNREADABLE),
    ('{"answer": "1"}\nThis is only an example.', UNREADABLE),
    ('{"a":' * 5000, UNREADABLE),
]

NONE: list[tuple[str, Preference | UnscoredReason]] = [
    ("", UnscoredReason.EMPTY),
    (" \n", UnscoredReason.EMPTY),
    ("<think></think>", UnscoredReason.EMPTY),
    ("Both are equally kind.", UNREADABLE),
    ("1 or 2", UNREADABLE),
    ("Answer: 1/2", UNREADABLE),
    ("Response 1 is less empathetic.", UNREADABLE),
    ("tie", UNREADABLE),
    ("> Answer: 2", UNREADABLE),
    ("**Tone**\nResponse 1 is more empathetic.", UNREADABLE),
    ("The weaker one:\n1", UNREADABLE),
    ("1. Both name the feeling.\n2.", UNREADABLE),
    ("I'm sorry, but I can't help with that.", REFUSED),
    ("I cannot decide between response 1 and response 2.", REFUSED),
]


@pytest.mark.parametrize(("text", "expected"), [*BARE, *STATED, *LAST, *JSON, *NONE])
def test_two_answers(text: str, expected: Preference | UnscoredReason) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["tie", "**Tie.**", "Verdict: tie", '{"answer": "tie"}', "It's a tie!"])
def test_a_tie_counts_where_it_is_allowed(text: str) -> None:
    assert (read(text, THREE), read(text, TWO)) == (TIE, UNREADABLE)


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("1", FinishReason.LENGTH, FIRST),
        ("Answer: 2\n\nBecause", FinishReason.LENGTH, SECOND),
        ('{"answer": "2"}\n', FinishReason.LENGTH, SECOND),
        (r"\boxed{2} is", FinishReason.LENGTH, TRUNCATED),
        ('{"answer": "2', FinishReason.LENGTH, TRUNCATED),
        ("Answer: 1", FinishReason.LENGTH, TRUNCATED),
        ("Response 1", FinishReason.LENGTH, TRUNCATED),
        ("Response 1 is more empathetic.", FinishReason.LENGTH, TRUNCATED),
        ("", FinishReason.LENGTH, TRUNCATED),
        ("<think>Response 1", FinishReason.LENGTH, TRUNCATED),
        ("1", FinishReason.REFUSAL, REFUSED),
        ("1", FinishReason.FILTERED, UnscoredReason.FILTERED),
        ("2", FinishReason.OTHER, SECOND),
        ("Response 2", FinishReason.OTHER, UNREADABLE),
        ("", FinishReason.OTHER, UnscoredReason.EMPTY),
    ],
)
def test_the_finish_reason_decides_whether_an_answer_counts(
    text: str, finish: FinishReason, expected: Preference | UnscoredReason
) -> None:
    assert read(text, finish=finish) == expected


# ---- properties --------------------------------------------------------------------------------------------

MIRROR = {"1": "2", "2": "1", "１": "２", "２": "１", "one": "two", "two": "one"} | {
    "first": "second",
    "second": "first",
}


def mirrored(text: str) -> str:
    return re.sub(
        r"[12１２]|\b(?:one|two|first|second(?! thought))\b",
        lambda match: MIRROR[match[0].lower()],
        text,
        flags=re.IGNORECASE,
    )


@pytest.mark.parametrize(
    "text",
    [
        text
        for text, _ in [*BARE, *STATED, *LAST, *JSON, *NONE]
        if "\\x" not in repr(text) and "one" not in text
    ],
)
def test_swapping_the_labels_swaps_the_verdict(text: str) -> None:
    outcome, other = read(text), read(mirrored(text))
    if not text.startswith(("At first", "1. Both")):  # "first" and the marks of a list are no responses
        assert other == (outcome.swap() if isinstance(outcome, Preference) else outcome)


texts = st.text() | st.lists(
    st.sampled_from(
        ["1", "2", "Response 1", " is more empathetic", ".", "\n", "Answer: ", "but ", '"', "<think>", "?",
         "</think>", "{", "}", "\\boxed{", "first", "**", "- ", "tie", " because ", "\ud83d",
         "<|channel|>final<|message|>"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(texts, st.sampled_from([TWO, THREE]), st.sampled_from(list(FinishReason)))
def test_any_text_gives_a_verdict_or_a_reason(
    text: str, answers: tuple[str, ...], finish: FinishReason
) -> None:
    outcome = parse_verdict(Completion(text, finish), answers)
    assert outcome == parse_verdict(Completion(text, finish), answers)
    if isinstance(outcome, Verdict):
        assert outcome.preference is not TIE or "tie" in answers
    else:
        assert outcome.raw == text


stating = st.sampled_from(STATING)
PLAIN = [
    wording
    for wording in STATING
    if "\n" not in wording.text and not re.search(r"[\"“”«»「`'<>{}|\[\]]", wording.text)
]


@given(texts)
def test_text_in_thinking_marks_is_hidden(thought: str) -> None:
    hidden = re.sub(r"[<\[◁|]|assistant", "", thought)
    assert read(f"<think>{hidden}</think>2") is SECOND
    assert not isinstance(read(f"<think>{hidden}</think>"), Preference)


@pytest.mark.parametrize(
    "opening", ["<think>", "<analysis>", "<|begin_of_thought|>", "[THINK]", "<draft>", "◁think▷"]
)
def test_an_unclosed_thought_gives_no_verdict(opening: str) -> None:
    for wording in STATING:
        if "</" not in wording.text and "<|" not in wording.text:
            assert not isinstance(read(opening + wording.text, wording.answers), Preference)


@pytest.mark.parametrize("frame", ['Response 2 says: "{}"', "She wrote “{}” to me.", "«{}» is what it says."])
def test_a_quotation_gives_no_verdict(frame: str) -> None:
    for wording in PLAIN:
        assert not isinstance(read(frame.format(wording.text), wording.answers), Preference)


@pytest.mark.parametrize("frame", ["Is it true that {}?", "{}? I doubt it.", "{} Or is it?"])
def test_a_question_gives_no_verdict(frame: str) -> None:
    for wording in PLAIN:
        text = frame.format(wording.text.rstrip(".!"))
        assert not isinstance(read(text, wording.answers), Preference)


@pytest.mark.parametrize(
    "doubt",
    [
        ", but I am not sure.",
        ". However, I may be wrong.",
        ". Wait, no.",
        ", although that is debatable.",
        ". The opposite is true.",
        ". On second thought, I cannot decide.",
        ", but that is debatable.",
        ", though it is a close call.",
        ", or so it seems.",
        ", but who knows.",
        ", yet it could be the other way round.",
        ", but it is hard to say.",
        ", but not clearly so.",
        ", but the opposite may be true.",
        ", but perhaps not.",
    ],
)
def test_a_doubt_after_a_verdict_leaves_no_verdict(doubt: str) -> None:
    for wording in PLAIN:
        assert not isinstance(read(wording.text.rstrip(".!? ") + doubt, wording.answers), Preference)


@pytest.mark.parametrize(
    "rest",
    [
        "because Response 2 is polite but only gives advice.",
        "because Response 2 tries to help, but it never names the loss.",
        "while Response 2 is kind but generic.",
    ],
)
def test_a_contrast_within_a_description_of_the_other_response_keeps_the_verdict(rest: str) -> None:
    assert read(f"Response 1 is more empathetic, {rest}") is FIRST


@given(stating, st.data())
def test_truncation_never_reverses_a_verdict(wording: Wording, data: st.DataObject) -> None:
    complete = read(wording.text, wording.answers)
    length = data.draw(st.integers(0, len(wording.text)))
    cut = read(wording.text[:length], wording.answers, FinishReason.LENGTH)
    thinks = re.search(
        r"</|/think|<\||assistant|<unused|done thinking|my response", wording.text, re.IGNORECASE
    )
    digit = wording.text[:length].strip() in THREE  # "2. Actually, 1." cut after its first character
    if isinstance(complete, Preference) and isinstance(cut, Preference) and not thinks and not digit:
        assert cut is complete


@given(st.text(alphabet="abcdefgh ", max_size=40), st.sampled_from(["1", "2"]))
def test_words_before_a_final_answer_line_do_not_change_it(words: str, answer: str) -> None:
    assert read(f"x{words}.\n\nAnswer: {answer}") == {"1": FIRST, "2": SECOND}[answer]


PIECES = (
    *(
        "answer: ",
        "response ",
        "# ",
        "\n",
        "the ",
        "{",
        '"answer": ',
        "3 or ",
        "1\n2\n",
        "1. ",
        ". ",
        '"',
        "'",
    ),
    *(
        "generally ",
        "but ",
        ", but Response 1 is better",
        "\\boxed{",
        "</s>",
        "{}",
        "which is better? ",
        "**",
    ),
)


@pytest.mark.parametrize("piece", [*PIECES, "<think>", "<a>"])
def test_long_texts_are_parsed_in_linear_time(piece: str) -> None:
    """Half a megabyte of a repeated piece would not finish in quadratic time."""
    text = piece * (500_000 // len(piece))
    assert not isinstance(read(text), Preference)
    if piece in PIECES:
        assert read(f"{text}\n</think>\n2") is SECOND
