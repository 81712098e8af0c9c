"""TOML parser whose errors name the file and the line."""

from __future__ import annotations

import tomllib
from typing import Any

from agents.errors import UserError


def parse_toml(text: str, source: str, remedy: str = "") -> dict[str, Any]:
    """Parse the text of a TOML file.

    Args:
        source: the file, for the error message.

    Raises:
        UserError: the text is not valid TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            "not valid TOML", code="file.not-toml", where=source, found=str(error), remedy=remedy
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply; a number with thousands of digits
        raise UserError(
            "not valid TOML", code="file.not-toml", where=source, found=str(error)[:80], remedy=remedy
        ) from error
