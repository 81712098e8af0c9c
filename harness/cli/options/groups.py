"""Groups of options as one decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def option_group(*options: Option) -> Option:
    """Return a decorator that adds options, in the order of the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
