"""A model's chat template: the conversation as it writes it, the same today and tomorrow, without a thought.

Where a template can be told not to think, it is told so, in training and whenever base or student is asked;
where it reads the day, one fixed day is given. What it is told is found by trying, and recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from agents.errors import UserError

_MARK = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?[a-z_]{2,30}>|\[/?[A-Z_]{3,30}\]")
_OPTIONS: dict[tuple[str, str, str], dict[str, Any]] = {}
_SWITCHES: tuple[dict[str, Any], ...] = ({"enable_thinking": False}, {"thinking": False})
_DAY = {"date_string": "26 Jul 2024"}  # what LLaMA 3's own templates write where there is no clock
_PROBE = [{"role": "user", "content": "I lost my keys."}]


class Tokenizer(Protocol):
    """What of a `transformers` tokenizer is used here."""

    bos_token: Any
    eos_token: Any
    bos_token_id: Any
    eos_token_id: Any
    chat_template: Any

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Ids of the text; with special tokens as the tokenizer puts them by itself, or as it stands."""
        ...

    def decode(self, token_ids: list[int]) -> Any:
        """The text of ids."""
        ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """The conversation as the model's own template writes it."""
        ...


def render_chat(tokenizer: Tokenizer, conversation: Sequence[dict[str, str]], asks: bool) -> str:
    """A conversation as the tokenizer's chat template writes it, special tokens written out.

    Args:
        asks: whether it ends where the model's answer begins.

    Raises:
        UserError: there is no template, or it cannot be used.
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
    """The texts that this tokenizer, or in chat form its template, takes for marks rather than for words.

    Inside a dialogue or response they would end a turn, or begin another. Special tokens all count; of the
    template what looks like a mark (`<|im_end|>`, `[INST]`), whether it is a token or not.
    """
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    texts = {str(token) for token in added.values() if getattr(token, "special", False)}
    texts |= {str(token) for token in (tokenizer.bos_token, tokenizer.eos_token) if token is not None}
    if chat:
        texts |= set(_MARK.findall(str(tokenizer.chat_template or "")))
    return frozenset(text for text in texts if text.strip())


def template_options(tokenizer: Tokenizer) -> dict[str, Any]:
    """What the chat template is told beside the conversation: thinking off, and the day where it reads one.

    An option is named only where it changes what the template writes, so that most models have none.

    Raises:
        UserError: there is no template, or what it writes depends on the clock, whatever it is told: the
            same dialogue would be another prompt tomorrow.
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
    except Exception as error:  # of the template's own language: whatever it is, it is the template's fault
        raise UserError(
            "the chat template cannot be rendered",
            code="chat-template.not-renderable",
            where="the tokenizer's chat_template",
            found=f"{type(error).__name__}: {error}"[:300],
            remedy="Use the base model in plain form: --form plain.",
        ) from error
