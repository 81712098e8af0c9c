"""Direct responses: every author gets the same prompt and is asked once; flaws are recorded."""

from __future__ import annotations

import pytest

from agents.generation import ExclusionReason
from agents.messages import Completion, FinishReason
from agents.models.spec import ApiProtocol, Model
from agents.responder import OUTPUT_TOKENS, Responder
from agents.student_prompt import PromptStyle, rendering
from agents.types import Dialogue

MODEL = Model("openai", "someone", ApiProtocol.OPENAI_CHAT, base_url="http://127.0.0.1:1/v1")
DIALOGUE = Dialogue("d", "I lost my old dog. ", "My dog died yesterday.")
CHAT = Responder(MODEL, rendering(PromptStyle.CHAT))


class Fixed:
    """Always the same answer; counts."""

    def __init__(self, *answers: Completion) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def complete(self, call: object) -> Completion:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        """Nothing is held."""


def test_every_author_gets_the_students_prompt() -> None:
    assert CHAT.call(DIALOGUE).messages[0].content == rendering().turn(DIALOGUE)
    plain = Responder(MODEL, rendering(PromptStyle.PLAIN))
    assert plain.call(DIALOGUE).messages == rendering(PromptStyle.PLAIN).messages(DIALOGUE)


def test_sampling_defaults_to_the_models_own() -> None:
    sampling = CHAT.call(DIALOGUE).sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_output_tokens) == (None, None, OUTPUT_TOKENS)
    assert b"temperature" not in CHAT.call(DIALOGUE).body
    assert "the model's own" in CHAT.set.made
    warm = Responder(MODEL, rendering(PromptStyle.CHAT), temperature=0.7)
    assert warm.set.id != CHAT.set.id
    assert warm.call(DIALOGUE).key != CHAT.call(DIALOGUE).key


@pytest.mark.parametrize(
    ("answer", "flaw", "text"),
    [
        (Completion('"I hear you."', FinishReason.STOP), "", "I hear you."),
        (
            Completion("I can't assist with that.", FinishReason.STOP),
            ExclusionReason.REFUSED,
            "I can't assist with that.",
        ),
        (Completion("I hear y", FinishReason.LENGTH), ExclusionReason.TRUNCATED, "I hear y"),
        (Completion("", FinishReason.FILTERED), ExclusionReason.FILTERED, None),
        (Completion(" ", FinishReason.STOP), ExclusionReason.EMPTY, None),
        (Completion(" ".join(["word"] * 200), FinishReason.STOP), "", " ".join(["word"] * 200)),
    ],
)
async def test_any_text_of_an_author_is_its_response_without_a_retry(
    answer: Completion, flaw: str, text: str | None
) -> None:
    client = Fixed(answer)
    got = await CHAT.respond(client, DIALOGUE)
    assert client.asked == 1
    assert got.flaw == flaw
    assert (got.response.text if got.response else None) == text
    if got.response is not None:
        assert (got.response.raw or got.response.text) == answer.text


async def test_only_empty_answers_are_retried_and_only_on_request() -> None:
    client = Fixed(Completion("", FinishReason.FILTERED), Completion("I hear you.", FinishReason.STOP))
    got = await CHAT.respond(client, DIALOGUE, {1: 1})
    assert (client.asked, got.attempt, got.text) == (2, 1, "I hear you.")
    client = Fixed(Completion("I can't assist with that.", FinishReason.STOP))
    await CHAT.respond(client, DIALOGUE, {1: 1})
    assert client.asked == 1


async def test_a_base_models_text_is_not_cut_here() -> None:
    plain = Responder(MODEL, rendering(PromptStyle.PLAIN))
    rambled = " I hear you.\n\nSpeaker: Yes.\nResponse: **And** so on."
    got = await plain.respond(Fixed(Completion(rambled, FinishReason.STOP)), DIALOGUE)
    assert got.text == rambled.strip()
