"""Soft verdicts: the token and spellings that count, and invalid logprobs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.messages import Completion, FinishReason, TokenLogprobs
from agents.types import Preference, Verdict
from agents.verdicts.parser import parse_verdict

TWO = ("1", "2")
THREE = ("1", "2", "tie")
FIRST = Preference.FIRST


def token(text: str, **top: float) -> TokenLogprobs:
    shown = tuple((spelled.replace("_", " "), math.log(share)) for spelled, share in top.items())
    return TokenLogprobs(text, dict(shown).get(text, 0.0), shown)


def soft(text: str, *tokens: TokenLogprobs, answers: tuple[str, ...] = TWO) -> Verdict:
    outcome = parse_verdict(Completion(text, FinishReason.STOP, logprobs=tokens), answers)
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


def test_the_sampled_token_counts_even_outside_the_top_logprobs() -> None:
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


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "x"])
def test_an_invalid_logprob_drops_only_its_alternative(value: object) -> None:
    odd = TokenLogprobs("2", value, (("2", value), ("1", math.log(0.25))))  # type: ignore[arg-type]
    verdict = soft("2", odd)
    assert verdict.preference is Preference.SECOND
    assert (verdict.p_first, verdict.outside) == (1.0, pytest.approx(0.75))
    assert soft("2", TokenLogprobs("2", value)) == Verdict(Preference.SECOND)  # type: ignore[arg-type]


def test_the_verdict_position_survives_cleaning() -> None:
    text = "<think>1</think>**1**"
    tokens = [TokenLogprobs(piece, 0.0) for piece in ("<think>", "1", "</think>", "**", "1", "**")]
    tokens[1] = TokenLogprobs("1", math.log(0.5), (("1", math.log(0.5)), ("2", math.log(0.5))))
    tokens[4] = TokenLogprobs("1", math.log(0.9), (("1", math.log(0.9)), ("2", math.log(0.1))))
    assert soft(text, *tokens).p_first == pytest.approx(0.9)
