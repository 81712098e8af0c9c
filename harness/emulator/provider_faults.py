"""Named faults: what real servers send, one name each, and which answers are struck.

A fault is a pure function from a whole answer to what that server sends. Which answers it strikes is a draw,
independent of every other fault's, with its share of

  * attempts: asking again is another draw;
  * requests: the same request is struck again, whatever the attempt;
  * prompts: everything that says the same is struck, whatever its parameters.

Faults are applied in the order of the table. The first that leaves no answer to read is the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from agents.errors import Fault
from harness.emulator import fault_answers as answers
from harness.emulator import fault_refusals as refusals
from harness.emulator.reply import FaultContext, ReplyDraft
from harness.emulator.reply_parts import ANTHROPIC, CHAT, COMPLETIONS, GEMINI, PROTOCOLS
from harness.emulator.seeded_random import Part, uniform

Scope = Literal["attempt", "request", "prompt"]
OPENAI = (CHAT, COMPLETIONS)


def _always(about: FaultContext) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """One behaviour of real servers.

    Attributes:
        name: as users write it.
        summary: one line for people.
        change: a whole answer and its circumstances → what is sent.
        protocols: the wire formats in which it exists.
        scope: what is struck.
        decides: whether it changes what is stored in the end (text, finish reason, log-probabilities, usage),
            and not only when it comes.
        applies: whether a request can be struck at all.
    """

    name: str
    summary: str
    change: Callable[[ReplyDraft, FaultContext], ReplyDraft]
    protocols: tuple[str, ...] = PROTOCOLS
    scope: Scope = "attempt"
    decides: bool = False
    applies: Callable[[FaultContext], bool] = _always


@dataclass(frozen=True, slots=True)
class FaultIdentity:
    """What draws are made by: the request's key, the attempt's number from 0, and what the prompt says."""

    key: bytes
    attempt: int
    prompt: bytes

    def parts(self, scope: Scope) -> tuple[Part, ...]:
        """What decides a draw of that scope."""
        if scope == "attempt":
            return (self.key, self.attempt)
        return (self.key,) if scope == "request" else (self.prompt,)


TABLE: dict[str, ProviderFault] = {
    fault.name: fault
    for fault in (
        ProviderFault("overloaded", "529 for Anthropic, 503 elsewhere", refusals.overload),
        ProviderFault("gateway-timeout", "504 with a gateway's page", refusals.time_out_gateway),
        ProviderFault(
            "busy-in-200", "a 200 that is an error object: 429 or overloaded", refusals.report_busy_in_200
        ),
        ProviderFault("error-in-words", "a 200 that is an error in one sentence", refusals.report_in_words),
        ProviderFault("wait-a-day", "429 with Retry-After: 86400", refusals.ask_for_a_day),
        ProviderFault("daily-quota", "429 in words that name a limit per day", refusals.exhaust_daily_quota),
        ProviderFault(
            "refuses-max-tokens",
            "400 as long as max_tokens is sent",
            refusals.refuse_max_tokens,
            (CHAT,),
            "prompt",
            applies=refusals.sends_max_tokens,
        ),
        ProviderFault(
            "refuses-temperature",
            "400 as long as a temperature is sent",
            refusals.refuse_temperature,
            scope="prompt",
            applies=refusals.sends_temperature,
        ),
        ProviderFault(
            "refuses-logprobs",
            "400 as long as log-probabilities are asked for",
            refusals.refuse_logprobs,
            (*OPENAI, GEMINI),
            "prompt",
            applies=refusals.sends_logprobs,
        ),
        ProviderFault(
            "filtered",
            "the prompt is filtered: a 400, or Google's blockReason",
            refusals.filter_prompt,
            scope="prompt",
            decides=True,
        ),
        ProviderFault(
            "moderated",
            "the prompt is flagged: 403 with reasons",
            refusals.moderate,
            scope="prompt",
            decides=True,
        ),
        ProviderFault(
            "cut-off-by-400",
            "400: the output limit was reached",
            refusals.cut_off_by_400,
            OPENAI,
            "prompt",
            decides=True,
        ),
        ProviderFault(
            "broken-off", "part of a text, with a finish reason that is an error", answers.break_off
        ),
        ProviderFault(
            "thinking-outside-limit",
            "thinking that is billed beside the output limit",
            answers.think_outside_limit,
            scope="request",
            decides=True,
        ),
        ProviderFault(
            "thinks-aloud",
            "the thinking stands in the text, by channels or tags",
            answers.think_aloud,
            scope="request",
            decides=True,
        ),
        ProviderFault(
            "half-character",
            "the text ends in half a surrogate pair",
            answers.append_half_character,
            scope="request",
            decides=True,
        ),
        ProviderFault(
            "content-in-parts",
            "the content is a list: a thought, then the text in two parts",
            answers.send_parts,
            (CHAT, ANTHROPIC, GEMINI),
            "request",
        ),
        ProviderFault(
            "null-logprobs",
            "log-probabilities of null, NaN or -Infinity",
            answers.spoil_logprobs,
            (*OPENAI, GEMINI),
            "request",
            decides=True,
        ),
        ProviderFault(
            "odd-finish",
            "other spellings of the finish reason: STOP, eos, content_filter: X",
            answers.spell_finish,
            scope="request",
        ),
        ProviderFault(
            "odd-usage",
            "the usage is missing or null",
            answers.spoil_usage,
            scope="request",
            decides=True,
        ),
        ProviderFault(
            "no-limits",
            "headers that state limits of -1 or 0",
            answers.state_no_limits,
            (*OPENAI, ANTHROPIC),
        ),
        ProviderFault(
            "event-stream",
            "a stream of events, unless stream: false is sent",
            answers.stream_events,
            (*OPENAI, ANTHROPIC),
            "prompt",
            applies=answers.sends_no_stream_flag,
        ),
        ProviderFault("wrong-form", "a 200 of JSON that is no answer", answers.send_other_form),
        ProviderFault("false-gzip", "plain JSON under Content-Encoding: gzip", answers.claim_gzip),
    )
}
"""Every named fault, in the order in which they are applied."""


def matching_faults(
    shares: Mapping[str, float], about: FaultContext, identity: FaultIdentity, seed: int
) -> Iterator[tuple[ProviderFault, FaultContext]]:
    """The faults that strike this answer, in order, each with what it may know.

    Args:
        shares: by name, in [0, 1].
    """
    for name, fault in TABLE.items():
        share = shares.get(name, 0.0)
        if not share or about.protocol not in fault.protocols:
            continue
        draw = (seed, "provider fault", name, *identity.parts(fault.scope))
        if uniform(*draw) < share and fault.applies(about):
            yield fault, replace(about, draw=draw)


def apply_faults(
    reply: ReplyDraft, shares: Mapping[str, float], about: FaultContext, identity: FaultIdentity, seed: int
) -> ReplyDraft:
    """What is sent in the place of a whole answer; the same object where no fault strikes."""
    for fault, known in matching_faults(shares, about, identity, seed):
        reply = fault.change(reply, known)
        if not reply.is_readable:
            break
    return reply


def result_changing_faults(shares: Mapping[str, float]) -> dict[str, float]:
    """Of the faults that are given, those that change what is stored in the end."""
    return {name: float(shares[name]) for name in sorted(shares) if shares[name] and TABLE[name].decides}


def share_faults(shares: Mapping[Any, Any]) -> list[Fault]:
    """What is wrong with a mapping of names to shares; all of it."""
    return [fault for name, share in shares.items() for fault in _wrong_share(name, share)]


def _wrong_share(name: Any, share: Any) -> Iterator[Fault]:
    if name not in TABLE:
        near = get_close_matches(str(name).replace("_", "-"), TABLE, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Choose from: {', '.join(TABLE)}."
        yield Fault("unknown fault", "emulator", repr(name), remedy, code="emulator.unknown-fault")
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0.0 <= share <= 1.0:
        yield Fault(
            f"the share of fault {name} must be in [0, 1]",
            "emulator",
            repr(share),
            code="option.out-of-range",
        )
