"""Rendering with a model's chat template, reproducibly and without thinking.

Thinking is turned off if the template has an option for it, both in training and in generation, and a
template that reads the date gets a fixed one. The options are detected by rendering a probe, and recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from agents.errors import UserError

_MARK = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?[a-z_]{2,30}>|\[/?[A-Z_]{3,30}\]")
_OPTIONS: dict[tuple[str, str, str], dict[str, Any]] = {}
_SWITCHES: tuple[dict[str, Any], ...] = ({"enable_thinking": False}, {"thinking": False})
_DAY = {"date_string": "26 Jul 2024"}  # the default of LLaMA 3's templates
_PROBE = [{"role": "user", "content": "I lost my keys."}]


class Tokenizer(Protocol):
    """Interface of a `transformers` tokenizer, as far as it is used here."""

    bos_token: Any
    eos_token: Any
    bos_token_id: Any
    eos_token_id: Any
    chat_template: Any

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token ids of a text, with or without the tokenizer's special tokens."""
        ...

    def decode(self, token_ids: list[int]) -> Any:
        """Return the text of token ids."""
        ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Render a conversation with the model's template."""
        ...


def render_chat(tokenizer: Tokenizer, conversation: Sequence[dict[str, str]], asks: bool) -> str:
    """Render a conversation with the tokenizer's chat template, including special tokens.

    Args:
        asks: whether to end with the generation prompt, where the model's response begins.

    Raises:
        UserError: the tokenizer has no chat template, or the template cannot be used.
    """
    if not tokenizer.chat_template:
        raise UserError(
            "the tokenizer has no chat template",
            code="chat-template.missing",
            where="--form chat",
            remedy="Use plain form for a base model: --form plain.",
        )
    return _rendered(tokenizer, conversation, {"add_generation_prompt": asks, **template_options(tokenizer)})


def control_tokens(tokenizer: Any, *, chat: bool) -> frozenset[str]:
    """Return the texts that the tokenizer, or in chat style its template, treats as control tokens.

    Within a dialogue or response they could end a turn or begin another. They are all special tokens, and
    everything in the template that looks like a control token (`<|im_end|>`, `[INST]`).
    """
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    texts = {str(token) for token in added.values() if getattr(token, "special", False)}
    texts |= {str(token) for token in (tokenizer.bos_token, tokenizer.eos_token) if token is not None}
    if chat:
        texts |= set(_MARK.findall(str(tokenizer.chat_template or "")))
    return frozenset(text for text in texts if text.strip())


def template_options(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the options of the chat template: thinking off, and a fixed date if the template reads one.

    Only options that change the rendered text are returned, so most models have none.

    Raises:
        UserError: the tokenizer has no chat template, or the template depends on the clock in spite of the
            fixed date, so that the same dialogue would give another prompt tomorrow.
    """
    key = (str(tokenizer.chat_template), str(tokenizer.bos_token), str(tokenizer.eos_token))
    if key not in _OPTIONS:
        _OPTIONS[key] = _probed_options(tokenizer)
    return dict(_OPTIONS[key])


def _probed_options(tokenizer: Tokenizer) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for switch in _SWITCHES:
        if _written(tokenizer, chosen) != _written(tokenizer, {**chosen, **switch}):
            chosen |= switch
    if _reads_clock(tokenizer, chosen):
        chosen |= _DAY
        if _reads_clock(tokenizer, chosen):
            raise UserError(
                "the chat template inserts the current time into the prompt",
                code="chat-template.reads-clock",
                where="the tokenizer's chat_template",
                found="strftime_now",
                remedy="Write a fixed date into the template, or use plain form: --form plain.",
            )
    return chosen


def _reads_clock(tokenizer: Tokenizer, options: dict[str, Any]) -> bool:
    clocks = [{**options, "strftime_now": lambda _, day=day: day} for day in ("Monday", "Tuesday")]
    return _written(tokenizer, clocks[0]) != _written(tokenizer, clocks[1])


def _written(tokenizer: Tokenizer, options: dict[str, Any]) -> str:
    return _rendered(tokenizer, _PROBE, {"add_generation_prompt": True, **options})


def _rendered(tokenizer: Tokenizer, conversation: Sequence[dict[str, str]], options: dict[str, Any]) -> str:
    try:
        return str(tokenizer.apply_chat_template(list(conversation), tokenize=False, **options))
    except UserError:
        raise
    except Exception as error:  # any exception of the template is a fault of the template
        raise UserError(
            "the chat template cannot be rendered",
            code="chat-template.not-renderable",
            where="the tokenizer's chat_template",
            found=f"{type(error).__name__}: {error}"[:300],
            remedy="Use the base model in plain form: --form plain.",
        ) from error
