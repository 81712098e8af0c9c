"""How something was made: versions, the state of the code, the command; recorded, never part of a key."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "empathy-harness",
    "aiohttp",
    "openai",
    "anthropic",
    "google-genai",
    "sqlalchemy",
    "numpy",
    "scipy",
)
HIDDEN = "***"
_SECRET_FLAGS = ("--api-key", "--key")
_SECRET_VARIABLES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/]*@")  # of postgresql://USER:PASSWORD@HOST/NAME
_SHORTEST_SECRET = 8


def redacted_command_line(environ: Mapping[str, str] = os.environ) -> str:
    """The command that was given, as it could be given again, without anything secret.

    Hidden are the values of flags that hold a key, passwords in addresses, and whatever stands in a
    variable of the environment that is named for a secret.
    """
    secrets = {
        value
        for name, value in environ.items()
        if name.upper().endswith(_SECRET_VARIABLES) and len(value) >= _SHORTEST_SECRET
    }
    words, hide = [], False
    for word in ["empathy", *sys.argv[1:]]:
        flag, given, _ = word.partition("=")
        if hide:
            words.append(HIDDEN)
        elif given and flag in _SECRET_FLAGS:
            words.append(f"{flag}={HIDDEN}")
        else:
            words.append(_PASSWORD.sub(rf"\1:{HIDDEN}@", word))
        for secret in secrets:
            words[-1] = words[-1].replace(secret, HIDDEN)
        hide = word in _SECRET_FLAGS
    return shlex.join(words)


def context(**more: Any) -> dict[str, Any]:
    """Versions, platform and git state, with whatever else is to be recorded."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
        "git": git_state(),
        **more,
    }


@cache  # the code that a process runs does not change while it runs
def git_state() -> dict[str, Any]:
    """Commit of the code that runs, and whether it has been changed since; {} where there is no git."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return {}
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(here, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


@cache
def _versions() -> dict[str, str]:
    return {name: version for name in PACKAGES if (version := _version(name))}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
