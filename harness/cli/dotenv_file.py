"""Loader of `.env` in the working folder; variables that are set already keep their values."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv.parser import parse_stream

from agents.errors import Fault, UserError

FILE = ".env"


def load_dotenv_file(folder: Path) -> None:
    """Set the variables of `folder/.env` that are not set yet; do nothing if the file is missing.

    Raises:
        UserError: if the file cannot be read, or a line is not `NAME=VALUE`. The content of lines is not
            shown, since it may be a key.
    """
    path = folder / FILE
    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "cannot read the file", code="file.unreadable", where=str(path), found=str(error)
        ) from error
    faults = [
        Fault(
            "the line is not NAME=VALUE",
            f"{path}:{binding.original.line}",
            remedy="Correct the line, or remove it.",
            code="file.invalid-dotenv-line",
        )
        for binding in bindings
        if binding.error
    ]
    if faults:
        raise UserError("invalid .env file", code="file.invalid-dotenv", where=str(path), faults=faults)
    for binding in bindings:
        if binding.key and binding.value is not None:
            os.environ.setdefault(binding.key, binding.value)
