"""What is read from a judge's words: a table of answers, and the laws of reading."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.messages import Completion, Finish, TokenLogprobs
from agents.reading import read_verdict
from agents.vocabulary import Preference, Reason, Unscored, Verdict

TWO = ("1", "2")
THREE = ("1", "2", "tie")
FIRST, SECOND, TIE = Preference.FIRST, Preference.SECOND, Preference.TIE
UNREADABLE, REFUSED, TRUNCATED = Reason.UNREADABLE, Reason.REFUSED, Reason.TRUNCATED


def read(text: str, answers: tuple[str, ...] = TWO, finish: Finish = Finish.STOP) -> Preference | Reason:
    outcome = read_verdict(Completion(text, finish), answers)
    if isinstance(outcome, Unscored):
        assert outcome.raw == text, "what came is kept as it came"
        return outcome.reason
    return outcome.preference


BARE: list[tuple[str, Preference | Reason]] = [
    ("1", FIRST),
    ("2", SECOND),
    (" 2\n", SECOND),
    ("1.", FIRST),
    ("(2)", SECOND),
    ("[[1]]", FIRST),
    ("**2**", SECOND),
    ("`1`", FIRST),
    ('"2"', SECOND),
    ("“1”", FIRST),
    ("#2", SECOND),
    ("２", SECOND),
    ("one", FIRST),
    ("Two", SECOND),
    ("First", FIRST),
    ("the second", SECOND),
    ("Response 1", FIRST),
    ("**Response 2.**", SECOND),
    ("The second response", SECOND),
    ("Option #1", FIRST),
    ("Answer: 2", SECOND),
]

STATED: list[tuple[str, Preference | Reason]] = [
    ("My answer is 1.", FIRST),
    ("**Answer:** 2", SECOND),
    ("**Answer**: 2", SECOND),
    ("Final verdict - Response 2", SECOND),
    ("The more empathetic response is Response 1, not Response 2.", FIRST),
    ("Better response: 2 (though 1 is kind)", SECOND),
    ("I would choose Response 2 over Response 1.", SECOND),
    ("I prefer 1. Response 2 is shorter.", FIRST),
    ("I'd go with the second, although 1 is warm.", SECOND),
    ("Both 1 and 2 are warm, so I pick 2", SECOND),
    ("Response 2 is more empathetic than Response 1.", SECOND),
    ("Overall, the first response shows more empathy than the second response.", FIRST),
    ("Response **1** clearly demonstrates much more empathy; Response 2 gives advice.", FIRST),
    ("1 is warm and 2 is not.\n\nAnswer: 1", FIRST),
    ("1\n\nResponse 1 takes up the loss; response 2 does not.", FIRST),
    ("Response 1:\nIt listens.\n\nResponse 2:\nIt advises.\n\nWinner: 1", FIRST),
    ("Response 1:\nIt listens.\n\nResponse 2:\nIt advises.\n\n2", SECOND),
    (r"Both 1 and 2 are kind, but \boxed{2}", SECOND),
    ("<answer>2</answer>", SECOND),
    ("Answer 1 acknowledges the loss, answer 2 does not.\nVerdict: 1", FIRST),
]

LAST_WINS: list[tuple[str, Preference | Reason]] = [
    ("Answer: 1\nOn reflection, my answer is: 2", SECOND),
    ("At first I choose 2. No, final answer: 1", FIRST),
    ("Verdict: 2\n\n1", FIRST),
    ("Response 1 is more empathetic. Looking again, Response 2 is more empathetic.", SECOND),
]

JSON: list[tuple[str, Preference | Reason]] = [
    ('{"answer": "1"}', FIRST),
    ('{"answer":2}', SECOND),
    ('{\n  "answer": "2"\n}', SECOND),
    ('```json\n{"answer": "1"}\n```', FIRST),
    ('{"reason": "Response 1 is more empathetic", "answer": "2"}', SECOND),
    ('{"answer": "2", "reason": "my choice is 1 for warmth, 2 for depth"}', SECOND),
    ('{"answer": "Response 1"}', FIRST),
    ("{'answer': '2'}", SECOND),
    ('{"verdict": "2"}', SECOND),
    ('{"answer": "1"} {"answer": "2"}', SECOND),
    ('{"answer": "3"}', UNREADABLE),
    ('{"answer": "both 1 and 2"}', UNREADABLE),
    ('{"answer": "1"}\nOn second thought, answer: 2', SECOND),
]

THINKING: list[tuple[str, Preference | Reason]] = [
    ("<think>Response 1? answer: 1</think>2", SECOND),
    ("<thinking>\nThe answer is 2.\n</thinking>\n\n1", FIRST),
    ("The answer is 2, I think.</think>\n1", FIRST),
    ("<think>My answer is 1", Reason.EMPTY),
    ("2\n<think>or is the answer 1?", SECOND),
    ("<think></think>", Reason.EMPTY),
]

ONLY_ONE_MENTIONED: list[tuple[str, Preference | Reason]] = [
    ("Definitely 2, it listens.", SECOND),
    ("The second response is warmer and kinder.", SECOND),
    ("Response one. It names the feeling.", FIRST),
    ("It is (1) that listens", FIRST),
]

NONE: list[tuple[str, Preference | Reason]] = [
    ("", Reason.EMPTY),
    (" \n", Reason.EMPTY),
    ("Both are equally kind.", UNREADABLE),
    ("1 or 2", UNREADABLE),
    ("Answer: 1 or 2", UNREADABLE),
    ("Answer: Response 1 and Response 2", UNREADABLE),
    ("Answer: 1/2", UNREADABLE),
    ("Answer: 12", UNREADABLE),
    ("Answer: 1.5", UNREADABLE),
    ("3", UNREADABLE),
    ("0.2", UNREADABLE),
    ("Response 1 is warm. Response 2 is cold.", UNREADABLE),
    ("Response 1 is less empathetic.", UNREADABLE),
    ("Response 2 isn't kind.", UNREADABLE),
    ("I would not choose 1 and I would not choose 2", UNREADABLE),
    ("Nobody should have to choose one of these.", UNREADABLE),
    ("The winner is one that listens.", UNREADABLE),
    ("In the first place, both listen.", UNREADABLE),
    ("tie", UNREADABLE),
    ("Verdict: neither", UNREADABLE),
    ("I'm sorry, but I can't help with that.", REFUSED),
    ("I cannot decide between response 1 and response 2.", REFUSED),
    ("As an AI I have no feelings.", REFUSED),
]

TIES: list[tuple[str, Preference | Reason]] = [
    ("tie", TIE),
    ("**Tie.**", TIE),
    ("Neither", TIE),
    ("It's a tie!", TIE),
    ("Verdict: tie", TIE),
    ('{"answer": "tie"}', TIE),
    ("2", SECOND),
    ("tie, though 2 is warmer", UNREADABLE),
    ("My answer is tie; if forced, 2.", TIE),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [*BARE, *STATED, *LAST_WINS, *JSON, *THINKING, *ONLY_ONE_MENTIONED, *NONE],
)
def test_two_answers(text: str, expected: Preference | Reason) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(("text", "expected"), [*BARE, *STATED, *LAST_WINS, *TIES])
def test_three_answers(text: str, expected: Preference | Reason) -> None:
    assert read(text, THREE) == expected


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("1", Finish.LENGTH, FIRST),
        ("Answer: 2\n\nBecause", Finish.LENGTH, SECOND),
        ('{"answer": "2', Finish.LENGTH, SECOND),
        ("Response 1 takes up", Finish.LENGTH, TRUNCATED),
        ("", Finish.LENGTH, TRUNCATED),
        ("<think>Response 1", Finish.LENGTH, TRUNCATED),
        ("1", Finish.REFUSAL, REFUSED),
        ("", Finish.REFUSAL, REFUSED),
        ("1", Finish.FILTERED, Reason.FILTERED),
        ("", Finish.FILTERED, Reason.FILTERED),
        ("2", Finish.OTHER, SECOND),
        ("", Finish.OTHER, Reason.EMPTY),
    ],
)
def test_how_an_answer_ended_counts(text: str, finish: Finish, expected: Preference | Reason) -> None:
    assert read(text, finish=finish) == expected


# ---- laws ------------------------------------------------------------------------------------------------

MIRROR = {"1": "2", "2": "1", "１": "２", "２": "１", "one": "two", "two": "one"} | {
    "first": "second",
    "second": "first",
}


def mirrored(text: str) -> str:
    return re.sub(
        r"[12１２]|\b(?:one|two|first|second)\b",
        lambda found: MIRROR[found[0].lower()],
        text,
        flags=re.IGNORECASE,
    )


@pytest.mark.parametrize("text", [text for text, _ in [*BARE, *STATED, *LAST_WINS, *JSON, *THINKING, *NONE]])
def test_reading_favours_neither_response(text: str) -> None:
    outcome, other = read(text), read(mirrored(text))
    assert other == (outcome.swap() if isinstance(outcome, Preference) else outcome)


@given(st.text(), st.sampled_from([TWO, THREE]), st.sampled_from(list(Finish)))
def test_any_text_is_read_or_has_a_reason(text: str, answers: tuple[str, ...], finish: Finish) -> None:
    outcome = read_verdict(Completion(text, finish), answers)
    assert outcome == read_verdict(Completion(text, finish), answers)
    if isinstance(outcome, Verdict):
        assert outcome.preference is not TIE or "tie" in answers
    else:
        assert outcome.raw == text


@given(st.text(alphabet="abcdefgh .\n", max_size=40), st.sampled_from(["1", "2"]))
def test_words_before_a_stated_answer_do_not_change_it(words: str, answer: str) -> None:
    assert read(f"{words}\n\nAnswer: {answer}") == {"1": FIRST, "2": SECOND}[answer]


@pytest.mark.parametrize(
    "piece", ["answer: ", "response ", "<think>", "# ", "\n", "the ", "{", '"answer": ', "3 or ", "answer:  "]
)
def test_long_answers_are_read_too(piece: str) -> None:
    assert isinstance(read(piece * 3000), Reason)
    assert read(f"{piece * 3000}\n</think>\n2") is SECOND


# ---- soft verdicts ---------------------------------------------------------------------------------------


def token(text: str, **top: float) -> TokenLogprobs:
    shown = tuple((spelled.replace("_", " "), math.log(share)) for spelled, share in top.items())
    return TokenLogprobs(text, dict(shown).get(text, 0.0), shown)


def soft(text: str, *tokens: TokenLogprobs, answers: tuple[str, ...] = TWO) -> Verdict:
    outcome = read_verdict(Completion(text, Finish.STOP, logprobs=tokens), answers)
    assert isinstance(outcome, Verdict)
    return outcome


def test_spellings_are_summed_and_the_rest_is_kept_apart() -> None:
    spellings = {"1": 0.5, " 1": 0.1, "one": 0.04, "First": 0.01, "2": 0.2, "**2": 0.05, "Both": 0.08}
    top = tuple((text, math.log(share)) for text, share in spellings.items())
    verdict = soft("1", TokenLogprobs("1", top[0][1], top))
    assert verdict.preference is FIRST
    assert verdict.p_first == pytest.approx(0.65 / 0.9)
    assert verdict.p_second == pytest.approx(0.25 / 0.9)
    assert verdict.p_tie == 0.0
    assert verdict.outside == pytest.approx(0.1)


def test_a_tie_has_its_share_only_where_it_is_allowed() -> None:
    top = (("1", math.log(0.5)), ("tie", math.log(0.3)), ("2", math.log(0.2)))
    three = soft("1", TokenLogprobs("1", top[0][1], top), answers=THREE)
    assert (three.p_first, three.p_second, three.p_tie) == pytest.approx((0.5, 0.2, 0.3))
    two = soft("1", TokenLogprobs("1", top[0][1], top))
    assert (two.p_first, two.p_second, two.p_tie) == pytest.approx((0.5 / 0.7, 0.2 / 0.7, 0.0))
    assert two.outside == pytest.approx(0.3)


def test_the_token_that_states_the_answer_is_the_one_that_counts() -> None:
    sure, unsure = (
        (("2", math.log(0.99)), ("1", math.log(0.01))),
        (("2", math.log(0.6)), ("1", math.log(0.4))),
    )
    tokens = [TokenLogprobs(text, 0.0) for text in ("2", "\n", "\n", "It", " beats", " ", "2")]
    tokens[0] = TokenLogprobs("2", unsure[0][1], unsure)
    tokens[-1] = TokenLogprobs("2", sure[0][1], sure)
    assert soft("2\n\nIt beats 2", *tokens).p_second == pytest.approx(0.6)
    assert soft("<think>2</think>2", *tokens).p_second == pytest.approx(0.99)


def test_what_was_drawn_counts_even_where_it_is_not_among_the_top() -> None:
    verdict = soft("1", TokenLogprobs("1", math.log(0.2), (("2", math.log(0.6)),)))
    assert verdict.p_first == pytest.approx(0.25)
    assert soft("2", TokenLogprobs("2", math.log(0.7))).p_second == 1.0


@pytest.mark.parametrize("logprob", [-9999.0, -math.inf])
def test_without_any_probability_there_is_no_soft_verdict(logprob: float) -> None:
    assert soft("1", TokenLogprobs("1", logprob, (("1", logprob),))) == Verdict(FIRST)
    assert soft("1", token("Response")) == Verdict(FIRST)
    assert soft("1") == Verdict(FIRST)


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", " 1", "2", "two", "tie", "x"]), st.floats(-60, 1e6)), min_size=1
    ),
    st.sampled_from(["1", "2"]),
    st.floats(-60, 0),
)
def test_soft_verdicts_are_probabilities(top: list[tuple[str, float]], text: str, logprob: float) -> None:
    verdict = soft(text, TokenLogprobs(text, logprob, tuple(top)), answers=THREE)
    assert verdict.p_first is not None
    assert verdict.p_second is not None
    assert verdict.p_tie is not None
    assert verdict.outside is not None
    assert verdict.p_first + verdict.p_second + verdict.p_tie == pytest.approx(1.0)
    assert min(verdict.p_first, verdict.p_second, verdict.p_tie, verdict.outside) >= 0.0
    assert verdict.outside <= 1.0
