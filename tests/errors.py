"""Assertions on errors by code and fields, never by message text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.errors import Fault, UserError

CODE = re.compile(r"\[([a-z0-9-]+\.[a-z0-9-]+)\]")


@dataclass
class Caught:
    """An error that was raised as expected; filled when the block ends."""

    errors: list[UserError] = field(default_factory=list)

    @property
    def value(self) -> UserError:
        """The error."""
        return self.errors[0]

    @property
    def fault(self) -> Fault:
        """The error's own fault."""
        return self.value.fault

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that the error carries."""
        return self.value.faults


@contextmanager
def user_error(code: str, **fields: Any) -> Iterator[Caught]:
    """Assert that the block raises a `UserError` with this code, its own or that of one of its faults.

    Args:
        fields: expected values of the fault with this code (`where`, `found`, `remedy`, `what`).
    """
    caught = Caught()
    with pytest.raises(UserError) as raised:
        yield caught
    caught.errors.append(raised.value)
    assert code in raised.value.codes, f"expected {code}, raised: {raised.value}"
    faults = [fault for fault in (raised.value.fault, *raised.value.faults) if fault.code == code]
    for name, value in fields.items():
        assert value in [getattr(fault, name) for fault in faults], f"{name}: {faults}"


def error_codes(result: Any) -> list[str]:
    """Return the codes that a command printed, in order.

    Args:
        result: of click's test runner (`output`, `exception`) or of a process (`stderr`).
    """
    if isinstance(getattr(result, "exception", None), UserError):
        return list(result.exception.codes)
    text = result.stderr if getattr(result, "stderr", None) else getattr(result, "output", "")
    return CODE.findall(text if isinstance(text, str) else text.decode())
