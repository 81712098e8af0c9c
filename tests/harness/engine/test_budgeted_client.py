"""Prices that are known or unknown, and budgets that no sequence of events exceeds."""

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
from harness.engine.budgeted_client import BudgetedClient, Reservation, RunBudget, StaleReservationError
from harness.engine.limits import Limits
from harness.engine.prices import Price
from harness.engine.rate_limited_client import RateLimitedClient
from harness.engine.rate_limiter import RateLimiter
from tests.harness.engine.conftest import Server, answer, make_request

Run = Callable[[Any], Any]
PRICE = Price(2e-6, 8e-6)


def model(provider: str, name: str, protocol: ApiProtocol = ApiProtocol.OPENAI_CHAT) -> Model:
    return Model(provider, name, protocol)


# -- run budget --------------------------------------------------------------------------------------


@dataclass
class FakeBudgetStore:
    """Database side of a budget, as the store and the writer keep it; every access takes time."""

    budget: float
    spent: float = 0.0
    reserved: dict[int, float] = field(default_factory=dict)

    def hold(self, process: int, requested_usd: float) -> float:
        others = sum(max(0.0, held) for owner, held in self.reserved.items() if owner != process)
        granted = max(0.0, min(requested_usd, self.budget - self.spent - others))
        self.reserved[process] = granted
        return granted

    def commit(self, process: int, cost: float) -> None:
        self.spent += cost
        self.reserved[process] = self.reserved.get(process, 0.0) - cost


delay = some.sampled_from([0.0, 0.1, 0.3, 1.0, 2.5])
request_plans = some.tuples(
    some.integers(0, 2),  # index of the process
    some.sampled_from([0.1, 0.5, 1.0]),  # its upper bound
    some.sampled_from([0.0, 0.3, 1.0]),  # share of it that is spent
    delay,  # when it starts
    delay,  # how long it is in flight
    some.tuples(delay, delay),  # duration of its commit, before and after the database records it
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=300,
    derandomize=True,
)
@given(
    requests=some.lists(request_plans, min_size=1, max_size=25),
    draws=some.lists(some.tuples(delay, delay), min_size=1, max_size=5),
    budget=some.sampled_from([0.3, 1.0, 4.0, 100.0]),
)
def test_budget_is_never_exceeded_nor_refused_without_need(
    virtual: Run, requests: list[Any], draws: list[tuple[float, float]], budget: float
) -> None:
    """No number of processes, requests and commits, in any order, may spend more than the budget."""
    budget_store = FakeBudgetStore(budget)
    exposed = {"now": 0.0, "most": 0.0}  # spent, plus the upper bounds of the requests in flight
    refused: list[float] = []
    turn = iter(range(10**6))

    def budget_of(process: int) -> RunBudget:
        async def draw(requested_usd: float) -> float:
            before, after = draws[next(turn) % len(draws)]
            await asyncio.sleep(before)
            granted = budget_store.hold(process, requested_usd)
            await asyncio.sleep(after)
            return granted

        return RunBudget(draw, budget)

    async def send_one(budgets: list[RunBudget], accepted: Any) -> None:
        process, bound, share, comes, takes, (before, after) = accepted
        run_budget = budgets[process]
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
        budget_store.commit(process, bound * share)
        await asyncio.sleep(after)
        run_budget.committed(bound * share)

    async def scenario() -> None:
        budgets = [budget_of(process) for process in range(3)]
        await asyncio.gather(*(send_one(budgets, accepted) for accepted in requests))
        assert all(run_budget.held_usd == pytest.approx(0.0) for run_budget in budgets)

    virtual(scenario())
    assert exposed["most"] <= budget + 1e-9
    assert budget_store.spent == pytest.approx(exposed["now"])
    if {process for process, *_ in requests} == {
        requests[0][0]
    }:  # a request that runs alone is refused only if it does not fit
        assert all(budget_store.spent + bound > budget - 1e-9 for bound in refused)


async def _reserved(run_budget: RunBudget, usd: float) -> bool:
    """Return whether the budget admits a request."""
    try:
        await run_budget.reserve(usd)
    except CallError:
        return False
    return True


@pytest.mark.parametrize(("second", "fits"), [(0.55, True), (0.65, False)])
@pytest.mark.parametrize(
    ("queried_after", "recorded_after", "reported_after"),
    [
        (0.0, 0.3, 0.5),  # the database replies after the commit with its state before it
        (0.5, 0.3, 0.4),  # it replies with its state after the commit, reported earlier
        (0.5, 0.3, 10.0),  # the commit is recorded there, and reported here much later
        (0.0, 1.5, 1.6),  # the commit happens after the decision
    ],
)
def test_a_commit_during_a_draw_changes_neither_the_cap_nor_what_fits(
    virtual: Run,
    queried_after: float,
    recorded_after: float,
    reported_after: float,
    second: float,
    fits: bool,
) -> None:
    """Of a budget of 1, 0.4 are spent and being committed when the next request reserves its share."""
    budget_store = FakeBudgetStore(1.0, reserved={1: 0.4})  # forces another draw

    async def scenario() -> bool:
        loop = asyncio.get_running_loop()

        async def draw(requested_usd: float) -> float:
            await asyncio.sleep(queried_after)
            granted = budget_store.hold(0, requested_usd)
            await asyncio.sleep(1.0 - queried_after)
            return granted

        run_budget = RunBudget(draw, 1.0)
        await run_budget.reserve(0.4)
        budget_store.reserved[1] = 0.0
        run_budget.settle(0.4, 0.4)
        loop.call_later(recorded_after, budget_store.commit, 0, 0.4)
        loop.call_later(reported_after, run_budget.committed, 0.4)
        return await _reserved(run_budget, second)

    assert virtual(scenario()) is fits


def test_error_names_the_budget_and_the_remedy(virtual: Run) -> None:
    budget_store = FakeBudgetStore(0.002)

    async def draw(requested_usd: float) -> float:
        return budget_store.hold(0, requested_usd)

    with pytest.raises(CallError) as caught:
        virtual(RunBudget(draw, 0.002).reserve(0.5))
    assert caught.value.failure is Failure.NO_BUDGET
    message = str(caught.value)
    assert "$0.002 is reached" in message
    assert "could cost $0.5000 and $0.0020 is left" in message
    assert "Raise it with --budget" in message


def test_budget_held_by_another_process_is_not_waited_for(virtual: Run) -> None:
    budget_store = FakeBudgetStore(1.0, reserved={1: 0.9})

    async def draw(requested_usd: float) -> float:
        return budget_store.hold(0, requested_usd)

    with pytest.raises(CallError, match="is reached"):
        virtual(RunBudget(draw, 1.0).reserve(0.5))


# -- client ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "share"),
    [
        (answer(usage=Usage(10, 1)), None),
        (answer(usage=Usage()), 1.0),
        (CallError(Failure.TIMEOUT, "late", charged=True), 1.0),
        (CallError(Failure.SERVER, "oops", status=500), 0.0),
    ],
)
def test_a_reservation_shrinks_to_the_actual_cost(virtual: Run, outcome: Any, share: float | None) -> None:
    request = make_request(1)
    bound = PRICE.upper_bound(request)

    async def scenario() -> float:
        budget_store = FakeBudgetStore(10 * bound)

        async def draw(requested_usd: float) -> float:
            return budget_store.hold(0, requested_usd)

        run_budget = RunBudget(draw, budget_store.budget)
        server = Server(1.0, {request.key: [outcome]})
        asking = asyncio.ensure_future(
            BudgetedClient(server, run_budget, Reservation(PRICE)).complete(request)
        )
        await asyncio.sleep(0.5)
        assert run_budget.held_usd == pytest.approx(bound)
        await asyncio.gather(asking, return_exceptions=True)
        return run_budget.held_usd

    expected = PRICE.cost(request, Usage(10, 1)) if share is None else share * bound
    assert virtual(scenario()) == pytest.approx(expected)


def test_a_refused_request_is_not_sent(virtual: Run) -> None:
    server = Server()

    async def draw(requested_usd: float) -> float:
        return 0.0

    with pytest.raises(CallError, match="is reached"):
        virtual(BudgetedClient(server, RunBudget(draw, 1.0), Reservation(PRICE)).complete(make_request(1)))
    assert server.sent == []


# -- providers that bill beyond their limit ----------------------------------------------------------


BEYOND = 400  # output tokens; the request's limit is 5
AT_ONCE = 8


class Provider:
    """Provider that bills `BEYOND` output tokens from the `first`-th completion on, 1 before; records the
    costs of a run.
    """

    def __init__(self, first: int, budget: float) -> None:
        self.budget_store = FakeBudgetStore(budget)
        self.billed = 0.0
        self.answers = 0
        self.in_flight_at_first = 0
        self.server = Server(1.0, otherwise=self._answer)
        self.warnings: list[str] = []
        self._first = first

    def _answer(self, request: Any) -> Any:
        self.answers += 1
        if self.answers == self._first:
            self.in_flight_at_first = self.server.in_flight + 1
        usage = Usage(10, BEYOND if self.answers >= self._first else 1)
        self.billed += PRICE.cost(request, usage)
        return answer(usage=usage)

    async def run(self, requests: list[Any], learnt: int = 0) -> list[Any]:
        """Send everything through a budget, a rate limiter and a reservation, as an endpoint does."""

        async def draw(requested_usd: float) -> float:
            return self.budget_store.hold(0, requested_usd)

        run_budget = RunBudget(draw, self.budget_store.budget)
        reservation = Reservation(PRICE, learnt, self.warnings.append)
        rate_limiter = RateLimiter(Limits(max_in_flight=AT_ONCE))
        client = BudgetedClient(
            RateLimitedClient(self.server, rate_limiter, check=reservation.check), run_budget, reservation
        )

        async def send_one(request: Any) -> Any:
            completion = await client.complete(request)
            cost = PRICE.cost(request, completion.usage)
            self.budget_store.commit(0, cost)
            run_budget.committed(cost)
            return completion

        outcomes = await asyncio.gather(*(send_one(request) for request in requests), return_exceptions=True)
        await rate_limiter.close()
        return list(outcomes)


@pytest.mark.parametrize("first", [1, 2, 50])
@pytest.mark.parametrize("worth", [0.5, 3, 20, 60])
def test_only_requests_in_flight_at_the_first_overrun_can_exceed_the_budget(
    virtual: Run, first: int, worth: float
) -> None:
    requests = [make_request(index) for index in range(300)]
    beyond = PRICE.cost(requests[0], Usage(10, BEYOND))
    provider = Provider(first, worth * beyond)
    outcomes = virtual(provider.run(requests))
    refused = [each for each in outcomes if isinstance(each, CallError)]
    assert {each.failure for each in refused} == {Failure.NO_BUDGET}
    in_flight = 1 if first == 1 else provider.in_flight_at_first
    assert in_flight <= AT_ONCE
    assert provider.billed <= worth * beyond + in_flight * beyond
    if worth > in_flight:
        assert provider.billed <= worth * beyond + 1e-9, "there was room for what was in flight"
    assert len(provider.warnings) == 1


def test_first_request_of_a_model_is_sent_alone(virtual: Run) -> None:
    provider = Provider(10**6, 1.0)
    requests = [make_request(index) for index in range(20)]
    virtual(provider.run(requests))
    moments = sorted(moment for _, moment in provider.server.sent)
    assert moments[1] - moments[0] == pytest.approx(1.0), "the others wait for its answer"
    assert moments[1] == moments[AT_ONCE]


@pytest.mark.parametrize("left", [0.5, 1.5, 5.5])
def test_a_restart_learns_from_stored_completions(virtual: Run, left: float) -> None:
    """A provider known to bill beyond its limit cannot exceed the budget at all."""
    requests = [make_request(index) for index in range(50)]
    bound = Reservation(PRICE, BEYOND).bound(requests[0])
    assert bound >= PRICE.cost(requests[0], Usage(len(requests[0].body), BEYOND))
    provider = Provider(1, left * bound)
    virtual(provider.run(requests, learnt=BEYOND))
    assert provider.billed <= left * bound
    assert provider.answers >= int(left)
    assert provider.warnings == []


@given(some.integers(0, 2000), some.integers(1, 300))
def test_a_reservation_never_shrinks(stored: int, written: int) -> None:
    request = make_request(1)
    reservation = Reservation(PRICE, stored)
    before = reservation.make(request)
    assert before >= PRICE.upper_bound(request)
    reservation.check(request)
    cost = PRICE.cost(request, Usage(len(request.body), written))
    reservation.learn(request, cost)
    assert reservation.bound(request) >= max(before, cost) * (1 - 1e-9)
    if reservation.bound(request) > before:
        with pytest.raises(StaleReservationError):
            reservation.check(request)
    reservation.settle(request)
    reservation.check(request)  # nothing is still reserved


def test_an_unknown_price_reserves_nothing() -> None:
    reservation = Reservation(None, 500)
    reservation.learn(make_request(1), 5.0)
    assert (reservation.make(make_request(1)), reservation.ratio) == (0.0, 1.0)
