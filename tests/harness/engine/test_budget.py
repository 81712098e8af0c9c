"""Prices are known or unknown, never 0 by mistake; and no ceiling is crossed, whatever comes when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from agents.errors import CallError, Failure
from agents.messages import Usage
from agents.models.spec import ApiProtocol, Model
from harness.engine.budget import (
    FREE,
    BudgetedClient,
    Price,
    Reservation,
    RunBudget,
    StaleReservationError,
    lookup_price,
    parse_prices,
)
from harness.engine.limits import Limits
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from tests.errors import user_error
from tests.harness.engine.conftest import Server, answer, question

Run = Callable[[Any], Any]
PRICE = Price(2e-6, 8e-6)


def model(provider: str, name: str, protocol: ApiProtocol = ApiProtocol.OPENAI_CHAT) -> Model:
    return Model(provider, name, protocol)


# -- prices ------------------------------------------------------------------------------------------


@given(some.floats(0, 1e6), some.floats(0, 1e6))
def test_a_price_reads_as_it_is_written(given_usd: float, made_usd: float) -> None:
    prices = parse_prices((f"openai/a={given_usd!r},{made_usd!r}", "vllm/b=1,2"))
    assert prices["openai/a"] == Price(given_usd / 1e6, made_usd / 1e6)
    assert prices["vllm/b"] == Price(1e-6, 2e-6)


@pytest.mark.parametrize(
    "text",
    [
        *("", "openai/a", "openai/a=", "openai/a=1", "openai/a=1,2,3", "a=1,2", "=1,2", "openai/a=x,1"),
        *("openai/a=-1,2", "openai/a=1,-2", "openai/a=nan,1", "openai/a=1,inf", "openai/a 1,2"),
    ],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with user_error("price.invalid", where="--price", found=repr(text)):
        parse_prices((text,))


def test_a_price_is_the_users_own_else_the_librarys_else_unknown() -> None:
    own = parse_prices(("openai/gpt-4o=1,2",))
    assert lookup_price(model("openai", "gpt-4o"), own) == Price(1e-6, 2e-6)
    known = lookup_price(model("openai", "gpt-4o"), {})
    assert known is not None
    assert [known.input_usd, known.output_usd] == pytest.approx([2.5e-6, 1e-5])
    assert lookup_price(model("openai", "gpt-99-imagined"), {}) is None
    assert lookup_price(model("nobody", "gpt-4o"), {}) is None


def test_a_rehearsal_costs_what_the_real_thing_would() -> None:
    emulated = model("openai", "emulated-gpt-4o")
    assert lookup_price(emulated, {}) == lookup_price(model("openai", "gpt-4o"), {})
    assert lookup_price(emulated, parse_prices(("openai/gpt-4o=1,2",))) == Price(1e-6, 2e-6)


def test_what_runs_here_is_free_and_nothing_else_costs_0() -> None:
    assert lookup_price(model("control", "ratings", ApiProtocol.CONTROL), {}) == FREE
    assert lookup_price(model("vllm", "llama"), {}) == FREE
    for name in ("whisper-1", "text-embedding-3-small", "omni-moderation-latest"):  # not sold by text tokens
        assert lookup_price(model("openai", name), {}) is None


@given(some.integers(0, 500), some.integers(0, 64), some.integers(1, 64))
def test_no_usage_costs_more_than_the_upper_bound(read: int, written: int, most: int) -> None:
    call = question(1, most=most)
    usage = Usage(min(read, len(call.body)), min(written, most))
    assert 0.0 <= PRICE.cost(call, usage) <= PRICE.upper_bound(call)
    assert PRICE.cost(call, Usage()) == PRICE.upper_bound(call)  # not said: the most


# -- the purse ---------------------------------------------------------------------------------------


@dataclass
class Books:
    """The database's side of a budget, as `Store.hold` and the writer keep it; any look takes its time."""

    budget: float
    spent: float = 0.0
    reserved: dict[int, float] = field(default_factory=dict)

    def hold(self, process: int, wanted: float) -> float:
        others = sum(max(0.0, held) for who, held in self.reserved.items() if who != process)
        granted = max(0.0, min(wanted, self.budget - self.spent - others))
        self.reserved[process] = granted
        return granted

    def commit(self, process: int, cost: float) -> None:
        self.spent += cost
        self.reserved[process] = self.reserved.get(process, 0.0) - cost


delay = some.sampled_from([0.0, 0.1, 0.3, 1.0, 2.5])
asked = some.tuples(
    some.integers(0, 2),  # which process
    some.sampled_from([0.1, 0.5, 1.0]),  # its upper bound
    some.sampled_from([0.0, 0.3, 1.0]),  # what of it is spent
    delay,  # when it comes
    delay,  # how long it is in flight
    some.tuples(delay, delay),  # how long its commit takes, before and after the books know of it
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=300,
    derandomize=True,
)
@given(
    calls=some.lists(asked, min_size=1, max_size=25),
    draws=some.lists(some.tuples(delay, delay), min_size=1, max_size=5),
    budget=some.sampled_from([0.3, 1.0, 4.0, 100.0]),
)
def test_the_ceiling_is_never_crossed_and_never_feared_in_vain(
    virtual: Run, calls: list[Any], draws: list[tuple[float, float]], budget: float
) -> None:
    """Any number of processes, calls and commits, in any order: what may have been spent stays below."""
    books = Books(budget)
    exposed = {"now": 0.0, "most": 0.0}  # spent for good, and what is in flight at its upper bound
    refused: list[float] = []
    turn = iter(range(10**6))

    def purse_of(process: int) -> RunBudget:
        async def draw(wanted: float) -> float:
            before, after = draws[next(turn) % len(draws)]
            await asyncio.sleep(before)
            granted = books.hold(process, wanted)
            await asyncio.sleep(after)
            return granted

        return RunBudget(draw, budget)

    async def one(purses: list[RunBudget], told: Any) -> None:
        process, bound, share, comes, takes, (before, after) = told
        run_budget = purses[process]
        await asyncio.sleep(comes)
        try:
            await run_budget.reserve(bound)
        except CallError as error:
            assert error.failure is Failure.NO_BUDGET
            refused.append(bound)
            return
        exposed["now"] += bound
        exposed["most"] = max(exposed["most"], exposed["now"])
        await asyncio.sleep(takes)
        exposed["now"] -= bound * (1 - share)
        run_budget.settle(bound, bound * share)
        await asyncio.sleep(before)
        books.commit(process, bound * share)
        await asyncio.sleep(after)
        run_budget.committed(bound * share)

    async def scenario() -> None:
        purses = [purse_of(process) for process in range(3)]
        await asyncio.gather(*(one(purses, told) for told in calls))
        assert all(run_budget.held_usd == pytest.approx(0.0) for run_budget in purses)

    virtual(scenario())
    assert exposed["most"] <= budget + 1e-9
    assert books.spent == pytest.approx(exposed["now"])
    if {process for process, *_ in calls} == {calls[0][0]}:  # alone: it is refused only what would not fit
        assert all(books.spent + bound > budget - 1e-9 for bound in refused)


async def _reserved(run_budget: RunBudget, usd: float) -> bool:
    """Whether the purse lets a call go."""
    try:
        await run_budget.reserve(usd)
    except CallError:
        return False
    return True


@pytest.mark.parametrize(("second", "fits"), [(0.55, True), (0.65, False)])
@pytest.mark.parametrize(
    ("looks_after", "known_after", "told_after"),
    [
        (0.0, 0.3, 0.5),  # the ledger answers, after the commit, what it knew before
        (0.5, 0.3, 0.4),  # it answers what it knows after the commit, and we are told before
        (0.5, 0.3, 10.0),  # the commit is known there, and here only much later
        (0.0, 1.5, 1.6),  # the commit comes when all is decided
    ],
)
def test_a_commit_that_crosses_a_draw_changes_neither_the_ceiling_nor_what_fits(
    virtual: Run, looks_after: float, known_after: float, told_after: float, second: float, fits: bool
) -> None:
    """0.4 of a budget of 1 are spent, and on their way into the books when the next call wants its share."""
    books = Books(1.0, reserved={1: 0.4})  # so that it has to draw again

    async def scenario() -> bool:
        loop = asyncio.get_running_loop()

        async def draw(wanted: float) -> float:
            await asyncio.sleep(looks_after)
            granted = books.hold(0, wanted)
            await asyncio.sleep(1.0 - looks_after)
            return granted

        run_budget = RunBudget(draw, 1.0)
        await run_budget.reserve(0.4)
        books.reserved[1] = 0.0
        run_budget.settle(0.4, 0.4)
        loop.call_later(known_after, books.commit, 0, 0.4)
        loop.call_later(told_after, run_budget.committed, 0.4)
        return await _reserved(run_budget, second)

    assert virtual(scenario()) is fits


def test_the_error_names_the_budget_and_what_to_do(virtual: Run) -> None:
    books = Books(0.002)

    async def draw(wanted: float) -> float:
        return books.hold(0, wanted)

    with pytest.raises(CallError) as caught:
        virtual(RunBudget(draw, 0.002).reserve(0.5))
    assert caught.value.failure is Failure.NO_BUDGET
    said = str(caught.value)
    assert "$0.002 is reached" in said
    assert "could cost $0.5000 and $0.0020 is left" in said
    assert "Raise it with --budget" in said


def test_what_another_process_frees_is_not_waited_for(virtual: Run) -> None:
    books = Books(1.0, reserved={1: 0.9})

    async def draw(wanted: float) -> float:
        return books.hold(0, wanted)

    with pytest.raises(CallError, match="is reached"):
        virtual(RunBudget(draw, 1.0).reserve(0.5))


# -- the client --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "share"),
    [
        (answer(usage=Usage(10, 1)), None),
        (answer(usage=Usage()), 1.0),
        (CallError(Failure.TIMEOUT, "late", charged=True), 1.0),
        (CallError(Failure.SERVER, "oops", status=500), 0.0),
    ],
)
def test_a_reservation_shrinks_to_what_it_cost(virtual: Run, outcome: Any, share: float | None) -> None:
    call = question(1)
    bound = PRICE.upper_bound(call)

    async def scenario() -> float:
        books = Books(10 * bound)

        async def draw(wanted: float) -> float:
            return books.hold(0, wanted)

        run_budget = RunBudget(draw, books.budget)
        server = Server(1.0, {call.key: [outcome]})
        asking = asyncio.ensure_future(BudgetedClient(server, run_budget, Reservation(PRICE)).complete(call))
        await asyncio.sleep(0.5)
        assert run_budget.held_usd == pytest.approx(bound)
        await asyncio.gather(asking, return_exceptions=True)
        return run_budget.held_usd

    expected = PRICE.cost(call, Usage(10, 1)) if share is None else share * bound
    assert virtual(scenario()) == pytest.approx(expected)


def test_what_is_refused_is_not_sent(virtual: Run) -> None:
    server = Server()

    async def draw(wanted: float) -> float:
        return 0.0

    with pytest.raises(CallError, match="is reached"):
        virtual(BudgetedClient(server, RunBudget(draw, 1.0), Reservation(PRICE)).complete(question(1)))
    assert server.sent == []


# -- providers that bill beyond their limit ----------------------------------------------------------


BEYOND = 400  # output tokens, where a request's limit is 5
AT_ONCE = 8


class Provider:
    """Bills `BEYOND` output tokens from the `first`-th answer on, 1 before; keeps the books of a run."""

    def __init__(self, first: int, budget: float) -> None:
        self.books = Books(budget)
        self.billed = 0.0
        self.answers = 0
        self.in_flight_at_first = 0
        self.server = Server(1.0, otherwise=self._answer)
        self.warnings: list[str] = []
        self._first = first

    def _answer(self, call: Any) -> Any:
        self.answers += 1
        if self.answers == self._first:
            self.in_flight_at_first = self.server.in_flight + 1
        usage = Usage(10, BEYOND if self.answers >= self._first else 1)
        self.billed += PRICE.cost(call, usage)
        return answer(usage=usage)

    async def run(self, calls: list[Any], learnt: int = 0) -> list[Any]:
        """Ask everything, through a purse, a gate and a reservation as a lane joins them."""

        async def draw(wanted: float) -> float:
            return self.books.hold(0, wanted)

        run_budget = RunBudget(draw, self.books.budget)
        reservation = Reservation(PRICE, learnt, self.warnings.append)
        rate_limiter = RateLimiter(Limits(max_in_flight=AT_ONCE))
        client = BudgetedClient(
            RateLimitedClient(self.server, rate_limiter, check=reservation.check), run_budget, reservation
        )

        async def one(call: Any) -> Any:
            completion = await client.complete(call)
            cost = PRICE.cost(call, completion.usage)
            self.books.commit(0, cost)
            run_budget.committed(cost)
            return completion

        outcomes = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
        await rate_limiter.close()
        return list(outcomes)


@pytest.mark.parametrize("first", [1, 2, 50])
@pytest.mark.parametrize("worth", [0.5, 3, 20, 60])
def test_only_what_is_in_flight_when_a_provider_first_ignores_its_limit_can_cross(
    virtual: Run, first: int, worth: float
) -> None:
    calls = [question(at) for at in range(300)]
    beyond = PRICE.cost(calls[0], Usage(10, BEYOND))
    provider = Provider(first, worth * beyond)
    outcomes = virtual(provider.run(calls))
    refused = [each for each in outcomes if isinstance(each, CallError)]
    assert {each.failure for each in refused} == {Failure.NO_BUDGET}
    in_flight = 1 if first == 1 else provider.in_flight_at_first
    assert in_flight <= AT_ONCE
    assert provider.billed <= worth * beyond + in_flight * beyond
    if worth > in_flight:
        assert provider.billed <= worth * beyond + 1e-9, "there was room for what was in flight"
    assert len(provider.warnings) == 1


def test_the_first_request_of_a_model_goes_alone(virtual: Run) -> None:
    provider = Provider(10**6, 1.0)
    calls = [question(at) for at in range(20)]
    virtual(provider.run(calls))
    moments = sorted(moment for _, moment in provider.server.sent)
    assert moments[1] - moments[0] == pytest.approx(1.0), "the others wait for its answer"
    assert moments[1] == moments[AT_ONCE]


@pytest.mark.parametrize("left", [0.5, 1.5, 5.5])
def test_a_restart_learns_from_what_is_stored(virtual: Run, left: float) -> None:
    """A provider that is known to bill so much cannot cross the budget at all."""
    calls = [question(at) for at in range(50)]
    bound = Reservation(PRICE, BEYOND).bound(calls[0])
    assert bound >= PRICE.cost(calls[0], Usage(len(calls[0].body), BEYOND))
    provider = Provider(1, left * bound)
    virtual(provider.run(calls, learnt=BEYOND))
    assert provider.billed <= left * bound
    assert provider.answers >= int(left)
    assert provider.warnings == []


@given(some.integers(0, 2000), some.integers(1, 300))
def test_a_reservation_never_shrinks(stored: int, written: int) -> None:
    call = question(1)
    reservation = Reservation(PRICE, stored)
    before = reservation.make(call)
    assert before >= PRICE.upper_bound(call)
    reservation.check(call)
    cost = PRICE.cost(call, Usage(len(call.body), written))
    reservation.learn(call, cost)
    assert reservation.bound(call) >= max(before, cost) * (1 - 1e-9)
    if reservation.bound(call) > before:
        with pytest.raises(StaleReservationError):
            reservation.check(call)
    reservation.settle(call)
    reservation.check(call)  # nothing is reserved any more


def test_an_unknown_price_reserves_nothing() -> None:
    reservation = Reservation(None, 500)
    reservation.learn(question(1), 5.0)
    assert (reservation.make(question(1)), reservation.ratio) == (0.0, 1.0)
