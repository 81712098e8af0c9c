"""The cost of requests: each distinct one is counted once, at prices, limits and retries."""

from __future__ import annotations

from dataclasses import replace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.clients.base import ModelRequest
from agents.messages import Message, Sampling
from agents.models.registry import Registry
from harness.engine.limits import Limits
from harness.engine.prices import Price
from harness.engine.run import RequestSettings
from harness.workflows.request_cost import RequestCost, RequestTally

MODEL = Registry(None, {}).model("openai/gpt-4o")
PRICE = Price(1e-6, 2e-6)
SETTINGS = RequestSettings(Limits(requests_per_minute=60), prices={MODEL.id: PRICE})


def request(text: str) -> ModelRequest:
    return ModelRequest(MODEL, (Message("user", text),), Sampling(10))


@given(st.lists(st.text(max_size=20), max_size=12), st.floats(0, 10))
def test_a_repeated_request_costs_nothing(texts: list[str], output: float) -> None:
    tally, once = RequestTally(MODEL, SETTINGS), RequestTally(MODEL, SETTINGS)
    new = [tally.add(request(text)) for text in texts]
    assert sum(new) == len(set(texts))
    assert all(once.add(request(text)) for text in dict.fromkeys(texts))
    assert tally.cost(output) == once.cost(output)


def test_price_limit_and_retries_decide_cost_and_time() -> None:
    tally = RequestTally(MODEL, SETTINGS)
    requests = [request(str(number)) for number in range(120)]
    for each in requests:
        tally.add(each)
    cost = tally.cost(4.0)
    assert set(cost) == set(get_type_hints(RequestCost))
    assert (cost["calls"], cost["output_tokens"], cost["seconds"]) == (120, 480, 120.0)
    most = sum(PRICE.upper_bound(each) for each in requests) * SETTINGS.policy.max_tries
    assert cost["maximum_usd"] == pytest.approx(most)
    assert 0 < (cost["expected_usd"] or 0) < most


def test_unknown_prices_and_limits_stay_unknown() -> None:
    unknown = replace(MODEL, name="no-such-model")
    tally = RequestTally(unknown, RequestSettings())
    assert tally.cost(4.0)["seconds"] == 0.0
    tally.add(request("x"))
    cost = tally.cost(4.0)
    assert (cost["expected_usd"], cost["maximum_usd"], cost["seconds"]) == (None, None, None)


def test_control_judges_take_no_time() -> None:
    tally = RequestTally(Registry(None, {}).model("control/longer"), SETTINGS)
    tally.add(request("x"))
    assert tally.cost(4.0)["seconds"] == 0.0
