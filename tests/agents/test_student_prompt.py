"""Prompts of students, checked on a small tokenizer defined here; tests/finetune uses real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.spec import ApiProtocol
from agents.student_prompt import (
    RESPONSE_CUE,
    Encoded,
    PromptFormat,
    PromptStyle,
    chat_completion,
    chat_prompt,
    default_style,
    encode,
    plain_completion,
    plain_prompt,
    rendering,
    strip_completion,
    token_faults,
)
from agents.types import Dialogue
from prompts import Library, released
from tests.errors import user_error
from tests.released_scripts import said_by

DIALOGUE = Dialogue("d1", "I lost my keys.", "They were in the fridge {{context}}")
texts = st.text(min_size=1).filter(lambda text: text.strip() != "")


class Letters:
    """One id per character; `joins` merges a space with the letter before it, as no good tokenizer may."""

    bos_token, eos_token = "\x02", "\x03"
    bos_token_id, eos_token_id = 2, 3

    def __init__(self, template: str = "", *, joins: bool = False, ends: bool = False) -> None:
        self.chat_template = template
        self._joins = joins
        self._ends = ends

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        ids = [*([2] if add_special_tokens else []), *map(ord, text)]
        if self._joins:
            text_ids: list[int] = []
            for one in ids:
                if one == ord(" ") and text_ids and text_ids[-1] == ord(":"):
                    text_ids[-1] = 1_000_000
                else:
                    text_ids.append(one)
            ids = text_ids
        return [*ids, 3] if self._ends else ids

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        said = [f"<{turn['role']}>{turn['content']}\x03\n" for turn in conversation]
        opening = "<assistant>" if options["add_generation_prompt"] else ""
        if self.chat_template == "forgetful" and not options["add_generation_prompt"]:
            said = said[1:]
        return "\x02" + "".join(said) + opening


@given(texts, texts)
def test_text_never_ends_in_a_space_and_is_taken_back(turn: str, response: str) -> None:
    prompt, completion = plain_prompt(turn), plain_completion(response)
    assert prompt.endswith(RESPONSE_CUE) and prompt == prompt.rstrip()
    assert completion == " " + response.strip()
    assert strip_completion(completion) == response.strip()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=900), min_size=1).filter(str.strip))
def test_prompt_and_response_tokenize_separately_on_a_letter_tokenizer(response: str) -> None:
    tokenizer = Letters()
    prompt, completion = plain_prompt("Say something."), plain_completion(response)
    assert token_faults(tokenizer, prompt, completion) == ()
    row = encode(tokenizer, prompt, completion)
    assert row == Encoded(tuple(tokenizer.encode(prompt)), (*map(ord, completion), 3))


def test_plain_and_chat_prompts_have_the_same_words() -> None:
    plain, chat = rendering(), rendering(PromptStyle.CHAT)
    tokenizer = Letters("template")
    turn = plain.turn(DIALOGUE)
    assert (
        turn
        == chat.turn(DIALOGUE)
        == Library()["respond"].fill({"context": DIALOGUE.situation, "utterance": DIALOGUE.utterance})[0]
    )
    assert plain.prompt_text(turn) == turn + RESPONSE_CUE
    assert chat.prompt_text(turn, tokenizer) == f"\x02<user>{turn}\x03\n<assistant>"
    assert chat.completion_text(turn, " Oh dear. ", tokenizer) == "Oh dear."
    assert plain.messages(DIALOGUE)[0].content == turn + RESPONSE_CUE
    assert chat.messages(DIALOGUE)[0].content == turn
    assert (plain.protocol, chat.protocol) == (ApiProtocol.OPENAI_COMPLETIONS, ApiProtocol.OPENAI_CHAT)
    assert plain.id != chat.id


def test_chat_form_keeps_one_bos_and_nothing_after_the_end() -> None:
    tokenizer = Letters("template")
    chat = rendering(PromptStyle.CHAT)
    assert chat_completion(tokenizer, "Hello.", "Oh dear.\n") == "Oh dear."
    assert chat.faults("Hello.", "Oh dear.\n", tokenizer) == ()
    row = chat.encode("Hello.", "Oh dear.\n", tokenizer)
    assert row.prompt == tuple(chat.prompt_ids("Hello.", tokenizer))
    assert row.prompt.count(2) == 1 and not chat.adds_special_tokens
    whole = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Oh dear."}],
        add_generation_prompt=False,
    )
    assert tokenizer.decode(list(row.prompt + row.completion)) + "\n" == whole


@pytest.mark.parametrize(
    ("tokenizer", "prompt", "completion", "fault_text"),
    [
        (Letters(), "Response: ", "Oh dear.", "ends in a space"),
        (Letters(joins=True), "Response:", " Oh dear.", "share a token"),
        (Letters(), "Response:", " \t", "empty"),
        (Letters(), "Response:", " a\x03b", "found 2"),
        (Letters(), "He said \x03.", " Oh", "the prompt holds an end"),
        (Letters(), "He said \x02.", " Oh", "the beginning of sequence must stand once"),
        (Letters(ends=True), "Response:", " Oh dear.", "share a token"),
    ],
)
def test_invalid_rows_are_reported(tokenizer: Letters, prompt: str, completion: str, fault_text: str) -> None:
    assert any(fault_text in fault for fault in token_faults(tokenizer, prompt, completion))


@pytest.mark.parametrize("name", ["llama-base", "mistral-base", "llama-student"])
def test_a_released_prompt_is_rendered_as_it_is(released_prompts: Path, name: str) -> None:
    prompt = Library()[f"released/respond/{name}"]
    script = {
        "llama-base": released.LLAMA_BASE,
        "mistral-base": released.MISTRAL_BASE,
        "llama-student": released.LLAMA_STUDENT,
    }[name]
    said = said_by(script, context=[DIALOGUE.situation], speaker_utterance=[DIALOGUE.utterance])
    for form in PromptStyle:
        [message] = PromptFormat(prompt, form).messages(DIALOGUE)
        assert message.content == said
    assert PromptFormat(prompt).prompt_text(said) == said


def test_invalid_prompt_input_is_rejected() -> None:
    with user_error("chat-template.missing"):
        chat_prompt(Letters(), "Hello.")
    with user_error("chat-template.unstable-prompt"):
        chat_completion(Letters("forgetful"), "Hello.", "Oh dear.")
    with user_error("prompt.not-direct"):
        PromptFormat(Library()["judge/pairwise"])
    with pytest.raises(ValueError, match="tokenizer"):
        rendering(PromptStyle.CHAT).prompt_text("Hello.")
    assert default_style(Letters()) is PromptStyle.PLAIN
    assert default_style(Letters("template")) is PromptStyle.CHAT
