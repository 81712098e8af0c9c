"""Call keys: every setting that affects the answer changes the key, and no other does."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.clients.base import ModelRequest
from agents.messages import Completion, Message, Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.protocols import request_body

OPEN = Capabilities(seed=True, max_top_logprobs=20)
PROTOCOLS = [protocol for protocol in ApiProtocol if protocol is not ApiProtocol.CONTROL]


def model(protocol: ApiProtocol, **changed: Any) -> Model:
    values = {"provider": "vllm", "name": "m", "capabilities": OPEN, "base_url": "http://h/v1", **changed}
    return Model(protocol=protocol, **values)


def call(protocol: ApiProtocol, **changed: Any) -> ModelRequest:
    values = {
        "model": model(protocol),
        "messages": (Message("user", "Hello."),),
        "sampling": Sampling(50, temperature=0.5, seed=1, stop=("x",), top_logprobs=2),
        **changed,
    }
    return ModelRequest(**values)


def variants(protocol: ApiProtocol) -> dict[str, ModelRequest]:
    """The same call, each time with one thing that decides the answer changed."""
    base = call(protocol)
    asked, whom = base.sampling, base.model
    changed = {
        "as it was": base,
        "a word": call(protocol, messages=(Message("user", "Hello!"),)),
        "a space": call(protocol, messages=(Message("user", "Hello. "),)),
        "name": call(protocol, model=replace(whom, name="n")),
        "identity": call(protocol, model=replace(whom, identity="weights-1:abc")),
        "token limit": call(protocol, sampling=replace(asked, max_output_tokens=51)),
        "temperature": call(protocol, sampling=replace(asked, temperature=0.6)),
        "no temperature": call(protocol, sampling=replace(asked, temperature=None)),
        "top_k": call(protocol, sampling=replace(asked, top_k=5)),
        "stop": call(protocol, sampling=replace(asked, stop=("y",))),
        "two stops": call(protocol, sampling=replace(asked, stop=("x", "y"))),
        "extra": call(
            protocol, model=replace(whom, capabilities=replace(OPEN, extra='{"thinking":{"type":"x"}}'))
        ),
        "sample": call(protocol, sample=1),
        "attempt": call(protocol, attempt=1),
    }
    if protocol is not ApiProtocol.OPENAI_COMPLETIONS:
        changed["role"] = call(protocol, messages=(Message("assistant", "Hello."),))
        changed["a turn"] = call(protocol, messages=(*base.messages, Message("user", "Hello.")))
        changed["a system"] = call(protocol, messages=(Message("system", "Hi."), *base.messages))
        changed["schema"] = call(protocol, sampling=replace(asked, choices=("1", "2"), constraint="json"))
        changed["answers"] = call(
            protocol, sampling=replace(asked, choices=("1", "2", "tie"), constraint="json")
        )
    if protocol is not ApiProtocol.ANTHROPIC_MESSAGES:
        changed["top_p"] = call(protocol, sampling=replace(asked, top_p=0.9))
        changed["seed"] = call(protocol, sampling=replace(asked, seed=2))
        changed["logprobs"] = call(protocol, sampling=replace(asked, top_logprobs=3))
        changed["no logprobs"] = call(protocol, sampling=replace(asked, top_logprobs=None))
    return changed


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_everything_that_is_sent_is_part_of_the_key(protocol: ApiProtocol) -> None:
    keys = {name: each.key for name, each in variants(protocol).items()}
    same = [(one, other) for one, other in combinations(keys, 2) if keys[one] == keys[other]]
    assert same == []
    assert all(re.fullmatch(r"call-1:[0-9a-f]{40}", key) for key in keys.values())


def test_the_protocol_is_part_of_the_key() -> None:
    assert len({call(protocol).key for protocol in PROTOCOLS}) == len(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_decides_no_answer_is_not_part_of_the_key(protocol: ApiProtocol) -> None:
    base = call(protocol)

    def read(completion: Completion, key: str) -> str:
        return completion.text + key

    for same in (
        call(protocol, read=read),
        call(protocol, model=replace(base.model, base_url="http://elsewhere/v1")),
        call(protocol, model=replace(base.model, key_env="ANOTHER_KEY")),
        call(
            protocol, model=replace(base.model, capabilities=replace(OPEN, verdict="text", verdict_tokens=99))
        ),
        call(protocol, model=replace(base.model, capabilities=replace(OPEN, thinking=True))),
        call(protocol, sampling=replace(base.sampling, choices=("1", "2"))),
    ):
        assert same.key == base.key
    assert call(protocol, read=read) == base, "how an answer is read does not tell calls apart"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_parameter_that_a_model_does_not_accept_is_neither_sent_nor_keyed(protocol: ApiProtocol) -> None:
    closed = model(protocol, capabilities=Capabilities(temperature=False, seed=False, max_top_logprobs=0))
    asked = Sampling(50, temperature=0.5, top_p=0.9, seed=1, top_logprobs=2)
    one, other = (
        call(protocol, model=closed, sampling=asked),
        call(protocol, model=closed, sampling=Sampling(50)),
    )
    assert one.key == other.key
    assert one.body == other.body


def test_more_alternatives_than_a_model_gives_are_not_asked_for() -> None:
    few = model(ApiProtocol.OPENAI_CHAT, capabilities=Capabilities(max_top_logprobs=5))
    keys = {
        call(ApiProtocol.OPENAI_CHAT, model=few, sampling=Sampling(5, top_logprobs=count)).key
        for count in (5, 6, 20)
    }
    assert len(keys) == 1


@given(st.text(), st.text(), st.text())
def test_texts_cannot_run_into_each_other(name: str, identity: str, text: str) -> None:
    """Moving a letter from one part of a call to another is another call."""
    one = call(
        ApiProtocol.OPENAI_CHAT,
        model=model(ApiProtocol.OPENAI_CHAT, name=f"{name}a", identity=identity),
        messages=(Message("user", text),),
    )
    other = call(
        ApiProtocol.OPENAI_CHAT,
        model=model(ApiProtocol.OPENAI_CHAT, name=name, identity=f"a{identity}"),
        messages=(Message("user", text),),
    )
    assert one.key != other.key


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_hashed_body_is_sent(protocol: ApiProtocol) -> None:
    each = call(protocol)
    assert orjson.loads(each.body) == request_body(each.model, each.messages, each.sampling)
    assert each.body == orjson.dumps(orjson.loads(each.body), option=orjson.OPT_SORT_KEYS)


def test_keys_stay_what_they_are() -> None:
    """Databases out there know calls by these keys: a change here is a new tag, `call-2`."""
    judged = Sampling(5, temperature=0.0, top_logprobs=20)
    asked = Model("openai", "gpt-4o", ApiProtocol.OPENAI_CHAT, OPEN, "https://api.openai.com/v1")
    known = ModelRequest(asked, (Message("user", "Which?"),), judged)
    assert known.body == (
        b'{"logprobs":true,"max_tokens":5,"messages":[{"content":"Which?","role":"user"}],"model":"gpt-4o",'
        b'"temperature":0.0,"top_logprobs":20}'
    )
    assert known.key == "call-1:ed80006e5b4776cc1cd04e69f1d2fbe102e359f6"
