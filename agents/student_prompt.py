"""The one rendering of a student's prompt: what it is trained on is what it is asked with, token for token.

A base model without a chat template reads plain text, the direct prompt and a cue:

    A speaker tells you … </utterance>⏎⏎Response:| I can see why that would sting …<end of sequence>
                                       prompt ends | completion begins with the one space

Plain text carries no special token: whoever turns it into ids (trl, transformers, vLLM's `/v1/completions`)
does so with special tokens on, and so puts exactly one beginning of sequence. It ends on no space, because a
trailing space would be a token of its own in training and part of the next word's token in generation.

An instruct model reads its own chat template around the same words. The template writes its beginning of
sequence itself, so that text is turned into ids *without* adding special tokens (`add_special_tokens` is
false in a request). It is not enough to take that token off and let the tokenizer put it back: a
Mistral-type tokenizer puts a space before a text that begins without it.

The end of sequence follows a completion as the tokenizer's own token; nothing follows it. Works on text; a
tokenizer is handed in as a small protocol. Knows no model, server or file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from agents.errors import UserError
from agents.hashing import content_id
from agents.messages import Message
from agents.model_files.chat_template import Tokenizer, control_tokens, render_chat
from agents.models.spec import ApiProtocol
from agents.types import Dialogue
from prompts import Library, Prompt

DIRECT_PROMPT = "respond"
RELEASED_PROMPT = "released/respond/teacher"  # of a model that is asked in chat form, in fidelity `released`
VARIABLES = ("context", "utterance")
# After the prompt's last line a base model needs to be told that the answer comes now; the published
# scripts end in the same word.
CONTROL_TOKEN = "a control token inside the text"
RESPONSE_CUE = "\n\nResponse:"


class PromptStyle(StrEnum):
    """How the words are put before the model."""

    PLAIN = "plain"  # text to be continued: base models
    CHAT = "chat"  # the model's own chat template: instruct models


@dataclass(frozen=True)
class PromptFormat:
    """With which words and in which form a student is asked.

    Attributes:
        prompt: the direct prompt: one turn, variables context and utterance.
        form: plain or chat; a base model's tokenizer may carry a chat template that it was never trained
            on, so the form is stated and recorded, not guessed at every use.
    """

    prompt: Prompt
    form: PromptStyle = PromptStyle.PLAIN

    def __post_init__(self) -> None:
        if set(self.prompt.variables) != set(VARIABLES) or len(self.prompt.turns) != 1:
            raise UserError(
                "the prompt is not a direct prompt",
                code="prompt.not-direct",
                where=self.prompt.source,
                found=f"variables {self.prompt.variables}, {len(self.prompt.turns)} turns",
                remedy=f"Use the variables {', '.join(VARIABLES)} and a single turn.",
            )

    @cached_property
    def id(self) -> str:
        """Content id of everything that decides the prompt's text, but for a chat model's template."""
        return content_id("rendering-1", [self.prompt.version, self.form, RESPONSE_CUE])

    @property
    def protocol(self) -> ApiProtocol:
        """How a server is asked: the text itself, or the turn, which the server's template wraps."""
        return ApiProtocol.OPENAI_COMPLETIONS if self.form is PromptStyle.PLAIN else ApiProtocol.OPENAI_CHAT

    def turn(self, dialogue: Dialogue) -> str:
        """The user's turn: the direct prompt with this dialogue, before any form is put on it."""
        (turn,) = self.prompt.fill({"context": dialogue.situation, "utterance": dialogue.utterance})
        return turn

    def messages(self, dialogue: Dialogue) -> tuple[Message, ...]:
        """What a `Call` under `protocol` carries: the whole plain prompt, or the user's turn alone."""
        turn = self.turn(dialogue)
        return (Message("user", self._plain(turn) if self.form is PromptStyle.PLAIN else turn),)

    def _plain(self, turn: str) -> str:
        """The text a base model continues; an exact prompt ends in its own cue."""
        return turn if self.prompt.is_exact else plain_prompt(turn)

    @property
    def adds_special_tokens(self) -> bool:
        """Whether the tokenizer is to put its special tokens around `prompt_text`, or they stand in it."""
        return self.form is PromptStyle.PLAIN

    def prompt_text(self, turn: str, tokenizer: Tokenizer | None = None) -> str:
        """The exact `prompt` of a `/v1/completions` request with `add_special_tokens` as above.

        Raises:
            ValueError: the form is chat and no tokenizer was given.
        """
        if self.form is PromptStyle.PLAIN:
            return self._plain(turn)
        return chat_prompt(_needed(tokenizer), turn)

    def completion_text(self, turn: str, response: str, tokenizer: Tokenizer | None = None) -> str:
        """What a model is trained to say after `prompt_text`, without the end of sequence."""
        if self.form is PromptStyle.PLAIN:
            return plain_completion(response)
        return chat_completion(_needed(tokenizer), turn, response)

    def prompt_ids(self, turn: str, tokenizer: Tokenizer) -> list[int]:
        """The prompt's ids: in a training row, in generation and in a server."""
        text = self.prompt_text(turn, tokenizer)
        return tokenizer.encode(text, add_special_tokens=self.adds_special_tokens)

    def encode(self, turn: str, response: str, tokenizer: Tokenizer) -> Encoded:
        """A training row's ids."""
        prompt, completion = (
            self.prompt_text(turn, tokenizer),
            self.completion_text(turn, response, tokenizer),
        )
        return encode(tokenizer, prompt, completion, special=self.adds_special_tokens)

    def faults(self, turn: str, response: str, tokenizer: Tokenizer) -> tuple[str, ...]:
        """Every way in which this row breaks the law of tokens (`token_faults`)."""
        prompt, completion = (
            self.prompt_text(turn, tokenizer),
            self.completion_text(turn, response, tokenizer),
        )
        found = self.control_tokens(turn, tokenizer) + self.control_tokens(response, tokenizer)
        faults = token_faults(tokenizer, prompt, completion, special=self.adds_special_tokens)
        return ((CONTROL_TOKEN, *faults)) if found else faults

    def control_tokens(self, text: str, tokenizer: Tokenizer) -> tuple[str, ...]:
        """What in a dialogue or response the model would take for a mark of its own, not for words."""
        known = control_tokens(tokenizer, chat=self.form is PromptStyle.CHAT)
        # our own prompt's tags are words to every model, whatever a template calls its parts
        own = "\n".join(self.prompt.turns)
        return tuple(sorted(mark for mark in known if mark in text and mark not in own))


def rendering(form: PromptStyle = PromptStyle.PLAIN, library: Library | None = None) -> PromptFormat:
    """The rendering with the library's direct prompt."""
    return PromptFormat((library or Library())[DIRECT_PROMPT], form)


def default_style(tokenizer: Tokenizer) -> PromptStyle:
    """The form a tokenizer suggests: chat where it has a chat template."""
    return PromptStyle.CHAT if tokenizer.chat_template else PromptStyle.PLAIN


def plain_prompt(turn: str) -> str:
    """The text a base model continues; it ends on no white space."""
    return turn.rstrip() + RESPONSE_CUE


def plain_completion(response: str) -> str:
    """The continuation: one space and the response, white space around it taken away."""
    return " " + response.strip()


def strip_completion(continuation: str) -> str:
    """The response in what a student generated: the inverse of either completion."""
    return continuation.strip()


def chat_prompt(tokenizer: Tokenizer, turn: str) -> str:
    """The turn in the model's own template, special tokens written out, up to where its answer begins.

    Raises:
        UserError: the tokenizer has no chat template.
    """
    return render_chat(tokenizer, [{"role": "user", "content": turn}], True)


def chat_completion(tokenizer: Tokenizer, turn: str, response: str) -> str:
    """What the template writes after `chat_prompt` for this response, up to the end of sequence.

    A template that ends a turn with a token and a newline would have the newline trained after it; what
    follows the end of sequence is dropped, and white space at the end where there is none.

    Raises:
        UserError: with the answer in it, the template writes the prompt differently; such a model would
            be trained on another text than it is asked with.
    """
    user = {"role": "user", "content": turn}
    prompt = chat_prompt(tokenizer, turn)
    answer = {"role": "assistant", "content": response.strip()}
    whole = render_chat(tokenizer, [user, answer], False)
    if not whole.startswith(prompt):
        raise UserError(
            "the chat template renders the prompt differently when a response follows",
            code="chat-template.unstable-prompt",
            where="the tokenizer's chat_template",
            found=repr(whole[: len(prompt)][-60:]),
            remedy="Use the base model, or a template whose generation prompt is a prefix of the conversation.",
        )
    said, _, _ = whole[len(prompt) :].partition(str(tokenizer.eos_token))
    return said.rstrip()


@dataclass(frozen=True, slots=True)
class Encoded:
    """One training row as ids: `prompt` with its one BOS, `completion` with its one EOS."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]


def encode(tokenizer: Tokenizer, prompt: str, completion: str, *, special: bool = True) -> Encoded:
    """A row's ids as every trainer and server makes them: the prompt's, and those that follow it.

    A completion's tokens are those it has *after its prompt*: some tokenizers put a space before any text
    that stands alone, so that the ids of the completion by itself mean nothing.

    Args:
        special: whether the tokenizer puts its special tokens, or they stand in the text already.
    """
    first = tokenizer.encode(prompt, add_special_tokens=special)
    whole = tokenizer.encode(prompt + completion + str(tokenizer.eos_token), add_special_tokens=special)
    return Encoded(tuple(whole[: len(first)]), tuple(whole[len(first) :]))


def token_faults(
    tokenizer: Tokenizer, prompt: str, completion: str, *, special: bool = True
) -> tuple[str, ...]:
    """Every way in which this row breaks the law of tokens; () for a row that may be trained on.

    The law: tokens(prompt) + tokens(completion) = tokens(prompt + completion), exactly one BOS, at the
    front (none where the tokenizer puts none, or the chat template writes none); exactly one EOS in the
    completion, at its end; no space at a plain prompt's end; a completion that says something.
    """
    faults = []
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if eos is None:
        return ("the tokenizer has no end-of-sequence token",)
    row = encode(tokenizer, prompt, completion, special=special)
    whole = row.prompt + row.completion
    ends = row.completion.count(eos)
    if special and prompt.endswith((" ", "\t")):
        faults.append("the prompt ends in a space")
    if row.prompt != tuple(tokenizer.encode(prompt, add_special_tokens=special)):
        faults.append("prompt and completion share a token: the prompt alone has other ids")
    if ends != 1 or whole[-1] != eos:
        faults.append(f"the end of sequence must stand once in a completion, at its end; found {ends}")
    # OPT's beginning is its end, put in front of every text
    inside = row.prompt[1:] if bos == eos and row.prompt[:1] == (bos,) else row.prompt
    if special and eos in inside:  # a chat template may end the user's turn with it
        faults.append("the prompt holds an end of sequence")
    if bos is not None and bos != eos:
        begins = whole.count(bos)
        written = prompt.startswith(str(tokenizer.bos_token))
        wanted = int(_puts(tokenizer, bos) if special else written)
        if begins != wanted or (wanted and whole[0] != bos):
            faults.append(f"the beginning of sequence must stand once, at the front; found {begins}")
    if not completion.strip():
        faults.append("the completion is empty")
    return tuple(faults)


def find_unregistered_end(tokenizer: Tokenizer) -> str:
    """What the chat template writes after an answer as several tokens, without an end of its own; "" else.

    Raises:
        UserError: as `chat_completion`.
    """
    said = "Yes"
    end = chat_completion(tokenizer, "Is it?", said).partition(said)[2].strip()
    ids = tokenizer.encode(end, add_special_tokens=False) if end else []
    added = set(getattr(tokenizer, "added_tokens_decoder", None) or {})
    return end if len(ids) > 1 and not added.issuperset(ids) else ""


def lacks_bos(tokenizer: Tokenizer) -> bool:
    """Return whether a tokenizer has a beginning of sequence of its own and does not put it before a text.

    Gemma answers nothing but quotation marks without it. Where it is the end of sequence too (GPT-2), the
    model was trained without.
    """
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    return bos is not None and bos != eos and not _puts(tokenizer, bos)


def _puts(tokenizer: Tokenizer, special: int) -> bool:
    """Return whether the tokenizer puts this special token by itself (some have a BOS and never use it)."""
    return special in tokenizer.encode("a")


def _needed(tokenizer: Tokenizer | None) -> Tokenizer:
    if tokenizer is None:
        raise ValueError("the chat form needs the model's tokenizer")
    return tokenizer
