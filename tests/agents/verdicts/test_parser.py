"""What is read from a judge's words: a table of answers, and the laws of reading."""

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
        assert outcome.raw == text, "what came is kept as it came"
        return outcome.reason
    return outcome.preference


def test_its_version() -> None:
    assert VERDICT_PARSER == "verdict-2"


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
def test_how_an_answer_ended_counts(
    text: str, finish: FinishReason, expected: Preference | UnscoredReason
) -> None:
    assert read(text, finish=finish) == expected


# ---- laws ------------------------------------------------------------------------------------------------

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
def test_reading_favours_neither_response(text: str) -> None:
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
def test_any_text_is_read_or_has_a_reason(text: str, answers: tuple[str, ...], finish: FinishReason) -> None:
    outcome = parse_verdict(Completion(text, finish), answers)
    assert outcome == parse_verdict(Completion(text, finish), answers)
    if isinstance(outcome, Verdict):
        assert outcome.preference is not TIE or "tie" in answers
    else:
        assert outcome.raw == text


stating = st.sampled_from(STATING)
plain = st.sampled_from(
    [one for one in STATING if "\n" not in one.text and not re.search(r"[\"“”«»`'<>{}|\[\]]", one.text)]
)


@given(texts)
def test_text_in_thinking_marks_is_hidden(thought: str) -> None:
    hidden = re.sub(r"[<\[◁|]|assistant", "", thought)
    assert read(f"<think>{hidden}</think>2") is SECOND
    assert not isinstance(read(f"<think>{hidden}</think>"), Preference)


@given(
    stating,
    st.sampled_from(["<think>", "<analysis>", "<|begin_of_thought|>", "[THINK]", "<draft>", "◁think▷"]),
)
def test_an_unclosed_thought_gives_no_verdict(wording: Wording, opening: str) -> None:
    if "</" not in wording.text and "<|" not in wording.text:
        assert not isinstance(read(opening + wording.text, wording.answers), Preference)


@given(plain, st.sampled_from(['Response 2 says: "{}"', "She wrote “{}” to me.", "«{}» is what it says."]))
def test_a_quotation_gives_no_verdict(wording: Wording, frame: str) -> None:
    assert not isinstance(read(frame.format(wording.text), wording.answers), Preference)


@given(plain, st.sampled_from(["Is it true that {}?", "{}? I doubt it.", "{} Or is it?"]))
def test_a_question_gives_no_verdict(wording: Wording, frame: str) -> None:
    outcome = read(frame.format(wording.text.rstrip(".!")), wording.answers)
    assert not isinstance(outcome, Preference)


CONTRASTS = (
    ", but I am not sure.",
    ". However, I may be wrong.",
    ". Wait, no.",
    ", although that is debatable.",
    ". The opposite is true.",
    ". On second thought, I cannot decide.",
)


@given(plain, st.sampled_from(CONTRASTS))
def test_a_contrast_behind_leaves_no_verdict(wording: Wording, contrast: str) -> None:
    assert not isinstance(read(wording.text.rstrip(".!? ") + contrast, wording.answers), Preference)


@given(stating, st.data())
def test_a_cut_never_turns_a_verdict_round(wording: Wording, data: st.DataObject) -> None:
    whole = read(wording.text, wording.answers)
    at = data.draw(st.integers(0, len(wording.text)))
    cut = read(wording.text[:at], wording.answers, FinishReason.LENGTH)
    thinks = re.search(
        r"</|/think|<\||assistant|<unused|done thinking|my response", wording.text, re.IGNORECASE
    )
    digit = wording.text[:at].strip() in THREE  # "2. Actually, 1." cut after its first character
    if isinstance(whole, Preference) and isinstance(cut, Preference) and not thinks and not digit:
        assert cut is whole


@given(st.text(alphabet="abcdefgh ", max_size=40), st.sampled_from(["1", "2"]))
def test_words_before_a_final_line_do_not_change_it(words: str, answer: str) -> None:
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
def test_long_texts_are_read_too(piece: str) -> None:
    """Half a megabyte of one piece: what is quadratic or worse in it would not end."""
    text = piece * (500_000 // len(piece))
    assert not isinstance(read(text), Preference)
    if piece in PIECES:
        assert read(f"{text}\n</think>\n2") is SECOND
