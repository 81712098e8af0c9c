"""What a contest could tell, before anything is asked: `judge --dry-run` and `plan`."""

from __future__ import annotations

import pytest

from tests.harness.cli.contests import A, C, Run, flat

JUDGE = ("judge", A, C, "--judge", "control/ratings", "--data", "sample", "--split", "all", "--dry-run")
PLAN = ("plan", "tiny", "--data", "sample")


def test_a_dry_run_says_what_so_many_dialogues_can_tell(empathy: Run) -> None:
    document = empathy(*JUDGE, "--json").data
    design, size = document["design"], document["required_sample_size"]
    assert (design["dialogues"], design["samples"], design["orders"], design["seeds"]) == (64, 1, 2, 1)
    assert 0 < design["half_width"] < design["mde"] < design["mde_difference"] < 1
    assert size["more_dialogues"] == size["dialogues"] - 64
    repeated = empathy(*JUDGE, "--samples", "3", "--json").data["design"]
    assert repeated["requests"] == 3 * design["requests"]
    assert repeated["half_width"] < design["half_width"]
    printed = flat(empathy(*JUDGE))
    assert f"{100 * design['mde']:.1f} points" in printed
    assert "(--assume)" in printed


def test_what_is_assumed_and_what_is_worth_finding_count(empathy: Run) -> None:
    usual = empathy(*JUDGE, "--json").data
    words = ("--assume", "rate=0.9", "--assume", "consistency = 0.95", "--worth", "0.1")
    clear = empathy(*JUDGE, *words, "--json").data
    assumed = clear["design"]["assumed"]
    assert (assumed["rate"], assumed["consistency"]) == (0.9, 0.95)
    assert clear["design"]["half_width"] < usual["design"]["half_width"]
    assert clear["required_sample_size"]["difference"] == 0.1
    assert clear["required_sample_size"]["dialogues"] < usual["required_sample_size"]["dialogues"]


def test_a_study_s_plan_says_it_too(empathy: Run) -> None:
    design = empathy(*PLAN, "--json").data["design"]
    assert design["dialogues"] >= 1
    assert f"Precision of {design['dialogues']} dialogues" in flat(empathy(*PLAN))


@pytest.mark.parametrize("command", [JUDGE, PLAN], ids=["judge", "plan"])
@pytest.mark.parametrize(
    ("assumptions", "faults"),
    [
        (["rat=0.9"], 1),
        (["rate"], 1),
        (["rate=0.5", "rate=0.6"], 1),
        (["rate=nan"], 1),
        (["rate=2"], 1),
        (["x=1", "rate=?", "consistency="], 3),
        (["rate=0.95", "consistency=0.5", "seed_spread=-1", "correlation=1"], 3),
    ],
)
def test_every_fault_of_the_assumptions_is_said(
    empathy: Run, command: tuple[str, ...], assumptions: list[str], faults: int
) -> None:
    done = empathy(*command, *(word for one in assumptions for word in ("--assume", one)))
    assert done.code == 2
    assert "--assume" in done.err
    assert len([line for line in done.err.splitlines() if line.startswith("  ")]) == faults


def test_assumptions_go_with_a_dry_run(empathy: Run) -> None:
    done = empathy(*JUDGE[:-1], "--assume", "rate=0.7")
    assert done.code == 2
    assert done.codes == ["option.missing"]
