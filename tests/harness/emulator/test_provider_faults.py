"""Named faults: shares, scopes, effect on the definition hash, and billing."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson
import pytest

from harness.emulator.config import EmulatorConfig
from harness.emulator.protocols import openai_chat
from harness.emulator.provider_faults import (
    TABLE,
    FaultIdentity,
    apply_faults,
    matching_faults,
    result_changing_faults,
)
from harness.emulator.reply import FaultContext, ReplyDraft
from harness.emulator.types import RejectedError
from tests.errors import user_error
from tests.harness.emulator.conftest import Ask, Start

N = 4000
CHAT = FaultContext(
    openai_chat.NAME,
    {"max_tokens": 5, "temperature": 0, "logprobs": True},
    "emulated-gpt-4o",
    5,
    openai_chat.build_error,
    (),
)


def strikes(name: str, share: float, identity: FaultIdentity, seed: int = 0) -> bool:
    return bool(list(matching_faults({name: share}, CHAT, identity, seed)))


def identity(number: int, attempt: int = 0, prompt: int | None = None) -> FaultIdentity:
    text = number if prompt is None else prompt
    return FaultIdentity(number.to_bytes(4), attempt, text.to_bytes(4))


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_a_fault_affects_its_share(name: str, share: float) -> None:
    count = sum(strikes(name, share, identity(number)) for number in range(N))
    assert abs(count / N - share) <= 4 * (share * (1 - share) / N) ** 0.5


@pytest.mark.parametrize("name", TABLE)
def test_scopes_decide_what_is_affected_again(name: str) -> None:
    """Attempt scope affects nothing again; request scope the same key; prompt scope the same messages."""
    scope = TABLE[name].scope
    by_attempt = {strikes(name, 0.5, identity(1, attempt)) for attempt in range(64)}
    by_key = {strikes(name, 0.5, identity(key, prompt=1)) for key in range(64)}
    assert len(by_attempt) == (2 if scope == "attempt" else 1)
    assert len(by_key) == (1 if scope == "prompt" else 2)


def test_faults_are_drawn_independently() -> None:
    both = [
        {
            fault.name
            for fault, _ in matching_faults({"odd-usage": 0.5, "odd-finish": 0.5}, CHAT, identity(n), 0)
        }
        for n in range(N)
    ]
    assert abs(sum(len(names) == 2 for names in both) / N - 0.25) < 0.03
    assert [strikes("odd-usage", 0.5, identity(n), seed=1) for n in range(64)] != [
        strikes("odd-usage", 0.5, identity(n), seed=2) for n in range(64)
    ]


@pytest.mark.parametrize("name", TABLE)
def test_result_changing_faults_are_the_same_in_every_attempt(name: str) -> None:
    """A completion is a function of its request: faults that change it are not drawn per attempt."""
    if TABLE[name].decides:
        assert TABLE[name].scope != "attempt"


@pytest.mark.parametrize("name", TABLE)
def test_an_unaffected_reply_is_the_same_object(name: str) -> None:
    complete = ReplyDraft(200, {"choices": []})
    assert apply_faults(complete, {name: 0.0}, CHAT, identity(1), 0) is complete
    elsewhere = FaultContext("another protocol", {}, "m", 5, openai_chat.build_error, ())
    assert apply_faults(complete, {name: 1.0}, elsewhere, identity(1), 0) is complete


# -- options -----------------------------------------------------------------------------------------


def test_the_definition_contains_the_result_changing_faults() -> None:
    plain = EmulatorConfig().definition_hash
    for name, fault in TABLE.items():
        changed = EmulatorConfig(faults={name: 0.2}).definition_hash
        assert (changed != plain) == fault.decides
        assert EmulatorConfig(faults={name: 0.0}).definition_hash == plain
    assert (
        EmulatorConfig(faults={"filtered": 1}).definition_hash
        == EmulatorConfig(faults={"filtered": 1.0}).definition_hash
    )
    assert EmulatorConfig(outage_start=0.0, outage_seconds=1.0).definition_hash == plain


def test_the_definition_without_faults_is_unchanged() -> None:
    """Databases of earlier rehearsals keep their completions."""
    assert EmulatorConfig().definition_hash == "emulator-1:1ccec3944f25e226c5eba1abc0d3a4015fed2835"


def test_result_changing_faults_are_sorted() -> None:
    assert list(result_changing_faults({"thinks-aloud": 1, "filtered": 0.5, "overloaded": 1})) == [
        "filtered",
        "thinks-aloud",
    ]


@pytest.mark.parametrize(
    ("faults", "code", "remedy"),
    [
        ({"overload": 0.5}, "emulator.unknown-fault", "overloaded"),
        ({"filterd": 0.5}, "emulator.unknown-fault", "filtered"),
        ({"odd_usage": 0.5}, "emulator.unknown-fault", "odd-usage"),
        ({"qqq": 0.5}, "emulator.unknown-fault", "Choose from"),
        ({"filtered": 1.5}, "option.out-of-range", ""),
        ({"filtered": -0.1}, "option.out-of-range", ""),
        ({"filtered": float("nan")}, "option.out-of-range", ""),
        ({"filtered": True}, "option.out-of-range", ""),
        ({"filtered": "half"}, "option.out-of-range", ""),
    ],
    ids=str,
)
def test_invalid_faults_are_reported_with_all_other_faults(faults: Any, code: str, remedy: str) -> None:
    with user_error(code) as error:
        EmulatorConfig(faults=faults, latency_ms=-1, outage_start=-1.0)
    assert remedy in error.faults[0].remedy
    assert [fault.code for fault in error.faults] == [
        code,
        *["option.out-of-range"] * 2,
        "option.missing",  # an outage's start without its length
    ]


def test_faults_survive_a_json_round_trip() -> None:
    options = EmulatorConfig(faults={"filtered": 0.5}, outage_start=1.0, outage_seconds=2.0)
    assert EmulatorConfig.from_json(options.to_json()) == options
    assert hash(EmulatorConfig.from_json(options.to_json())) == hash(options)


# -- server ------------------------------------------------------------------------------------------


async def test_a_filtered_prompt_is_filtered_with_any_parameters(start: Start, ask: Ask, chat: Any) -> None:
    running = await start(faults={"filtered": 0.5})
    url = running.url + "/v1/chat/completions"
    seen = []
    for number in range(12):
        bodies = (
            chat(utterance=f"My dog number {number} died."),
            chat(utterance=f"My dog number {number} died.", temperature=1, max_tokens=7),
        )
        statuses = {(await ask(url, body))[0] for body in bodies}
        assert len(statuses) == 1
        seen += statuses
    assert set(seen) == {200, 400}


@pytest.mark.parametrize(
    ("name", "billed", "answered"),
    [
        ("overloaded", False, False),
        ("gateway-timeout", True, False),
        ("broken-off", True, False),
        ("wrong-form", True, False),
        ("filtered", False, True),
        ("cut-off-by-400", True, True),
        ("odd-usage", True, True),
    ],
)
async def test_billing_and_settled_requests(
    start: Start, ask: Ask, chat: Any, name: str, billed: bool, answered: bool
) -> None:
    running = await start(faults={name: 1.0})
    await ask(running.url + "/v1/chat/completions", chat(max_tokens=50))
    _, books, _ = await ask(running.url + "/stats")
    assert bool(books["output_tokens"]) is billed
    assert books["answered_keys"] == int(answered)
    if name == "cut-off-by-400":
        assert books["output_tokens"] == 50


async def test_thinking_beyond_the_limit_is_billed(start: Start, ask: Ask, chat: Any) -> None:
    running = await start(faults={"thinking-outside-limit": 1.0})
    _, answer, _ = await ask(running.url + "/v1/chat/completions", chat(max_tokens=5))
    usage = answer["usage"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + thought
    assert thought > 5 >= usage["completion_tokens"]
    _, books, _ = await ask(running.url + "/stats")
    assert books["output_tokens"] == usage["completion_tokens"] + thought


async def test_visible_thinking_is_truncated_at_the_limit(start: Start, ask: Ask, chat: Any) -> None:
    running = await start(faults={"thinks-aloud": 1.0})
    _, answer, _ = await ask(running.url + "/v1/chat/completions", chat(max_tokens=5))
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


async def test_lone_surrogates_and_invalid_numbers_are_sent(start: Start, chat: Any) -> None:
    running = await start(faults={"half-character": 1.0, "null-logprobs": 1.0})
    seen = set()
    async with aiohttp.ClientSession() as session:
        for number in range(20):
            body = chat(utterance=f"My dog number {number} died.", logprobs=True, top_logprobs=5)
            async with session.post(running.url + "/v1/chat/completions", json=body) as got:
                raw = await got.read()
            assert rb"\ud83d" in raw
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(raw)
            seen |= {word for word in (b"NaN", b"-Infinity", b'"logprob":null') if word in raw}
    assert seen == {b"NaN", b"-Infinity", b'"logprob":null'}


async def test_an_outage_affects_everything_in_its_window(start: Start, ask: Ask, chat: Any) -> None:
    running = await start(outage_start=0.0, outage_seconds=3600.0)
    assert (await ask(running.url + "/v1/chat/completions", chat()))[0] == 503
    headers = {"anthropic_version": "2023-06-01"}
    assert (await ask(running.url + "/v1/messages", {"model": "x"}, **headers))[0] == 529
    later = await start(outage_start=3600.0, outage_seconds=1.0)
    assert (await ask(later.url + "/v1/chat/completions", chat()))[0] == 200


def test_a_rejection_has_the_protocols_own_form() -> None:
    complete = ReplyDraft(200, {"choices": []}, input_tokens=7, output_tokens=3)
    reply = apply_faults(complete, {"overloaded": 1.0}, CHAT, identity(1), 0)
    status, body = openai_chat.build_error(
        RejectedError(503, "server", "The model is overloaded. Please try again later.")
    )
    assert (reply.status, reply.body, reply.is_answer) == (status, body, False)
    assert (reply.input_tokens, reply.output_tokens) == (0, 0)
