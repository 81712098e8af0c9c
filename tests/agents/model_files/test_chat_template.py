"""Chat templates: thinking is disabled, the date is fixed, and faults of a template are reported."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest

from agents.errors import UserError
from agents.model_files.chat_template import template_options
from agents.model_files.tokenizer_identity import end_token_ids, tokenizer_identity
from agents.student_prompt import (
    PromptFormat,
    PromptStyle,
    chat_completion,
    chat_prompt,
    find_unregistered_end,
    lacks_bos,
    rendering,
    token_faults,
)
from tests.errors import user_error

TURNS = "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
ASKS = "{% if add_generation_prompt %}<assistant>{% endif %}"
THOUGHT = "<think>\n\n</think>\n\n"
# Qwen 3's manner: an empty thought before the last answer, and in the prompt where thinking is off.
QWEN = (
    "{% for m in messages %}<{{ m['role'] }}>{% if m['role'] == 'assistant' and loop.last %}"
    "<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
DEEPSEEK = QWEN.replace("enable_thinking", "thinking")
OPENS = QWEN.replace("<assistant>{% if enable_thinking", "<assistant><think>\n{% if enable_thinking")
CLOCK = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}" + TURNS + ASKS
LLAMA = (
    "{% if not date_string is defined %}{% if strftime_now is defined %}"
    "{% set date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024' %}"
    "{% endif %}{% endif %}Today: {{ date_string }}" + TURNS + ASKS
)


class Characters:
    """A tokenizer of one id a character, with a template of Jinja as transformers renders it."""

    bos_token, eos_token, bos_token_id, eos_token_id = "\x02", "</s>", 2, 3

    def __init__(self, template: str = "", *, puts_bos: bool = True) -> None:
        self.chat_template = template
        self.puts_bos = puts_bos

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        ids = [ord(character) for character in text.replace("</s>", "\x03")]
        return [2, *ids] if add_special_tokens and self.puts_bos else ids

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        environment = jinja2.Environment()
        environment.globals["strftime_now"] = lambda form: "the real day"
        variables = {"bos_token": self.bos_token, **options}
        return environment.from_string(self.chat_template).render(messages=conversation, **variables)


@pytest.mark.parametrize(
    ("template", "options"),
    [
        (TURNS + ASKS, {}),
        (QWEN, {"enable_thinking": False}),
        (DEEPSEEK, {"thinking": False}),
        (LLAMA, {"date_string": "26 Jul 2024"}),
        (LLAMA.replace(TURNS + ASKS, QWEN), {"enable_thinking": False, "date_string": "26 Jul 2024"}),
    ],
)
def test_only_effective_template_options_are_used(template: str, options: dict[str, Any]) -> None:
    tokenizer = Characters(template)
    assert template_options(tokenizer) == options
    prompt = chat_prompt(tokenizer, "Hello.")
    assert "the real day" not in prompt
    assert prompt.endswith(THOUGHT) == ("think" in template)
    assert chat_completion(tokenizer, "Hello.", "Oh dear.") == "Oh dear."


def test_a_template_with_the_date_is_refused_in_chat_style_only() -> None:
    tokenizer = Characters(CLOCK)
    for use in (
        lambda: chat_prompt(tokenizer, "Hello."),
        lambda: tokenizer_identity(tokenizer, PromptStyle.CHAT),
    ):
        with pytest.raises(UserError) as error:
            use()
        assert "--form plain" in error.value.fault.remedy
    assert tokenizer_identity(tokenizer, PromptStyle.PLAIN) == tokenizer_identity(
        Characters(), PromptStyle.PLAIN
    )


def test_a_prompt_that_opens_a_thought_is_rejected() -> None:
    with user_error("chat-template.unstable-prompt"):
        chat_completion(Characters(OPENS), "Hello.", "Oh dear.")


@pytest.mark.parametrize("template", ["{{ nothing.at.all }}", "{% for %}", "{{ raise_exception('no') }}"])
def test_a_failing_template_is_rejected(template: str) -> None:
    with user_error("chat-template.not-renderable"):
        chat_prompt(Characters(template), "Hello.")


def test_template_output_counts_in_chat_style_only() -> None:
    one, other = Characters(TURNS + ASKS), Characters("Be kind. " + TURNS + ASKS)
    assert tokenizer_identity(one, PromptStyle.PLAIN) == tokenizer_identity(other, PromptStyle.PLAIN)
    assert tokenizer_identity(one, PromptStyle.CHAT) != tokenizer_identity(other, PromptStyle.CHAT)


def test_a_post_processor_and_an_end_count() -> None:
    plain, bare, other = Characters(), Characters(puts_bos=False), Characters()
    other.eos_token = "\x04"
    ids = {tokenizer_identity(one, PromptStyle.PLAIN) for one in (plain, bare, other)}
    assert len(ids) == 3
    assert (lacks_bos(plain), lacks_bos(bare)) == (False, True)
    bare.bos_token_id = bare.eos_token_id = 3  # GPT-2: one token for both, and never put
    assert not lacks_bos(bare)


@pytest.mark.parametrize(
    ("generation", "config", "ends"),
    [
        ({}, {}, (3,)),
        ({"eos_token_id": [7, 9]}, {"eos_token_id": 5}, (3, 7, 9)),
        ({"eos_token_id": None}, {"eos_token_id": 5}, (3, 5)),
        ({"eos_token_id": 3}, {}, (3,)),
    ],
)
def test_end_tokens_of_an_answer(
    generation: dict[str, Any], config: dict[str, Any], ends: tuple[int, ...]
) -> None:
    assert end_token_ids(Characters(), generation, config) == ends


def test_a_thinking_template_renders_training_and_requests_equally() -> None:
    tokenizer, how = Characters(QWEN), PromptFormat(rendering().prompt, PromptStyle.CHAT)
    row = how.encode("Hello.", "Oh dear.", tokenizer)
    assert list(row.prompt) == how.prompt_ids("Hello.", tokenizer)
    assert tokenizer.decode(list(row.completion)) == "Oh dear.\x03"


def test_a_beginning_that_is_the_end_may_stand_in_front_once() -> None:
    """OPT puts its one mark before every text; a second one inside is a fault as everywhere."""
    opt = Characters()
    opt.bos_token, opt.bos_token_id = "</s>", 3

    def encode(text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [3] * add_special_tokens + Characters.encode(opt, text, add_special_tokens=False)

    opt.encode = encode  # type: ignore[method-assign]
    assert token_faults(opt, "Hello.", " Oh dear.") == ()
    assert token_faults(opt, "Hello.</s>", " Oh dear.")
    assert token_faults(opt, "Hello.", " Oh</s> dear.")


def test_a_turn_end_without_a_token_is_reported() -> None:
    marks = TURNS.replace("</s>", "<|turn_over|></s>") + ASKS
    assert find_unregistered_end(Characters(marks)) == "<|turn_over|>"
    assert find_unregistered_end(Characters(TURNS + ASKS)) == find_unregistered_end(Characters(QWEN)) == ""
