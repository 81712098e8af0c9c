"""Preferences of emulated judges, and the tasks parsed from the project's own prompts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.messages import Message
from harness.emulator.judge_preferences import (
    count_cues,
    empathy_score,
    expected_score,
    expected_scores,
    extract_tagged,
    first_verdict_probability,
    parse_task,
    preference,
    true_preference,
    verdict_probabilities,
)
from harness.emulator.models import MODELS, JudgeProfile
from prompts import Library, released

GPT = MODELS["emulated-gpt-4o"]
TEXTS = st.text(min_size=0, max_size=40)
TASTES = st.builds(
    JudgeProfile,
    mean_preference=st.floats(0, 1),
    concentration=st.floats(0.5, 50),
    position_bias=st.floats(-0.5, 0.5),
    bias_on=st.sampled_from(["probability", "logit"]),
    tie_share=st.floats(0, 0.9),
)


@settings(deadline=None, derandomize=True)
@given(TEXTS, TEXTS, TEXTS, st.integers(0, 99))
def test_the_underlying_preference_is_independent_of_the_order(
    a: str, b: str, utterance: str, seed: int
) -> None:
    forward = preference(seed, GPT, "context", utterance, a, b)
    backward = preference(seed, GPT, "context", utterance, b, a)
    assert 0.0 <= forward <= 1.0
    assert forward + backward == pytest.approx(1.0, abs=1e-12)
    if a.strip() == b.strip():
        assert forward == 0.5


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 1), TASTES, st.booleans())
def test_verdict_probabilities_sum_to_1_without_an_unoffered_tie(
    p_first: float, profile: JudgeProfile, offers_tie: bool
) -> None:
    verdict = verdict_probabilities(p_first, profile, offers_tie=offers_tie)
    assert verdict.first + verdict.second + verdict.tie == pytest.approx(1.0)
    assert min(verdict.first, verdict.second, verdict.tie) >= -1e-12
    assert offers_tie or verdict.tie == 0.0


@settings(deadline=None, derandomize=True)
@given(st.floats(0.05, 0.95), st.floats(-0.05, 0.05))
def test_a_bias_on_the_probability_cancels_over_both_orders(p_first: float, bias: float) -> None:
    profile = JudgeProfile(0.5, 5.0, bias)
    first, swapped = (
        first_verdict_probability(p_first, profile),
        first_verdict_probability(1.0 - p_first, profile),
    )
    assert first == pytest.approx(p_first + bias)
    assert (first + 1.0 - swapped) / 2.0 == pytest.approx(p_first)


@settings(deadline=None, derandomize=True)
@given(st.floats(0.55, 0.95), st.floats(0.2, 3.0))
def test_a_bias_on_the_logit_shrinks_the_win_rate_towards_one_half(p_first: float, bias: float) -> None:
    profile = JudgeProfile(0.5, 5.0, bias, bias_on="logit")
    first, swapped = (
        first_verdict_probability(p_first, profile),
        first_verdict_probability(1.0 - p_first, profile),
    )
    assert math.log(first / (1 - first)) == pytest.approx(math.log(p_first / (1 - p_first)) + bias)
    assert 0.5 < (first + 1.0 - swapped) / 2.0 < p_first


@pytest.mark.parametrize(("bias", "verdict"), [(5000.0, 1.0), (-5000.0, 0.0)])
def test_an_extreme_bias_gives_certain_verdicts(bias: float, verdict: float) -> None:
    for p_first in (0.0, 0.5, 1.0):
        assert first_verdict_probability(
            p_first, JudgeProfile(0.5, 5.0, bias, bias_on="logit")
        ) == pytest.approx(verdict)


def _pairs(count: int) -> list[tuple[str, str, str, str]]:
    return [
        (
            "context",
            f"utterance {number}",
            "I am so sorry, I understand, I am here to help.",
            "Well, it is so.",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.chat])
def test_preferences_vary_by_dialogue_around_the_mean(name: str) -> None:
    model = MODELS[name]
    drawn = [preference(7, model, *pair) for pair in _pairs(1500)]
    mean = model.taste.mean_preference
    deviation = math.sqrt(mean * (1 - mean) / (model.taste.concentration + 1))
    assert sum(drawn) / len(drawn) == pytest.approx(mean, abs=4 * deviation / math.sqrt(len(drawn)))
    assert len(set(drawn)) == len(drawn)


def test_seed_judge_and_dialogue_each_decide() -> None:
    pair = _pairs(1)[0]
    drawn = {
        preference(0, GPT, *pair),
        preference(1, GPT, *pair),
        preference(0, MODELS["emulated-o4-mini"], *pair),
        preference(0, GPT, "another context", *pair[1:]),
    }
    assert len(drawn) == 4


def test_true_values_agree_with_each_other() -> None:
    pairs = _pairs(50)
    unbiased = replace(GPT, taste=replace(GPT.taste, position_bias=0.0))
    truth = [true_preference(3, unbiased, *pair) for pair in pairs]
    assert expected_scores(3, unbiased, pairs) == pytest.approx(truth)
    swapped = [(context, utterance, b, a) for context, utterance, a, b in pairs]
    for score, opposite_score in zip(
        expected_scores(3, GPT, pairs, offers_tie=True),
        expected_scores(3, GPT, swapped, offers_tie=True),
        strict=True,
    ):
        assert score + opposite_score == pytest.approx(1.0)  # two authors' scores of a dialogue sum to 1
    clipped = replace(GPT, taste=JudgeProfile(1.0, 5.0, 0.3))
    assert expected_score(0, clipped, *pairs[0]) == pytest.approx((1.0 + 0.7) / 2)


def test_empathy_score_counts_cues_of_all_three_dimensions() -> None:
    warm = "I understand. I am so sorry. I am here for you."
    assert [count_cues(warm, dimension) for dimension in ("cognitive", "affective", "compassionate")] == [
        1,
        1,
        1,
    ]
    assert empathy_score(warm) == 3.0
    assert empathy_score(warm + " How are you?") == 3.5
    assert empathy_score("No.") == -1.0
    assert empathy_score("word " * 98) == -1.0


def test_extract_tagged_uses_the_last_pair_of_tags() -> None:
    text = "between <response_1> and </response_1>:\n<response_1>\nHello\n</response_1>"
    assert extract_tagged(text, "response_1") == "Hello"
    assert extract_tagged("no tags", "response_1") is None
    assert extract_tagged("</response_1><response_1>", "response_1") is None


@pytest.mark.parametrize(("name", "tie"), [("judge/pairwise", False), ("judge/pairwise-tie", True)])
def test_judge_prompts_are_parsed(name: str, tie: bool, prompt: Callable[..., str]) -> None:
    text = prompt(name, response_1="It's a tie, is it?", response_2="One")
    task = parse_task([Message("user", text)])
    assert (task.kind, task.first, task.second) == ("judge", "It's a tie, is it?", "One")
    assert task.utterance.startswith("My dog died")
    assert task.offers_tie is tie


def test_all_other_prompts_are_parsed(prompt: Callable[..., str]) -> None:
    kinds = {"judge": "judge", "improve": "improve"}
    for known in Library():
        task = parse_task([Message("user", prompt(known.name))])
        assert task.kind == kinds.get(known.name.partition("/")[0], "respond"), known.name
        assert task.context == "I lost my old dog."
        assert (task.original != "") == (task.kind == "improve")


def test_the_layout_of_the_published_scripts_is_parsed(released_prompts: Path) -> None:
    kinds = {"judge": "judge", "improve": "improve"}
    values = {"context": "I lost my old dog.", "utterance": "My dog died.", "response": "Oh no."}
    values |= {"response_1": "First one.", "response_2": "Second:\nof two lines."}
    library = Library()
    for name in released.PROMPTS:
        known = library[name]
        verdict = known.fill({variable: values[variable] for variable in known.variables})
        task = parse_task([Message("user", verdict[0])])
        assert task.kind == kinds.get(name.split("/")[1], "respond"), name
        assert (task.context, task.utterance) == ("I lost my old dog.", "My dog died.")
        assert task.original == ("Oh no." if task.kind == "improve" else "")
        if task.kind == "judge":
            assert (task.first, task.second) == ("First one.", "Second:\nof two lines.")


def test_a_later_turn_improves_the_last_answer() -> None:
    first, second, *_ = Library()["improve/sequential"].fill(
        {"context": "C", "utterance": "U", "response": "R"}
    )
    messages = [Message("user", first), Message("assistant", "R, better."), Message("user", second)]
    task = parse_task(messages)
    assert (task.kind, task.original, task.utterance) == ("improve", "R, better.", "U")


def test_a_prompt_without_tags_is_the_utterance() -> None:
    task = parse_task([Message("system", "Be kind."), Message("user", " I lost my keys. ")])
    assert (task.kind, task.utterance) == ("respond", "I lost my keys.")
