"""What a call asks of an engine in this process: read from its own body, so that nothing is said twice.

The text or the ids that go in, and the sampling, as the server would read them. Loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure
from agents.model_files.chat_template import Tokenizer


@dataclass(frozen=True)
class RequestParams:
    """One call as an engine is asked it.

    Attributes:
        model: which of the engine's models.
        ids: the prompt, special tokens in it.
        max_tokens, temperature, top_p, top_k, repetition_penalty, seed, stop: of the sampling.
        keeps_stop, keeps_special: whether the answer keeps the string, and the special tokens, that ended it.
    """

    model: str
    ids: tuple[int, ...]
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    seed: int | None
    stop: tuple[str, ...]
    include_stop: bool
    keep_special_tokens: bool

    @property
    def sampling(self) -> tuple[Any, ...]:
        """What calls must share to be made in one pass."""
        told = (self.max_tokens, self.temperature, self.top_p, self.top_k, self.min_p)
        return (*told, self.repetition_penalty, self.seed, self.stop)


def parse_request_params(call: ModelRequest, tokenizer: Tokenizer) -> RequestParams:
    """What this call asks.

    Raises:
        CallError: it asks for something that an engine in this process is not made to do here.
    """
    body = orjson.loads(call.body)
    wrong = [name for name in ("structured_outputs", "logprobs", "response_format") if body.get(name)]
    if wrong:
        raise CallError(Failure.BAD_REQUEST, f"{', '.join(wrong)}: only through a server")
    return RequestParams(
        model=body["model"],
        ids=tuple(_ids(body, tokenizer)),
        max_tokens=body["max_tokens"],
        temperature=body.get("temperature", 1.0),
        top_p=body.get("top_p", 1.0),
        top_k=body.get("top_k", 0),
        min_p=body.get("min_p", 0.0),
        repetition_penalty=body.get("repetition_penalty", 1.0),
        seed=body.get("seed"),
        stop=tuple(body.get("stop", ())),
        include_stop=bool(body.get("include_stop_str_in_output")),
        keep_special_tokens=body.get("skip_special_tokens") is False,
    )


def truncate_at_stop(text: str, stop: Sequence[str], *, keep: bool) -> tuple[str, bool]:
    """The text up to the stop string that is complete first, and whether there was one."""
    found = [(at + len(each), at) for each in stop if (at := text.find(each)) >= 0]
    if not found:
        return text, False
    end, begin = min(found)
    return text[: end if keep else begin], True


def _ids(body: dict[str, Any], tokenizer: Tokenizer) -> list[int]:
    if "prompt" in body:
        return tokenizer.encode(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))
    options = {"tokenize": False, "add_generation_prompt": True, **body.get("chat_template_kwargs", {})}
    written = tokenizer.apply_chat_template(body["messages"], **options)
    return tokenizer.encode(written, add_special_tokens=False)
