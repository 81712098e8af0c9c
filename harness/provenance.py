"""Provenance of a run: package versions, git state and command line.

It is recorded, but never part of a request key.
"""

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
    "pyreqwest",
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
    """Return the command line without secrets, in a form that can be run again.

    Values of key flags, passwords in URLs, and the values of environment variables named like secrets are
    replaced by `***`.
    """
    secrets = {
        value
        for name, value in environ.items()
        if name.upper().endswith(_SECRET_VARIABLES) and len(value) >= _SHORTEST_SECRET
    }
    arguments, hide_next = [], False
    for argument in ["empathy", *sys.argv[1:]]:
        flag, separator, _ = argument.partition("=")
        if hide_next:
            arguments.append(HIDDEN)
        elif separator and flag in _SECRET_FLAGS:
            arguments.append(f"{flag}={HIDDEN}")
        else:
            arguments.append(_PASSWORD.sub(rf"\1:{HIDDEN}@", argument))
        for secret in secrets:
            arguments[-1] = arguments[-1].replace(secret, HIDDEN)
        hide_next = argument in _SECRET_FLAGS
    return shlex.join(arguments)


def run_context(**more: Any) -> dict[str, Any]:
    """Return versions, platform and git state, with further entries to record."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
        "git": git_state(),
        **more,
    }


@cache  # the code does not change while a process runs
def git_state() -> dict[str, Any]:
    """Return the commit of the running code and whether it has local changes; {} without git."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return result.stdout.strip()


@cache
def _versions() -> dict[str, str]:
    return {name: version for name in PACKAGES if (version := _version(name))}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
