"""Checks for the optional libraries that training needs, with an install hint if one is missing."""

from __future__ import annotations

import importlib.util
import os
from importlib import metadata
from pathlib import Path

from agents.errors import UserError

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
TRACKERS = {"trackio": ("trackio",), "tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}


def require_training_libraries() -> None:
    """Check that the training libraries are installed.

    Raises:
        UserError: at least one is missing; the message names them and how to install them.
    """
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            "libraries needed for fine-tuning are not installed",
            code="training.missing-libraries",
            found=", ".join(missing),
            remedy="Install them with: pip install -e '.[train]'",
        )
    # Progress and warnings of this program go to stderr; the progress bars of these libraries would hide
    # them.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")


def check_trackers(names: tuple[str, ...]) -> list[str]:
    """Return the names given with `--report-to`, after checking them.

    Raises:
        UserError: a name is unknown, or its library is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UserError(
                "unknown experiment tracker",
                code="tracker.unknown",
                where="--report-to",
                found=repr(name),
                remedy=f"Choose one of: {', '.join(TRACKERS)}.",
            )
        if all(importlib.util.find_spec(library) is None for library in TRACKERS[name]):
            raise UserError(
                "experiment tracker is not installed",
                code="tracker.not-installed",
                where="--report-to",
                found=name,
                remedy=f"Install it with: pip install {name} (metrics.jsonl is written in any case).",
            )
    return list(names)


def library_versions() -> dict[str, str]:
    """Return the installed version of every library that influences a training's result."""
    versions = {}
    for name in ("empathy-harness", *LIBRARIES, "tokenizers", "safetensors"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hub_offline() -> bool:
    """Return whether HF_HUB_OFFLINE disables downloads from the Hugging Face Hub."""
    return os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")


def is_local_folder(base: str) -> bool:
    """Return whether a base model is given as a local folder and not as a name on the Hub."""
    return Path(base).is_dir()
