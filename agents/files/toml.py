"""TOML text as its values; a fault names its line."""

from __future__ import annotations

import tomllib
from typing import Any

from agents.errors import UserError


def parse_toml(text: str, source: str, remedy: str = "") -> dict[str, Any]:
    """The values of a TOML file's text.

    Args:
        source: the file, for people.

    Raises:
        UserError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError("the file is not TOML", where=source, found=str(error), remedy=remedy) from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise UserError("the file is not TOML", where=source, found=str(error)[:80], remedy=remedy) from error
