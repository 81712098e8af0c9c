"""Parameters of a request for an engine in this process, parsed from the request's own body.

The body is the same one that a server would receive, so both give the same prompt ids and sampling.
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
    """Prompt and sampling parameters of one request.

    Attributes:
        model: name of the engine's model.
        ids: token ids of the prompt, including special tokens.
        max_tokens: maximum new tokens.
        temperature, top_p, top_k, min_p, repetition_penalty: sampling parameters, as in vLLM.
        seed: seed of the sampling; None for a random one.
        stop: strings that end a response.
        include_stop: whether the response keeps the stop string that ended it.
        keep_special_tokens: whether the response keeps special tokens as text.
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
        """Parameters that requests must share to be processed in one pass."""
        limits = (self.max_tokens, self.temperature, self.top_p, self.top_k, self.min_p)
        return (*limits, self.repetition_penalty, self.seed, self.stop)


def parse_request_params(request: ModelRequest, tokenizer: Tokenizer) -> RequestParams:
    """Parse the body of a request.

    Raises:
        CallError: the request uses a parameter that only a server supports.
    """
    body = orjson.loads(request.body)
    unsupported = [name for name in ("structured_outputs", "logprobs", "response_format") if body.get(name)]
    if unsupported:
        raise CallError(Failure.BAD_REQUEST, f"{', '.join(unsupported)}: only supported by a server")
    return RequestParams(
        model=body["model"],
        ids=tuple(_prompt_ids(body, tokenizer)),
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
    """Return the text up to the first completed stop string, and whether there was one.

    Args:
        keep: whether to include the stop string.
    """
    matches = [(start + len(string), start) for string in stop if (start := text.find(string)) >= 0]
    if not matches:
        return text, False
    end, start = min(matches)
    return text[: end if keep else start], True


def _prompt_ids(body: dict[str, Any], tokenizer: Tokenizer) -> list[int]:
    if "prompt" in body:
        return tokenizer.encode(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))
    options = {"tokenize": False, "add_generation_prompt": True, **body.get("chat_template_kwargs", {})}
    text = tokenizer.apply_chat_template(body["messages"], **options)
    return tokenizer.encode(text, add_special_tokens=False)
