"""Completions as pure functions: verdict frequencies, log-probabilities, limits and formats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from agents.hashing import canonical
from agents.messages import FinishReason, Message
from harness.emulator.config import EmulatorConfig
from harness.emulator.judge_preferences import expected_scores, preference, verdict_probabilities
from harness.emulator.models import MODELS
from harness.emulator.responses import generate_completions
from harness.emulator.types import ParsedRequest, SampledCompletion

Chat = Callable[..., dict[str, Any]]
WARM = "I am so sorry, I understand, and I am here for you."
COLD = "Well, it is so."


def _ask(body: dict[str, Any], options: EmulatorConfig, key: str = "", **further: Any) -> SampledCompletion:
    model = options.model(body["model"])
    assert model is not None
    messages = tuple(Message(each["role"], each["content"]) for each in body["messages"])
    question = ParsedRequest(model, messages, **{"max_tokens": 200, **further})
    return generate_completions(question, "openai-chat", canonical(body), key, options).answers[0]


@pytest.mark.parametrize("bias", [0.0, 0.15, -0.2])
@pytest.mark.parametrize("bias_on", ["probability", "logit"])
def test_verdicts_follow_the_preference_and_its_bias(chat: Chat, bias: float, bias_on: str) -> None:
    options = EmulatorConfig(
        seed=11, mean_preference=0.7, concentration=6.0, position_bias=bias, bias_on=bias_on
    )
    model = options.model("emulated-gpt-4o")
    assert model is not None
    count, first_count, expected, scores, pairs = 500, 0, 0.0, [], []
    for number in range(count):
        utterance = f"This is what happened to me on day {number}."
        pairs.append(("I lost my old dog.", utterance, WARM, COLD))
        warm_first = _ask(chat(utterance=utterance, response_1=WARM, response_2=COLD), options).text
        cold_first = _ask(chat(utterance=utterance, response_1=COLD, response_2=WARM), options).text
        p_first = preference(options.seed, model, *pairs[-1])
        expected += verdict_probabilities(p_first, model.taste, offers_tie=False).first
        expected += verdict_probabilities(1.0 - p_first, model.taste, offers_tie=False).first
        first_count += (warm_first == "1") + (cold_first == "1")
        scores.append(((warm_first == "1") + (cold_first == "2")) / 2)
    assert first_count / (2 * count) == pytest.approx(
        expected / (2 * count), abs=4 * 0.5 / math.sqrt(2 * count)
    )
    truth = expected_scores(options.seed, model, pairs)
    assert sum(scores) / count == pytest.approx(sum(truth) / count, abs=4 * 0.36 / math.sqrt(count))


def test_samples_of_one_request_follow_its_probability(chat: Chat) -> None:
    options, body = EmulatorConfig(seed=5), chat(response_1=WARM, response_2=COLD)
    model = options.model("emulated-gpt-4o")
    assert model is not None
    dialogue = ("I lost my old dog.", "My dog died yesterday, right after we came back from the lake.")
    wanted = verdict_probabilities(
        preference(5, model, *dialogue, WARM, COLD), model.taste, offers_tie=False
    ).first
    drawn = [_ask(body, options, key=f"call-1:{number}").text == "1" for number in range(1000)]
    assert sum(drawn) / 1000 == pytest.approx(wanted, abs=4 * 0.5 / math.sqrt(1000))


def test_log_probabilities_match_the_preference(chat: Chat) -> None:
    options, body = EmulatorConfig(seed=5), chat(response_1=WARM, response_2=COLD)
    model = options.model("emulated-gpt-4o")
    assert model is not None
    dialogue = ("I lost my old dog.", "My dog died yesterday, right after we came back from the lake.")
    wanted = verdict_probabilities(
        preference(5, model, *dialogue, WARM, COLD), model.taste, offers_tie=False
    ).first
    answer = _ask(body, options, top_logprobs=20)
    top = {token: math.exp(logprob) for token, logprob in answer.tokens[0].top}
    first = sum(top[token] for token in ("1", " 1", "one"))
    second = sum(top[token] for token in ("2", " 2", "two"))
    assert first / (first + second) == pytest.approx(wanted)
    assert sum(top.values()) == pytest.approx(1.0)
    assert 0.0 < 1.0 - first - second < 0.02
    assert math.exp(answer.tokens[0].logprob) == pytest.approx(top[answer.text])
    assert list(top.values()) == sorted(top.values(), reverse=True)
    assert len(_ask(body, options, top_logprobs=3).tokens[0].top) == 3
    assert _ask(body, options).tokens == ()


def test_ties_occur_only_if_offered(chat: Chat) -> None:
    options = EmulatorConfig(mean_preference=0.5, concentration=100.0)
    verdicts = {_ask(chat("judge/pairwise-tie"), options, key=str(number)).text for number in range(100)}
    assert verdicts == {"1", "2", "tie"}
    verdicts = {_ask(chat("judge/pairwise"), options, key=str(number)).text for number in range(100)}
    assert verdicts == {"1", "2"}


@pytest.mark.parametrize(
    "labels", [("1", "2"), ("A", "B"), ("2", "1"), ("tie", "1", "2"), ("only",), ('"', "\\")]
)
def test_choices_and_json_schemas_are_kept(chat: Chat, labels: tuple[str, ...]) -> None:
    options, body = EmulatorConfig(seed=5, position_bias=1.0), chat(response_1=WARM, response_2=COLD)
    chosen = _ask(body, options, choices=labels, top_logprobs=20)
    assert chosen.text in labels
    assert {token for token, _ in chosen.tokens[0].top} <= set(labels)
    structured = _ask(body, options, fields=(("why", ()), ("answer", labels)), top_logprobs=20)
    assert orjson.loads(structured.text)["answer"] in labels
    assert "".join(token.token for token in structured.tokens) == structured.text
    if "1" in labels:
        assert (
            chosen.text == orjson.loads(structured.text)["answer"] == "1"
        )  # with a bias of 1 always the first


def test_json_without_an_enumeration_contains_the_answer(chat: Chat) -> None:
    options = EmulatorConfig(position_bias=1.0)
    assert orjson.loads(_ask(chat(), options, fields=(("why", ()), ("answer", ()))).text)["answer"] == "1"
    improved = _ask(chat("improve/naive"), options, fields=(("response", ()), ("note", ())))
    assert orjson.loads(improved.text)["response"].startswith("That happens.")


def test_a_completion_ends_at_its_limit_or_at_a_stop_string(chat: Chat) -> None:
    body, options = chat("respond"), EmulatorConfig()
    complete = _ask(body, options)
    assert complete.finish is FinishReason.STOP
    cut = _ask(body, options, max_tokens=5, top_logprobs=0)
    assert (cut.finish, cut.output_tokens, len(cut.tokens)) == (FinishReason.LENGTH, 5, 5)
    assert complete.text.startswith(cut.text)
    assert "".join(token.token for token in cut.tokens) == cut.text
    exact = _ask(body, options, max_tokens=complete.output_tokens)
    assert (exact.text, exact.finish) == (complete.text, FinishReason.STOP)
    stopped = _ask(body, options, stop=(".", "zzz"), top_logprobs=0)
    assert (stopped.text, stopped.stopped_by) == (complete.text.partition(".")[0], ".")
    assert "".join(token.token for token in stopped.tokens) == stopped.text


def test_thinking_counts_and_may_use_the_whole_limit(chat: Chat) -> None:
    body, options = chat(model="emulated-o4-mini"), EmulatorConfig()
    answer = _ask(body, options, max_tokens=4096)
    assert (answer.text in ("1", "2"), answer.output_tokens) == (True, answer.thinking_tokens + 1)
    assert answer.thinking_tokens >= 32
    starved = _ask(body, options, max_tokens=20)
    assert (starved.text, starved.finish, starved.output_tokens) == ("", FinishReason.LENGTH, 20)
    assert _ask(body, options, thinking_budget=0).thinking_tokens == 0


def test_a_base_model_continues_after_its_answer(chat: Chat) -> None:
    base = MODELS["emulated-llama-3.1-8b"].name
    answer = _ask(chat("respond", model=base), EmulatorConfig(), max_tokens=4096)
    assert answer.text.startswith(" ")
    assert answer.text.count("\n") > 5
    assert answer.finish is FinishReason.STOP
    assert _ask(chat("respond", model=base), EmulatorConfig(), max_tokens=130).finish is FinishReason.LENGTH


def test_refusals_have_their_share_and_are_stable(chat: Chat) -> None:
    options, body = EmulatorConfig(refusals=0.3), chat()
    finishes = [_ask(body, options, key=str(number)).finish for number in range(600)]
    refused = [finish for finish in finishes if finish is not FinishReason.STOP]
    assert len(refused) / 600 == pytest.approx(0.3, abs=0.06)
    assert set(refused) == {FinishReason.REFUSAL, FinishReason.FILTERED}
    assert finishes == [_ask(body, options, key=str(number)).finish for number in range(600)]
    assert _ask(body, EmulatorConfig(refusals=1.0)).output_tokens == 0


def test_only_seed_body_key_and_sample_decide(chat: Chat) -> None:
    body = chat("respond")
    baseline = _ask(body, EmulatorConfig(seed=1), key="k")
    assert baseline == _ask(
        dict(reversed(body.items())), EmulatorConfig(seed=1, latency_ms=9.0, errors_500=0.5), key="k"
    )
    others = [
        _ask(body, EmulatorConfig(seed=2), key="k"),
        _ask(body, EmulatorConfig(seed=1), key="l"),
        _ask({**body, "temperature": 1}, EmulatorConfig(seed=1), key="k"),
    ]
    assert all(other != baseline for other in others)
    model = MODELS["emulated-gpt-4o"]
    question = ParsedRequest(model, (Message("user", "Hello there"),), 100, samples=8)
    outcome = generate_completions(question, "openai-chat", b"{}", "", EmulatorConfig())
    assert len({answer.text for answer in outcome.answers}) > 4
    assert outcome.output_tokens == sum(answer.output_tokens for answer in outcome.answers)


def test_a_judge_asked_for_reasons_writes_them_first(chat: Chat) -> None:
    body = chat()
    body["messages"][0]["content"] += "\nExplain your decision, then answer."
    text = _ask(body, EmulatorConfig()).text
    assert text.partition("\n\nAnswer: ")[2] in ("1", "2")
    assert "Response 1" in text
