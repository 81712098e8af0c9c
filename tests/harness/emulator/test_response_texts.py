"""Written and improved responses: length, variety, and what an improvement keeps and adds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import pytest

from agents.messages import Message
from harness.emulator.judge_preferences import PromptTask, count_cues, empathy_score, parse_task
from harness.emulator.response_texts import improve, pick_topic, ramble, requested_dimensions, respond

UTTERANCES = [
    f"{who} {what} {when}"
    for who in ("My sister", "Our old neighbour", "I", "The whole team at work")
    for what in ("won the race", "forgot about my birthday again", "got sick and had to stay in bed")
    for when in ("yesterday.", "after a very long week of waiting for news from the hospital!", "")
] + ["", "!!!", "Ok"]


@pytest.mark.parametrize("skill", [0, 1, 2, 3])
def test_a_response_has_12_to_60_words(skill: int) -> None:
    for number, utterance in enumerate(UTTERANCES):
        text = respond(PromptTask("respond", utterance=utterance), skill, number)
        assert 12 <= len(text.split()) <= 60, text
        assert text == respond(PromptTask("respond", utterance=utterance), skill, number)


def test_responses_vary_and_use_the_dialogues_words() -> None:
    written = {respond(PromptTask("respond", utterance=UTTERANCES[1]), 2, number) for number in range(60)}
    assert len(written) > 50
    speaker_words = set(_lower_words(UTTERANCES[1]))
    assert all(len(speaker_words & set(_lower_words(text))) >= 2 for text in written)


def _lower_words(text: str) -> list[str]:
    return text.lower().replace(",", " ").replace(".", " ").split()


def test_more_skill_writes_more_empathy() -> None:
    means = []
    for skill in range(4):
        scores = [
            empathy_score(respond(PromptTask("respond", utterance=utterance), skill, number))
            for number, utterance in enumerate(UTTERANCES)
        ]
        means.append(sum(scores) / len(scores))
    assert means == sorted(means)
    assert means[3] > means[0] + 2


def test_the_topic_is_in_the_second_person() -> None:
    assert pick_topic("I love my cat", 1) in {"you love your", "love your cat", "you love your cat"}
    assert pick_topic("?!", 1) == "this"


STRATEGIES = {
    "cognitive": ("cognitive",),
    "affective": ("affective",),
    "compassionate": ("compassionate",),
    "all-dimensions": ("cognitive", "affective", "compassionate"),
    "naive": (),
}


@pytest.mark.parametrize(("strategy", "dimensions"), STRATEGIES.items())
def test_the_strategy_is_parsed_from_the_papers_prompts(
    strategy: str, dimensions: tuple[str, ...], prompt: Callable[..., str]
) -> None:
    task = parse_task([Message("user", prompt(f"improve/{strategy}"))])
    assert requested_dimensions(task) == dimensions


def test_the_lacking_dimension_is_the_one_with_the_fewest_cues(prompt: Callable[..., str]) -> None:
    original = "I understand, it makes sense. I am sorry, I feel with you."
    task = parse_task([Message("user", prompt("improve/lacking-dimension", response=original))])
    assert requested_dimensions(task) == ("compassionate",)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "lacking-dimension", "sequential"])
def test_an_improvement_keeps_the_original_and_adds_the_requested_dimension(
    strategy: str, prompt: Callable[..., str]
) -> None:
    for number in range(20):
        task = parse_task([Message("user", prompt(f"improve/{strategy}", response="Oh no, poor dog"))])
        text = improve(task, 2, number)
        assert text.startswith("Oh no, poor dog. ")
        assert empathy_score(text) > empathy_score(task.original)
        for dimension in requested_dimensions(task):
            assert count_cues(text, dimension) >= 1


def test_an_improvement_has_at_most_97_words() -> None:
    task = PromptTask("improve", utterance="I won", original="word " * 200, instruction="cognitive")
    text = improve(task, 3, 1)
    assert len(text.split()) <= 97
    assert text.startswith("word word")


def test_a_base_model_rambles_without_end() -> None:
    lines = list(islice(ramble(PromptTask("respond", utterance="I won"), 1), 50))
    assert all(line.startswith("\n") for line in lines)
    assert len(set(lines)) > 3
