"""Rendering of the direct prompt, identical in training and generation, token for token.

A base model without a chat template receives plain text, the direct prompt and a cue:

    A speaker tells you … </utterance>⏎⏎Response:| I can see why that would sting …<end of sequence>
                                       prompt ends | completion begins with the one space

Plain text contains no special tokens. trl, transformers and vLLM's `/v1/completions` add them when they
encode it, which gives exactly one BOS token. The prompt does not end in a space, because a trailing space
would be a token of its own in training and part of the next word's token in generation.

An instruct model receives the same words in its chat template. The template writes the BOS token itself, so
the text is encoded *without* adding special tokens (`add_special_tokens` is false in a request). Removing the
BOS token and letting the tokenizer add it again would not be equivalent: Mistral-type tokenizers put a space
before a text that does not begin with BOS.

The tokenizer's EOS token ends a completion.
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
RELEASED_PROMPT = "released/respond/teacher"  # for chat style in fidelity `released`
VARIABLES = ("context", "utterance")
# A base model needs a cue that the response follows; the published scripts use the same word.
CONTROL_TOKEN = "a control token inside the text"
RESPONSE_CUE = "\n\nResponse:"


class PromptStyle(StrEnum):
    """Style of a prompt."""

    PLAIN = "plain"  # text to continue, for base models
    CHAT = "chat"  # the model's chat template, for instruct models


@dataclass(frozen=True)
class PromptFormat:
    """Prompt and style with which responses are generated.

    Attributes:
        prompt: the direct prompt, with one turn and the variables context and utterance.
        form: plain or chat. It is stated and recorded rather than inferred, because the tokenizer of a base
            model may have a chat template on which the model was never trained.

    Raises:
        UserError: the prompt has other variables or several turns.
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
        """Content id of everything that determines the prompt's text, except for a chat template."""
        return content_id("rendering-1", [self.prompt.version, self.form, RESPONSE_CUE])

    @property
    def protocol(self) -> ApiProtocol:
        """API protocol: completions for plain text, chat completions for the server's chat template."""
        return ApiProtocol.OPENAI_COMPLETIONS if self.form is PromptStyle.PLAIN else ApiProtocol.OPENAI_CHAT

    def turn(self, dialogue: Dialogue) -> str:
        """Return the user turn: the direct prompt filled with a dialogue, in either style."""
        (turn,) = self.prompt.fill({"context": dialogue.situation, "utterance": dialogue.utterance})
        return turn

    def messages(self, dialogue: Dialogue) -> tuple[Message, ...]:
        """Return the messages of a request: the entire plain prompt, or only the user turn in chat style."""
        turn = self.turn(dialogue)
        return (Message("user", self._plain(turn) if self.form is PromptStyle.PLAIN else turn),)

    def _plain(self, turn: str) -> str:
        """Return the text that a base model continues; an exact prompt has its own cue."""
        return turn if self.prompt.is_exact else plain_prompt(turn)

    @property
    def adds_special_tokens(self) -> bool:
        """Whether the tokenizer adds special tokens to `prompt_text`; otherwise the text contains them."""
        return self.form is PromptStyle.PLAIN

    def prompt_text(self, turn: str, tokenizer: Tokenizer | None = None) -> str:
        """Return the `prompt` of a `/v1/completions` request with `add_special_tokens` as above.

        Raises:
            ValueError: the style is chat and `tokenizer` is None.
        """
        if self.form is PromptStyle.PLAIN:
            return self._plain(turn)
        return chat_prompt(_require_tokenizer(tokenizer), turn)

    def completion_text(self, turn: str, response: str, tokenizer: Tokenizer | None = None) -> str:
        """Return the completion on which a model is trained after `prompt_text`, without EOS."""
        if self.form is PromptStyle.PLAIN:
            return plain_completion(response)
        return chat_completion(_require_tokenizer(tokenizer), turn, response)

    def prompt_ids(self, turn: str, tokenizer: Tokenizer) -> list[int]:
        """Return the token ids of the prompt, which are the same in training, generation and serving."""
        text = self.prompt_text(turn, tokenizer)
        return tokenizer.encode(text, add_special_tokens=self.adds_special_tokens)

    def encode(self, turn: str, response: str, tokenizer: Tokenizer) -> Encoded:
        """Return the token ids of a training row."""
        prompt, completion = (
            self.prompt_text(turn, tokenizer),
            self.completion_text(turn, response, tokenizer),
        )
        return encode(tokenizer, prompt, completion, special=self.adds_special_tokens)

    def faults(self, turn: str, response: str, tokenizer: Tokenizer) -> tuple[str, ...]:
        """Return the reasons why a row must not be used for training (see `token_faults`)."""
        prompt, completion = (
            self.prompt_text(turn, tokenizer),
            self.completion_text(turn, response, tokenizer),
        )
        control = self.control_tokens(turn, tokenizer) + self.control_tokens(response, tokenizer)
        faults = token_faults(tokenizer, prompt, completion, special=self.adds_special_tokens)
        return (CONTROL_TOKEN, *faults) if control else faults

    def control_tokens(self, text: str, tokenizer: Tokenizer) -> tuple[str, ...]:
        """Return the control tokens of the model that occur in a dialogue or response."""
        known = control_tokens(tokenizer, chat=self.form is PromptStyle.CHAT)
        # tags of our own prompt are allowed, even if a template uses the same ones
        prompt_text = "\n".join(self.prompt.turns)
        return tuple(sorted(token for token in known if token in text and token not in prompt_text))


def rendering(form: PromptStyle = PromptStyle.PLAIN, library: Library | None = None) -> PromptFormat:
    """Return the prompt format with the library's direct prompt."""
    return PromptFormat((library or Library())[DIRECT_PROMPT], form)


def default_style(tokenizer: Tokenizer) -> PromptStyle:
    """Return the style that a tokenizer suggests: chat if it has a chat template."""
    return PromptStyle.CHAT if tokenizer.chat_template else PromptStyle.PLAIN


def plain_prompt(turn: str) -> str:
    """Return the text that a base model continues; it does not end in white space."""
    return turn.rstrip() + RESPONSE_CUE


def plain_completion(response: str) -> str:
    """Return the completion of a plain prompt: one space and the stripped response."""
    return " " + response.strip()


def strip_completion(continuation: str) -> str:
    """Return the response in a generated completion, the inverse of both completion functions."""
    return continuation.strip()


def chat_prompt(tokenizer: Tokenizer, turn: str) -> str:
    """Render a user turn with the chat template, including special tokens and the generation prompt.

    Raises:
        UserError: the tokenizer has no chat template, or the template cannot be used.
    """
    return render_chat(tokenizer, [{"role": "user", "content": turn}], True)


def chat_completion(tokenizer: Tokenizer, turn: str, response: str) -> str:
    """Return the text that the template writes after `chat_prompt` for a response, up to EOS.

    Text after EOS, such as a newline that ends the turn, is dropped, because it would be trained otherwise.
    Without an EOS, trailing white space is dropped.

    Raises:
        UserError: the template renders the prompt differently when a response follows, so that training and
            generation would use different prompts.
    """
    user = {"role": "user", "content": turn}
    prompt = chat_prompt(tokenizer, turn)
    answer = {"role": "assistant", "content": response.strip()}
    conversation = render_chat(tokenizer, [user, answer], False)
    if not conversation.startswith(prompt):
        raise UserError(
            "the chat template renders the prompt differently when a response follows",
            code="chat-template.unstable-prompt",
            where="the tokenizer's chat_template",
            found=repr(conversation[: len(prompt)][-60:]),
            remedy="Use the base model, or a template whose generation prompt begins the response.",
        )
    completion, _, _ = conversation[len(prompt) :].partition(str(tokenizer.eos_token))
    return completion.rstrip()


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a training row: `prompt` with one BOS, `completion` with one EOS."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]


def encode(tokenizer: Tokenizer, prompt: str, completion: str, *, special: bool = True) -> Encoded:
    """Encode a training row as trainers and servers do.

    Prompt and completion are encoded together, because some tokenizers put a space before a text that is
    encoded alone.

    Args:
        special: whether the tokenizer adds special tokens; otherwise the text contains them.
    """
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=special)
    ids = tokenizer.encode(prompt + completion + str(tokenizer.eos_token), add_special_tokens=special)
    return Encoded(tuple(ids[: len(prompt_ids)]), tuple(ids[len(prompt_ids) :]))


def token_faults(
    tokenizer: Tokenizer, prompt: str, completion: str, *, special: bool = True
) -> tuple[str, ...]:
    """Return the reasons why a row must not be used for training; () if there are none.

    Required are tokens(prompt) + tokens(completion) = tokens(prompt + completion); exactly one BOS, at the
    beginning (none if neither the tokenizer nor the chat template adds one); exactly one EOS in the
    completion, at its end; no space at the end of a plain prompt; and a completion with text.
    """
    faults = []
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if eos is None:
        return ("the tokenizer has no end-of-sequence token",)
    row = encode(tokenizer, prompt, completion, special=special)
    ids = row.prompt + row.completion
    ends = row.completion.count(eos)
    if special and prompt.endswith((" ", "\t")):
        faults.append("the prompt ends in a space")
    if row.prompt != tuple(tokenizer.encode(prompt, add_special_tokens=special)):
        faults.append("prompt and completion share a token: the prompt alone has other ids")
    if ends != 1 or ids[-1] != eos:
        faults.append(f"the end of sequence must stand once in a completion, at its end; found {ends}")
    # OPT uses the same token for BOS and EOS
    inside = row.prompt[1:] if bos == eos and row.prompt[:1] == (bos,) else row.prompt
    if special and eos in inside:  # in chat style, the template may end the user turn with EOS
        faults.append("the prompt holds an end of sequence")
    if bos is not None and bos != eos:
        begins = ids.count(bos)
        written = prompt.startswith(str(tokenizer.bos_token))
        expected = int(_adds_token(tokenizer, bos) if special else written)
        if begins != expected or (expected and ids[0] != bos):
            faults.append(f"the beginning of sequence must stand once, at the front; found {begins}")
    if not completion.strip():
        faults.append("the completion is empty")
    return tuple(faults)


def find_unregistered_end(tokenizer: Tokenizer) -> str:
    """Return the end of a turn that the chat template writes as several ordinary tokens; else "".

    Raises:
        UserError: as `chat_completion`.
    """
    response = "Yes"
    end = chat_completion(tokenizer, "Is it?", response).partition(response)[2].strip()
    ids = tokenizer.encode(end, add_special_tokens=False) if end else []
    added = set(getattr(tokenizer, "added_tokens_decoder", None) or {})
    return end if len(ids) > 1 and not added.issuperset(ids) else ""


def lacks_bos(tokenizer: Tokenizer) -> bool:
    """Return whether a tokenizer has a BOS token that it does not add to texts.

    Without BOS, Gemma generates only quotation marks. A tokenizer whose BOS equals its EOS (GPT-2) does not
    count, because the model was trained without BOS.
    """
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    return bos is not None and bos != eos and not _adds_token(tokenizer, bos)


def _adds_token(tokenizer: Tokenizer, special: int) -> bool:
    """Return whether the tokenizer adds a special token to texts."""
    return special in tokenizer.encode("a")


def _require_tokenizer(tokenizer: Tokenizer | None) -> Tokenizer:
    if tokenizer is None:
        raise ValueError("chat style requires the model's tokenizer")
    return tokenizer
