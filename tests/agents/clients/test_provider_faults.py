"""Provider faults of the emulator, in every protocol and with both kinds of client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agents.clients.base import ModelClient, ModelRequest
from agents.errors import Adaptation, CallError, Failure
from agents.messages import Completion, FinishReason, Message, Sampling, Usage
from agents.models.spec import ApiProtocol
from harness.emulator.provider_faults import TABLE
from tests.agents.clients.conftest import KEY, WAYS, Client, Start, Way
from tests.agents.clients.test_http_and_sdk import PROMPT

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

QUESTIONS = 5
LIMIT = 200
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Failed:
    """What a `CallError` says that the engine acts on."""

    failure: Failure
    status: int | None
    charged: bool
    retry_after: float | None
    adaptation: Adaptation | None


Outcome = Completion | Failed


def calls_of(way: Way, root: str, **changed: Any) -> list[ModelRequest]:
    """A judge's questions, with every parameter that the protocol knows."""
    top = 3 if way.capabilities.max_top_logprobs else None
    sampling = Sampling(**{"max_output_tokens": LIMIT, "temperature": 0.5, "top_logprobs": top, **changed})
    model = way.model(root)
    return [
        ModelRequest(model, (Message("user", f"{PROMPT}\nNumber {number}."),), sampling)
        for number in range(QUESTIONS)
    ]


async def outcome(client: ModelClient, call: ModelRequest) -> Outcome:
    try:
        return await client.complete(call)
    except CallError as error:
        assert KEY not in str(error)
        assert call.model.id in str(error)
        return Failed(error.failure, error.status, error.charged, error.retry_after_seconds, error.adaptation)


# -- what is right -----------------------------------------------------------------------------------

Check = Callable[[Way, Completion, Outcome], None]


def fails(
    *failures: Failure,
    statuses: set[int | None],
    charged: bool = False,
    retry_after: tuple[float | None, ...] = (None,),
    setting: str = "",
) -> Check:
    def check(way: Way, well: Completion, struck: Outcome) -> None:
        assert isinstance(struck, Failed)
        assert struck.failure in failures
        assert struck.status in statuses
        assert struck.charged is charged
        assert struck.retry_after in retry_after
        assert setting in (str(struck.adaptation) if struck.adaptation else "")
        assert (struck.adaptation is not None) == bool(setting)

    return check


def settles(finish: FinishReason) -> Check:
    def check(way: Way, well: Completion, struck: Outcome) -> None:
        assert isinstance(struck, Completion)
        assert (struck.text, struck.finish) == ("", finish)
        if finish is FinishReason.LENGTH:
            assert struck.usage.output_tokens is None, "not stated: the most is charged"
        else:
            assert struck.usage.output_tokens == 0

    return check


def keeps(**changes: Callable[[Completion], Any]) -> Check:
    """The answer of a well server, but for what `changes` makes of it."""

    def check(way: Way, well: Completion, struck: Outcome) -> None:
        assert struck == replace(well, **{name: change(well) for name, change in changes.items()})

    return check


def check_null_logprobs(way: Way, well: Completion, struck: Outcome) -> None:
    assert isinstance(struck, Completion)
    assert replace(struck, logprobs=()) == replace(well, logprobs=())
    if struck.logprobs:
        for kept, given in zip(struck.logprobs, well.logprobs, strict=True):
            assert (kept.token, kept.logprob) == (given.token, given.logprob)
            assert kept.top == given.top[::2], "a value that is none costs its alternative alone"


def check_thinking_outside_limit(way: Way, well: Completion, struck: Outcome) -> None:
    assert isinstance(struck, Completion)
    assert replace(struck, usage=well.usage) == well
    assert struck.usage.input_tokens == well.usage.input_tokens
    assert (struck.usage.output_tokens or 0) > (well.usage.output_tokens or 0)


def check_thinks_aloud(way: Way, well: Completion, struck: Outcome) -> None:
    assert isinstance(struck, Completion)
    assert "At first sight" in struck.text
    assert struck.finish is FinishReason.LENGTH or struck.text.endswith(well.text)
    assert well.usage.output_tokens is not None
    assert well.usage.output_tokens <= (struck.usage.output_tokens or 0) <= LIMIT


EXPECTED: dict[str, Check] = {
    "overloaded": fails(Failure.UNAVAILABLE, statuses={503, 529}),
    "gateway-timeout": fails(Failure.UNAVAILABLE, statuses={504}, charged=True),
    "busy-in-200": fails(Failure.UNAVAILABLE, Failure.RATE_LIMITED, statuses={429, 503, 529}),
    "error-in-words": fails(Failure.UNKNOWN_MODEL, statuses={200}),
    "wait-a-day": fails(Failure.RATE_LIMITED, statuses={429}, retry_after=(DAY_SECONDS,)),
    "daily-quota": fails(Failure.QUOTA_EXHAUSTED, statuses={429}, retry_after=(None, 34.0)),
    "refuses-max-tokens": fails(Failure.BAD_REQUEST, statuses={400}, setting="max_completion_tokens"),
    "refuses-temperature": fails(Failure.BAD_REQUEST, statuses={400}, setting="temperature = false"),
    "refuses-logprobs": fails(Failure.BAD_REQUEST, statuses={400}, setting="max_top_logprobs = 0"),
    "filtered": settles(FinishReason.FILTERED),
    "moderated": settles(FinishReason.FILTERED),
    "cut-off-by-400": settles(FinishReason.LENGTH),
    "broken-off": fails(Failure.SERVER, statuses={200}, charged=True),
    "thinking-outside-limit": check_thinking_outside_limit,
    "thinks-aloud": check_thinks_aloud,
    "half-character": keeps(text=lambda well: well.text + "\ufffd"),
    "content-in-parts": keeps(),
    "null-logprobs": check_null_logprobs,
    "odd-finish": keeps(),
    "odd-usage": keeps(usage=lambda well: Usage()),
    "no-limits": keeps(),
    "event-stream": fails(Failure.BAD_REQUEST, statuses={200}, charged=True, setting="stream = false"),
    "wrong-form": fails(Failure.MALFORMED, statuses={200}, charged=True),
    "false-gzip": fails(Failure.MALFORMED, statuses={None}, charged=True),
}

CASES = [
    pytest.param(name, way, id=f"{name}-{way.protocol}")
    for name, fault in TABLE.items()
    for way in WAYS
    if way.protocol in fault.protocols
]


def test_every_named_fault_has_an_outcome() -> None:
    assert set(EXPECTED) == set(TABLE)


@pytest.mark.parametrize(("name", "way"), CASES)
async def test_both_kinds_give_the_same_and_the_right_outcome(
    name: str, way: Way, client: Client, emulator: Start
) -> None:
    ill, well = await emulator(faults={name: 1.0}), await emulator()
    asked_well = client("http", way.model(well.url))
    http, sdk = (client(kind, way.model(ill.url)) for kind in ("http", "sdk"))
    for call, plain in zip(calls_of(way, ill.url), calls_of(way, well.url), strict=True):
        assert call.key == plain.key, "so that both servers draw the same answer"
        by_http = await outcome(http, call)
        if TABLE[name].scope == "attempt":  # the second attempt is another draw: with a share of 1, of form
            fresh = await emulator(faults={name: 1.0})
            again = replace(call, model=way.model(fresh.url))
            by_sdk = await outcome(client("sdk", again.model), again)
        else:
            by_sdk = await outcome(sdk, call)
        assert by_http == by_sdk
        EXPECTED[name](way, await asked_well.complete(plain), by_http)


@pytest.mark.parametrize("kind", ["http", "sdk"])
@pytest.mark.parametrize(("name", "way"), [case for case in CASES if "is_confirmed_retired" in str(case.id)])
async def test_a_refused_parameter_is_accepted_without(
    name: str, way: Way, kind: str, client: Client, emulator: Start
) -> None:
    await follow(name, way, kind, client, emulator)


@pytest.mark.parametrize("kind", ["http", "sdk"])
@pytest.mark.parametrize("way", [way for way in WAYS if way.protocol in TABLE["event-stream"].protocols])
async def test_a_requested_stream_gives_one_completion(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    await follow("event-stream", way, kind, client, emulator)


async def follow(name: str, way: Way, kind: str, client: Client, emulator: Start) -> None:
    """Ask, follow the remedy, and get an answer."""
    running = await emulator(faults={name: 1.0})
    call = calls_of(way, running.url)[0]
    refused = await outcome(client(kind, call.model), call)
    assert isinstance(refused, Failed)
    assert refused.adaptation is not None
    adapted = replace(call, model=call.model.adapted(refused.adaptation))
    assert (await client(kind, adapted.model).complete(adapted)).text


@pytest.mark.parametrize("kind", ["http", "sdk"])
async def test_other_spellings_of_a_finish_reason_mean_the_same(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    running = await emulator(faults={"odd-finish": 1.0})
    asked = client(kind, way.model(running.url))
    long = Sampling(3, temperature=1.0)
    for number in range(8):
        call = ModelRequest(
            way.model(running.url), (Message("user", f"Tell me about dogs, number {number}."),), long
        )
        assert (await asked.complete(call)).finish is FinishReason.LENGTH


@pytest.mark.parametrize("kind", ["http", "sdk"])
async def test_other_spellings_of_a_filter_are_a_filter(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    if way.protocol is ApiProtocol.OPENAI_COMPLETIONS:
        pytest.skip("a base model cannot decline")
    running = await emulator(faults={"odd-finish": 1.0}, refusals=1.0)
    asked = client(kind, way.model(running.url))
    finishes = {(await asked.complete(call)).finish for call in calls_of(way, running.url)}
    assert finishes <= {FinishReason.FILTERED, FinishReason.REFUSAL}


@pytest.mark.parametrize("kind", ["http", "sdk"])
async def test_invalid_server_limits_are_ignored(
    way: Way, kind: str, client: Client, emulator: Start
) -> None:
    running = await emulator(faults={"no-limits": 1.0}, requests_per_minute=10_000)
    call = calls_of(way, running.url)[0]
    limits = (await client(kind, call.model).complete(call)).server_limits
    assert limits is None or (limits.requests_per_minute, limits.tokens_per_minute) == (None, None)


@pytest.mark.parametrize("kind", ["http", "sdk"])
async def test_an_outage_ends(way: Way, kind: str, client: Client, emulator: Start) -> None:
    running = await emulator(outage_start=0.0, outage_seconds=0.2)
    call = calls_of(way, running.url)[0]
    asked = client(kind, call.model)
    seen: set[Failure] = set()
    while isinstance(result := await outcome(asked, call), Failed):
        seen.add(result.failure)
        assert result.status in (503, 529)
    assert seen == {Failure.UNAVAILABLE}
