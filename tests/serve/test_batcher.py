"""Batching: everyone gets the own answer, in as few batches as there may be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure
from agents.messages import Completion, FinishReason, Message, Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from serve.batcher import Batcher, BatchResult
from serve.request_params import parse_request_params, truncate_at_stop

MODEL = Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS, Capabilities(seed=True))


def call(text: str, model: Model = MODEL, **sampling: object) -> ModelRequest:
    return ModelRequest(model, (Message("user", text),), Sampling(5, **sampling))  # type: ignore[arg-type]


def echo(calls: Sequence[ModelRequest]) -> list[BatchResult]:
    return [Completion(one.messages[0].content, FinishReason.STOP) for one in calls]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 16))
def test_everyone_gets_the_own_answer(count: int, most: int) -> None:
    async def main() -> Batcher:
        batcher = Batcher(echo, most)
        clients = [batcher.client(), batcher.client()]
        asked_for = [clients[n % 2].complete(call(f"{n}")) for n in range(count)]
        assert [one.text for one in await asyncio.gather(*asked_for)] == [f"{n}" for n in range(count)]
        await batcher.close()
        return batcher

    batcher = asyncio.run(main())
    assert sum(batcher.batches) == count
    assert max(batcher.batches) <= most
    assert len(batcher.batches) == -(-count // most)  # those that come together are asked together


async def test_one_bad_call_spoils_no_other() -> None:
    def engine(calls: Sequence[ModelRequest]) -> list[BatchResult]:
        wrong = CallError(Failure.BAD_REQUEST, "no")
        return [wrong if one.messages[0].content == "bad" else echo([one])[0] for one in calls]

    batcher = Batcher(engine)
    told = [batcher.complete(call(text)) for text in ("good", "bad", "fine")]
    good, bad, fine = await asyncio.gather(*told, return_exceptions=True)
    assert isinstance(bad, CallError)
    assert [one.text for one in (good, fine) if isinstance(one, Completion)] == ["good", "fine"]
    await batcher.close()


async def test_an_engine_that_fails_is_told_and_asked_again() -> None:
    failing = [True]

    def engine(calls: Sequence[ModelRequest]) -> list[BatchResult]:
        if failing:
            failing.clear()
            raise RuntimeError("out of memory")
        return echo(calls)

    batcher = Batcher(engine)
    with pytest.raises(CallError, match="out of memory") as error:
        await batcher.complete(call("a"))
    assert error.value.failure is Failure.SERVER
    assert (await batcher.complete(call("a"))).text == "a"
    await batcher.close()
    await batcher.close()


class Letters:
    """A tokenizer whose ids are characters, with one beginning of sequence."""

    bos_token, eos_token, bos_token_id, eos_token_id, chat_template = "^", "$", 0, 1, None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0] * add_special_tokens + [ord(letter) for letter in text]

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))

    def apply_chat_template(self, conversation: list[dict[str, str]], **_: object) -> str:
        return f"<{conversation[0]['content']}>"


def test_an_engine_is_asked_what_a_server_would_be() -> None:
    capabilities = Capabilities(
        seed=True, extra='{"include_stop_str_in_output":true,"min_p":0.0,"repetition_penalty":1.1,"top_k":7}'
    )
    model = Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS, capabilities)
    told = parse_request_params(call("ab", model, temperature=0.5, top_p=0.9, seed=3, stop=("x",)), Letters())
    assert told.ids == (0, 97, 98)
    assert told.sampling == (5, 0.5, 0.9, 7, 0.0, 1.1, 3, ("x",))
    assert told.include_stop
    chat = parse_request_params(call("ab", Model("vllm", "base", ApiProtocol.OPENAI_CHAT)), Letters())
    assert chat.ids == tuple(map(ord, "<ab>"))
    with pytest.raises(CallError, match="server"):
        parse_request_params(call("ab", choices=("1",), constraint="choice"), Letters())


@pytest.mark.parametrize(
    ("text", "keep", "told"),
    [
        ("a\nSpeaker: b", False, ("a", True)),
        ("a\nSpeaker: b", True, ("a\nSpeaker:", True)),
        ("abc", True, ("abc", False)),
        ("x<y\nSpeaker:", False, ("x", True)),
    ],
)
def test_stop_strings(text: str, keep: bool, told: tuple[str, bool]) -> None:
    assert truncate_at_stop(text, ("\nSpeaker:", "<y"), keep=keep) == told
