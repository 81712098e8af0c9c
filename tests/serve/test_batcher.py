"""Batcher: every request gets its own result, in as few batches as possible."""

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


def make_request(text: str, model: Model = MODEL, **sampling: object) -> ModelRequest:
    return ModelRequest(model, (Message("user", text),), Sampling(5, **sampling))  # type: ignore[arg-type]


def echo(calls: Sequence[ModelRequest]) -> list[BatchResult]:
    return [Completion(request.messages[0].content, FinishReason.STOP) for request in calls]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 16))
def test_every_request_gets_its_own_result(count: int, max_size: int) -> None:
    async def main() -> Batcher:
        batcher = Batcher(echo, max_size)
        clients = [batcher.client(), batcher.client()]
        pending = [clients[n % 2].complete(make_request(f"{n}")) for n in range(count)]
        assert [completion.text for completion in await asyncio.gather(*pending)] == [
            f"{n}" for n in range(count)
        ]
        await batcher.close()
        return batcher

    batcher = asyncio.run(main())
    assert sum(batcher.batches) == count
    assert max(batcher.batches) <= max_size
    assert len(batcher.batches) == -(-count // max_size)  # requests that arrive together share a batch


async def test_an_invalid_request_does_not_affect_others() -> None:
    def engine(calls: Sequence[ModelRequest]) -> list[BatchResult]:
        error = CallError(Failure.BAD_REQUEST, "no")
        return [error if request.messages[0].content == "bad" else echo([request])[0] for request in calls]

    batcher = Batcher(engine)
    pending = [batcher.complete(make_request(text)) for text in ("good", "bad", "fine")]
    good, bad, fine = await asyncio.gather(*pending, return_exceptions=True)
    assert isinstance(bad, CallError)
    assert [result.text for result in (good, fine) if isinstance(result, Completion)] == ["good", "fine"]
    await batcher.close()


async def test_an_engine_failure_is_reported_and_the_next_batch_works() -> None:
    failing = [True]

    def engine(calls: Sequence[ModelRequest]) -> list[BatchResult]:
        if failing:
            failing.clear()
            raise RuntimeError("out of memory")
        return echo(calls)

    batcher = Batcher(engine)
    with pytest.raises(CallError, match="out of memory") as error:
        await batcher.complete(make_request("a"))
    assert error.value.failure is Failure.SERVER
    assert (await batcher.complete(make_request("a"))).text == "a"
    await batcher.close()
    await batcher.close()


class CharacterTokenizer:
    """Tokenizer whose ids are characters, with a beginning-of-sequence token."""

    bos_token, eos_token, bos_token_id, eos_token_id, chat_template = "^", "$", 0, 1, None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0] * add_special_tokens + [ord(letter) for letter in text]

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))

    def apply_chat_template(self, conversation: list[dict[str, str]], **_: object) -> str:
        return f"<{conversation[0]['content']}>"


def test_request_params_equal_those_of_a_server() -> None:
    capabilities = Capabilities(
        seed=True, extra='{"include_stop_str_in_output":true,"min_p":0.0,"repetition_penalty":1.1,"top_k":7}'
    )
    model = Model("vllm", "base", ApiProtocol.OPENAI_COMPLETIONS, capabilities)
    params = parse_request_params(
        make_request("ab", model, temperature=0.5, top_p=0.9, seed=3, stop=("x",)), CharacterTokenizer()
    )
    assert params.ids == (0, 97, 98)
    assert params.sampling == (5, 0.5, 0.9, 7, 0.0, 1.1, 3, ("x",))
    assert params.include_stop
    chat = parse_request_params(
        make_request("ab", Model("vllm", "base", ApiProtocol.OPENAI_CHAT)), CharacterTokenizer()
    )
    assert chat.ids == tuple(map(ord, "<ab>"))
    with pytest.raises(CallError, match="server"):
        parse_request_params(make_request("ab", choices=("1",), constraint="choice"), CharacterTokenizer())


@pytest.mark.parametrize(
    ("text", "keep", "expected"),
    [
        ("a\nSpeaker: b", False, ("a", True)),
        ("a\nSpeaker: b", True, ("a\nSpeaker:", True)),
        ("abc", True, ("abc", False)),
        ("x<y\nSpeaker:", False, ("x", True)),
    ],
)
def test_text_is_truncated_at_the_first_stop_string(
    text: str, keep: bool, expected: tuple[str, bool]
) -> None:
    assert truncate_at_stop(text, ("\nSpeaker:", "<y"), keep=keep) == expected
