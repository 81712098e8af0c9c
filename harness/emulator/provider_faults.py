"""Named faults: behaviours of real servers, and the draws that decide which replies they affect.

A fault is a pure function from a complete reply to what the faulty server sends. The replies it affects are
drawn with its share, independently of all other faults, from

  * attempts: a retry is another draw;
  * requests: the same request is affected in every attempt;
  * prompts: all requests with the same messages are affected, whatever their parameters.

Faults are applied in the order of the table, until one leaves no readable completion.
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


def _always(context: FaultContext) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ProviderFault:
    """One behaviour of real servers.

    Attributes:
        name: name used in the configuration.
        summary: one line of description.
        change: converts a complete reply and its context to what is sent.
        protocols: API protocols in which it exists.
        scope: what the draws are made from.
        decides: whether it changes what is finally stored (text, finish reason, log-probabilities, usage),
            and not only when it arrives.
        applies: whether a given request can be affected at all.
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
    """Values that the draws are made from: the request's key, the attempt number from 0, and a digest of the
    messages.
    """

    key: bytes
    attempt: int
    prompt: bytes

    def parts(self, scope: Scope) -> tuple[Part, ...]:
        """Return the values that decide a draw of that scope."""
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
        ProviderFault("wrong-form", "a 200 of JSON of another form", answers.send_other_form),
        ProviderFault("false-gzip", "plain JSON under Content-Encoding: gzip", answers.claim_gzip),
    )
}
"""All named faults, in the order of application."""


def matching_faults(
    shares: Mapping[str, float], context: FaultContext, identity: FaultIdentity, seed: int
) -> Iterator[tuple[ProviderFault, FaultContext]]:
    """Yield the faults that affect this reply, in order, each with its context.

    Args:
        shares: share of each fault by name, in [0, 1].
    """
    for name, fault in TABLE.items():
        share = shares.get(name, 0.0)
        if not share or context.protocol not in fault.protocols:
            continue
        draw = (seed, "provider fault", name, *identity.parts(fault.scope))
        if uniform(*draw) < share and fault.applies(context):
            yield fault, replace(context, draw=draw)


def apply_faults(
    reply: ReplyDraft, shares: Mapping[str, float], context: FaultContext, identity: FaultIdentity, seed: int
) -> ReplyDraft:
    """Return what is sent instead of a complete reply; the same object if no fault applies."""
    for fault, fault_context in matching_faults(shares, context, identity, seed):
        reply = fault.change(reply, fault_context)
        if not reply.is_readable:
            break
    return reply


def result_changing_faults(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of the configured faults that change what is finally stored."""
    return {name: float(shares[name]) for name in sorted(shares) if shares[name] and TABLE[name].decides}


def share_faults(shares: Mapping[Any, Any]) -> list[Fault]:
    """Return all mistakes in a mapping of fault names to shares."""
    return [fault for name, share in shares.items() for fault in _wrong_share(name, share)]


def _wrong_share(name: Any, share: Any) -> Iterator[Fault]:
    if name not in TABLE:
        similar = get_close_matches(str(name).replace("_", "-"), TABLE, n=1)
        remedy = f"Did you mean {similar[0]}?" if similar else f"Choose from: {', '.join(TABLE)}."
        yield Fault("unknown fault", "emulator", repr(name), remedy, code="emulator.unknown-fault")
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0.0 <= share <= 1.0:
        yield Fault(
            f"the share of fault {name} must be in [0, 1]",
            "emulator",
            repr(share),
            code="option.out-of-range",
        )
