"""What training needs and may lack: the libraries, and a clear word where they are not installed."""

from __future__ import annotations

import importlib.util
import os
from importlib import metadata
from pathlib import Path

from agents.errors import UserError

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
TRACKERS = {"trackio": ("trackio",), "tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}


def require_training_libraries() -> None:
    """Make sure that the libraries are there, before anything slow begins.

    Raises:
        UserError: some are missing; the message names them and how to install them.
    """
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            "fine-tuning needs torch, trl and peft",
            found=f"not installed: {', '.join(missing)}",
            remedy="Install with: pip install -e '.[train]'",
        )
    # Progress and warnings of ours are on stderr already; these libraries' bars would cover them.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")


def check_trackers(names: tuple[str, ...]) -> list[str]:
    """The `--report-to` names, checked.

    Raises:
        UserError: one is not known, or its library is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            known = ", ".join(TRACKERS)
            raise UserError(
                "no such tracker", where="--report-to", found=repr(name), remedy=f"Choose: {known}."
            )
        if all(importlib.util.find_spec(library) is None for library in TRACKERS[name]):
            remedy = f"Install with: pip install {name} (metrics.jsonl is written in any case)."
            raise UserError(f"{name} is not installed", where="--report-to", remedy=remedy)
    return list(names)


def library_versions() -> dict[str, str]:
    """The versions of everything that decides a training's result."""
    found = {}
    for name in ("empathy-harness", *LIBRARIES, "tokenizers", "safetensors"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hub_offline() -> bool:
    """Whether the Hub is switched off for this process."""
    return os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")


def is_local_folder(base: str) -> bool:
    """Whether a base is named by a folder on this machine rather than by a name on the Hub."""
    return Path(base).is_dir()
