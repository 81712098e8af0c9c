"""Model lifecycles: status by date, warnings and refusals, and dates stated by providers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from agents.errors import UserError
from agents.models.lifecycle import Lifecycle, Status, lifecycle_faults, parse_lifecycle, parse_shutdown_dates
from agents.models.registry import Registry
from agents.models.retirement import check_not_retired, is_retired, refusal, warnings, with_provider_dates
from agents.models.spec import ApiProtocol, Model

DAY = date(2027, 1, 14)
ENDS = Lifecycle(DAY, "openai/next", "https://provider.example/ends", date(2026, 11, 30), confirmed=True)
MODEL = Model("openai", "old", ApiProtocol.OPENAI_CHAT, lifecycle=ENDS)


@pytest.mark.parametrize(
    ("days", "status"),
    [
        (-1000, Status.LIVING),
        (-91, Status.LIVING),
        (-90, Status.RETIRING),
        (-1, Status.RETIRING),
        (0, Status.RETIRING),  # its last day
        (1, Status.RETIRED),
        (1000, Status.RETIRED),
    ],
)
def test_lifecycle_status_by_date(days: int, status: Status) -> None:
    on = DAY + timedelta(days)
    assert ENDS.status(on) is status
    assert ENDS.is_confirmed_retired(on) is (status is Status.RETIRED)
    assert bool(ENDS.describe("openai/old", on)) is (status is not Status.LIVING)
    assert not replace(ENDS, confirmed=False).is_confirmed_retired(on)  # a secondary source only warns
    assert Lifecycle().status(on) is Status.LIVING


def test_a_warning_names_day_successor_source_and_look_up() -> None:
    sentence = ENDS.describe("openai/old", DAY - timedelta(45))
    for word in (
        "openai/old",
        "2027-01-14",
        "45 days",
        "openai/next",
        "https://provider.example",
        "2026-11-30",
    ):
        assert word in sentence
    assert "secondary source" in replace(ENDS, confirmed=False).describe("openai/old", DAY + timedelta(1))


def test_the_error_lists_all_retired_models() -> None:
    after = DAY + timedelta(1)
    other, living = replace(MODEL, name="older"), Model("openai", "x", ApiProtocol.OPENAI_CHAT)
    with pytest.raises(UserError) as refused:
        check_not_retired({MODEL: 3, other: 1, living: 9, replace(MODEL, name="stored"): 0}, day=after)
    assert len(refused.value.faults) == 2
    assert "openai/next" in str(refused.value)
    assert "--allow-retired" in str(refused.value)
    assert "stored" not in refused.value.fault.found
    check_not_retired({MODEL: 3}, allow_retired=True, day=after)
    check_not_retired({MODEL: 3}, day=DAY)
    assert len(refusal([MODEL], after).faults) == 1


def test_an_emulated_model_is_refused_only_by_what_the_emulator_states() -> None:
    after = DAY + timedelta(1)
    emulated = replace(MODEL, name="emulated-old")
    assert is_retired(MODEL, after)
    assert not is_retired(emulated, after)
    assert warnings([emulated], after)
    assert "emulated" not in warnings([emulated], after)[0]
    stated = with_provider_dates(emulated, {"emulated-old": replace(ENDS, stated=True)})
    assert is_retired(stated, after)


def test_what_a_provider_states_stands_over_what_a_file_says_but_for_the_successor() -> None:
    stated = Lifecycle(date(2027, 2, 1), "", "https://api/models", DAY, confirmed=True, stated=True)
    now = with_provider_dates(MODEL, {"old": stated}).lifecycle
    assert now == replace(stated, successor="openai/next")
    assert with_provider_dates(MODEL, {"another": stated}) is MODEL


@pytest.mark.parametrize(
    "listing",
    [
        None,
        [],
        "x",
        {},
        {"data": None},
        {"data": "x"},
        {"data": [None, 1, "x", [], {}]},
        {"data": [{"id": "m"}, {"id": "m", "shutdown_date": None}, {"id": "m", "shutdown_date": "soon"}]},
        {"data": [{"id": 7, "shutdown_date": "2027-01-14"}, {"shutdown_date": "2027-01-14"}]},
        {"data": [{"id": "m", "shutdown_date": 20270114}]},
    ],
)
def test_a_list_of_models_of_another_form_states_nothing(listing: Any) -> None:
    assert parse_shutdown_dates(listing, "https://api/models", DAY) == {}


def test_shutdown_dates_are_read() -> None:
    listing = {
        "data": [
            {"id": "gpt-4o", "shutdown_date": "2027-01-14"},
            {"id": "gpt-6-luna", "shutdown_date": None},
            {"id": "o3", "shutdown_date": "2026-12-11T00:00:00Z"},
        ]
    }
    found = parse_shutdown_dates(listing, "https://api/models", DAY)
    assert {name: each.retires for name, each in found.items()} == {"gpt-4o": DAY, "o3": date(2026, 12, 11)}
    assert all(each.confirmed and each.stated for each in found.values())


@pytest.mark.parametrize(
    "entry",
    [
        {"retires": "2027-01-14"},
        {"retires": 2027},
        {"looked_up": True},
        {"successor": "gpt-6-luna"},
        {"successor": 6},
        {"source": 1},
        {"confirmed": "yes"},
        {"retires": DAY, "retired": DAY},
    ],
)
def test_faults_of_an_entry(entry: dict[str, Any]) -> None:
    assert len(lifecycle_faults(entry, "here")) == 1


def test_a_retired_entry_is_retired() -> None:
    assert parse_lifecycle({"retired": DAY, "confirmed": True}).is_confirmed_retired(DAY + timedelta(1))
    assert lifecycle_faults({"retired": DAY, "confirmed": True, "successor": "a/b"}, "here") == []


# -- what is shipped -----------------------------------------------------------------------------------


def test_every_shipped_lifecycle_cites_its_source_and_the_day_of_its_look_up() -> None:
    registry = Registry(None, {})
    found = [end for name in registry._names() if (end := registry.lifecycle(name)) is not None]
    assert len(found) > 30
    for end in found:
        assert end.source.startswith("https://")
        assert end.looked_up is not None
        assert end.retires is not None
        providers = ("developers.openai.com/", "ai.google.dev/", "platform.claude.com/")
        assert not end.confirmed or end.source.removeprefix("https://").startswith(providers)
        if end.successor:  # a successor lives longer than whom it follows, and is itself known to live
            its = registry.lifecycle(end.successor)
            assert its is None or its.status(end.looked_up) is Status.LIVING


def test_the_living_judges_lived_when_they_were_looked_up_and_the_papers_are_named() -> None:
    registry = Registry(None, {})
    looked_up = date(2026, 11, 30)
    living = registry.expanded(["living-judges"])
    assert len(living) == 6
    assert warnings([registry.model(name) for name in living], looked_up) == []
    assert registry.expanded(["paper-judges"]) == ("openai/gpt-4o", "google/gemini-2.0-flash")


def test_a_providers_dates_hold_at_its_own_address_and_a_deployment_states_its_own(tmp_path: Any) -> None:
    elsewhere = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    assert Registry(None, {}).model("openai/gpt-4o").lifecycle is not None
    assert Registry(None, elsewhere).model("openai/gpt-4o").lifecycle is None
    own = tmp_path / "models.toml"
    own.write_text('[[model]]\nmatch = "openai/gpt-4o"\nretires = 2028-01-01\nanswers = ["mine"]\n')
    deployed = Registry(own, elsewhere).model("openai/gpt-4o")
    assert deployed.lifecycle == Lifecycle(date(2028, 1, 1))
    assert deployed.answers == ("mine",)
    assert Registry(own, {}).model("openai/gpt-4o").lifecycle == Lifecycle(date(2028, 1, 1))
