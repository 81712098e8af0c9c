"""`empathy emulate`: named faults on the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from agents.errors import UserError
from harness.cli.emulate import emulate
from harness.emulator.provider_faults import TABLE


def test_every_named_fault_is_listed() -> None:
    result = CliRunner().invoke(emulate, ["--list-faults"])
    assert result.exit_code == 0
    for name, fault in TABLE.items():
        assert name in result.output
        assert fault.summary in result.output


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--fault", "overloaded"], "--fault"),
        (["--fault", "overloaded=much"], "--fault"),
        (["--fault", "overload=0.5"], "overloaded"),
        (["--fault", "overloaded=2"], "[0, 1]"),
        (["--outage", "5"], "--outage"),
        (["--outage", "5,x"], "--outage"),
        (["--outage", "5,0"], "outage_seconds"),
        (["--fault", "overloaded=0.1", "--lean"], "lean"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_kept_is_the_users_mistake(arguments: list[str], where: str) -> None:
    with pytest.raises(UserError) as error:
        emulate.main(["--port", "0", *arguments], standalone_mode=False)
    assert where in str(error.value)
