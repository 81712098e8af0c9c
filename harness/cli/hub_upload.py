"""A folder to the Hub, after a yes: private, whole, and nothing where the answer is no."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click

from agents.errors import UserError
from harness.terminal.output import print_message

WHERE = "--push-to-hub"
LICENCE = "The dialogues derive from EmpatheticDialogues (CC BY-NC 4.0)."
PLACES = {"dataset": "https://huggingface.co/datasets/", "model": "https://huggingface.co/"}


def check(repo: str) -> None:
    """Before anything is made: whether it could be uploaded.

    Raises:
        UserError: no client, the Hub switched off, or no such name.
    """
    if getattr(getattr(_client(), "constants", None), "HF_HUB_OFFLINE", False):
        raise UserError(
            "the Hub is switched off",
            code="hub.offline",
            where=WHERE,
            found="HF_HUB_OFFLINE is set",
            remedy="Unset HF_HUB_OFFLINE, or remove --push-to-hub.",
        )
    owner, _, name = repo.partition("/")
    if not owner or not name or "/" in name:
        raise UserError(
            "invalid repository name",
            code="hub.invalid-name",
            where=WHERE,
            found=repr(repo),
            remedy="Write OWNER/NAME.",
        )


def agreed(folder: Path, repo: str, kind: Literal["dataset", "model"]) -> bool:
    """Whether the user wants `folder` to be uploaded as the private repository `repo`."""
    print_message(LICENCE)
    question = f"Upload {folder} to the Hub as the private {kind} {repo}?"
    if click.confirm(question, default=False, err=True):
        return True
    print_message("Nothing is uploaded.")
    return False


def upload(folder: Path, repo: str, kind: Literal["dataset", "model"]) -> None:
    """Upload the folder, whole.

    Raises:
        UserError: the Hub would not have it; the folder stays as it is.
    """
    api = _client().HfApi()
    try:
        api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(repo_id=repo, repo_type=kind, folder_path=str(folder))
    except Exception as error:  # whatever the Hub's client raises ends in the same remedy
        remedy = "Log in with: hf auth login, and check the name. The folder stays as it is."
        raise UserError(
            "the upload failed", code="hub.upload-failed", where=repo, found=str(error)[:300], remedy=remedy
        ) from error
    print_message(f"Uploaded: {PLACES[kind]}{repo}")


def _client() -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise UserError(
            "the package huggingface_hub is not installed",
            code="hub.not-installed",
            where=WHERE,
            remedy="Install with: pip install -e '.[train]'",
        ) from None
