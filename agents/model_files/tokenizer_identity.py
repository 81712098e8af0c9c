"""Content id of a tokenizer and its prompt rendering, in addition to the identity of the weights.

The same weights with another tokenizer, template or post-processor are another author. Fixed probes are
rendered, encoded and decoded; the content id covers the results, the vocabulary and the special tokens. The
chat template counts in chat style only. File formats and the padding token do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.hashing import content_id
from agents.model_files.chat_template import Tokenizer
from agents.student_prompt import PromptStyle, chat_completion, chat_prompt, plain_completion, plain_prompt

PROBES = (
    ("I lost my keys.", "That is hard."),
    (
        "  Two  spaces, a tab\tand\n\na blank line; naïve café – “quoted” … 😀 Straße 東京 12,345.67 I don't",
        " It’s been 10 years?\nI can't\u00a0imagine! (really) #1 <b>x</b> {y} [z] $5 & co. _it_ *is* ~ok~",
    ),
    ("\u200bzero width e\u0301 ﬁ Ⅷ ½ ¹ أهلا नमस्ते", "…"),
)
MARKS = ("bos_token", "eos_token", "bos_token_id", "eos_token_id")


def tokenizer_identity(tokenizer: Tokenizer, form: PromptStyle) -> str:
    """Return the content id of a tokenizer and its rendering in one prompt style.

    Raises:
        UserError: the style is chat and the template cannot be used (see `agents.student_prompt`).
    """
    names = [[str(getattr(tokenizer, name)) for name in MARKS], _special(tokenizer), _vocabulary(tokenizer)]
    return content_id("asking-1", [form, names, [_probed(tokenizer, form, *probe) for probe in PROBES]])


def end_token_ids(
    tokenizer: Tokenizer, generation: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[int, ...]:
    """Return the ids that end a completion: the tokenizer's own, and those in the base model's files.

    Args:
        generation, config: the base model's generation_config.json, which takes precedence, and config.json.
    """
    named = generation.get("eos_token_id")
    named = config.get("eos_token_id") if named is None else named
    ids = named if isinstance(named, list) else [named]
    return tuple(sorted({each for each in (*ids, tokenizer.eos_token_id) if isinstance(each, int)}))


def _probed(tokenizer: Tokenizer, form: PromptStyle, turn: str, response: str) -> list[Any]:
    if form is PromptStyle.CHAT:
        prompt, completion = chat_prompt(tokenizer, turn), chat_completion(tokenizer, turn, response)
    else:
        prompt, completion = plain_prompt(turn), plain_completion(response)
    special = form is PromptStyle.PLAIN
    ids = tokenizer.encode(prompt, add_special_tokens=special)
    full_ids = tokenizer.encode(prompt + completion + str(tokenizer.eos_token), add_special_tokens=special)
    return [prompt, completion, list(ids), list(full_ids), str(tokenizer.decode(list(full_ids)))]


def _special(tokenizer: Any) -> list[list[Any]]:
    """Return (id, text, whether it is special and thus skipped in decoding) of the added tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return sorted(
        [int(number), str(token), bool(getattr(token, "special", False))] for number, token in added.items()
    )


def _vocabulary(tokenizer: Any) -> str:
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    return content_id("vocabulary-1", {str(word): int(number) for word, number in words.items()})
