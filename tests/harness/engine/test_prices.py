"""Prices: parsed, looked up, and upper bounds of what a request costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agents.messages import Usage
from agents.models.spec import ApiProtocol, Model
from harness.engine.prices import FREE, Price, lookup_price, parse_prices
from tests.errors import user_error
from tests.harness.engine.conftest import make_request

PRICE = Price(2e-6, 8e-6)


def model(provider: str, name: str, protocol: ApiProtocol = ApiProtocol.OPENAI_CHAT) -> Model:
    return Model(provider, name, protocol)


@given(some.floats(0, 1e6), some.floats(0, 1e6))
def test_prices_are_parsed(given_usd: float, made_usd: float) -> None:
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
def test_invalid_prices_are_rejected(text: str) -> None:
    with user_error("price.invalid", where="--price", found=repr(text)):
        parse_prices((text,))


def test_price_is_the_users_then_the_librarys_then_unknown() -> None:
    own = parse_prices(("openai/gpt-4o=1,2",))
    assert lookup_price(model("openai", "gpt-4o"), own) == Price(1e-6, 2e-6)
    known = lookup_price(model("openai", "gpt-4o"), {})
    assert known is not None
    assert [known.input_usd, known.output_usd] == pytest.approx([2.5e-6, 1e-5])
    assert lookup_price(model("openai", "gpt-99-imagined"), {}) is None
    assert lookup_price(model("nobody", "gpt-4o"), {}) is None


def test_emulated_models_have_the_price_of_the_real_ones() -> None:
    emulated = model("openai", "emulated-gpt-4o")
    assert lookup_price(emulated, {}) == lookup_price(model("openai", "gpt-4o"), {})
    assert lookup_price(emulated, parse_prices(("openai/gpt-4o=1,2",))) == Price(1e-6, 2e-6)


def test_only_local_models_are_free() -> None:
    assert lookup_price(model("control", "ratings", ApiProtocol.CONTROL), {}) == FREE
    assert lookup_price(model("vllm", "llama"), {}) == FREE
    for name in ("whisper-1", "text-embedding-3-small", "omni-moderation-latest"):  # not sold by text tokens
        assert lookup_price(model("openai", name), {}) is None


@given(some.integers(0, 500), some.integers(0, 64), some.integers(1, 64))
def test_no_usage_costs_more_than_the_upper_bound(read: int, written: int, max_tokens: int) -> None:
    request = make_request(1, max_tokens=max_tokens)
    usage = Usage(min(read, len(request.body)), min(written, max_tokens))
    assert 0.0 <= PRICE.cost(request, usage) <= PRICE.upper_bound(request)
    assert PRICE.cost(request, Usage()) == PRICE.upper_bound(
        request
    )  # unreported usage counts as the maximum
