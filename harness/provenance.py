"""How something was made: versions, the state of the code, the command; recorded, never part of a key."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
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
_SECRET_FLAGS = ("--api-key", "--key")


def command_line() -> str:
    """The command that was given, as it could be given again; no value of a flag that holds a secret."""
    words, hide = [], False
    for word in ["empathy", *sys.argv[1:]]:
        words.append("***" if hide else word)
        hide = word in _SECRET_FLAGS
    return shlex.join(words)


def context(**more: Any) -> dict[str, Any]:
    """Versions, platform and git state, with whatever else is to be recorded."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": git_state(),
        **more,
    }


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


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
