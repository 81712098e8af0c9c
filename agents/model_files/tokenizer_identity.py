"""How a tokenizer puts a question before its model: an identity by content, beside that of the weights.

The same weights under another tokenizer, template or post-processor are another author, and an adapter that
was trained with one is another student under the other. Fixed probes are rendered in a form and turned into
ids and back; with them count the vocabulary, the special tokens and what they are for. A chat template counts
in chat form alone. How files are written does not count, nor the token that pads. Knows no file or model.
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
    """Content id of how this tokenizer asks in this form.

    Raises:
        UserError: the form is chat and the template cannot be used (`agents.student_prompt`).
    """
    names = [[str(getattr(tokenizer, name)) for name in MARKS], _special(tokenizer), _vocabulary(tokenizer)]
    return content_id("asking-1", [form, names, [_probed(tokenizer, form, *probe) for probe in PROBES]])


def end_token_ids(
    tokenizer: Tokenizer, generation: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[int, ...]:
    """The ids that end an answer, in every engine: the tokenizer's own, and those the base's files name.

    Args:
        generation, config: the base's generation_config.json and config.json; the first goes before.
    """
    named = generation.get("eos_token_id")
    named = config.get("eos_token_id") if named is None else named
    ids = named if isinstance(named, list) else [named]
    return tuple(sorted({one for one in (*ids, tokenizer.eos_token_id) if isinstance(one, int)}))


def _probed(tokenizer: Tokenizer, form: PromptStyle, turn: str, response: str) -> list[Any]:
    if form is PromptStyle.CHAT:
        prompt, completion = chat_prompt(tokenizer, turn), chat_completion(tokenizer, turn, response)
    else:
        prompt, completion = plain_prompt(turn), plain_completion(response)
    special = form is PromptStyle.PLAIN
    ids = tokenizer.encode(prompt, add_special_tokens=special)
    whole = tokenizer.encode(prompt + completion + str(tokenizer.eos_token), add_special_tokens=special)
    return [prompt, completion, list(ids), list(whole), str(tokenizer.decode(list(whole)))]


def _special(tokenizer: Any) -> list[list[Any]]:
    """The added tokens: id, text, and whether it is special (left out where ids become text)."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return sorted(
        [int(number), str(token), bool(getattr(token, "special", False))] for number, token in added.items()
    )


def _vocabulary(tokenizer: Any) -> str:
    words = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    return content_id("vocabulary-1", {str(word): int(number) for word, number in words.items()})
