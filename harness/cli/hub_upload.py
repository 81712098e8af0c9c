"""Upload of a folder to the Hugging Face Hub as a private repository, after a confirmation."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click

from agents.errors import UserError
from harness.terminal.output import print_message

OPTION = "--push-to-hub"
LICENCE = "The dialogues derive from EmpatheticDialogues (CC BY-NC 4.0)."
URL_PREFIXES = {"dataset": "https://huggingface.co/datasets/", "model": "https://huggingface.co/"}


def check(repo: str) -> None:
    """Check that an upload is possible, before anything is made.

    Raises:
        UserError: if the client is missing, the Hub is switched off, or the name is invalid.
    """
    if getattr(getattr(_import_client(), "constants", None), "HF_HUB_OFFLINE", False):
        raise UserError(
            "the Hub is switched off",
            code="hub.offline",
            where=OPTION,
            found="HF_HUB_OFFLINE is set",
            remedy="Unset HF_HUB_OFFLINE, or remove --push-to-hub.",
        )
    owner, _, name = repo.partition("/")
    if not owner or not name or "/" in name:
        raise UserError(
            "invalid repository name",
            code="hub.invalid-name",
            where=OPTION,
            found=repr(repo),
            remedy="Write OWNER/NAME.",
        )


def confirm_upload(folder: Path, repo: str, kind: Literal["dataset", "model"]) -> bool:
    """Ask whether `folder` shall be uploaded as the private repository `repo`."""
    print_message(LICENCE)
    question = f"Upload {folder} to the Hub as the private {kind} {repo}?"
    if click.confirm(question, default=False, err=True):
        return True
    print_message("Nothing is uploaded.")
    return False


def upload(folder: Path, repo: str, kind: Literal["dataset", "model"]) -> None:
    """Upload a folder.

    Raises:
        UserError: if the upload fails; the folder is not changed.
    """
    api = _import_client().HfApi()
    try:
        api.create_repo(repo, repo_type=kind, private=True, exist_ok=True)
        api.upload_folder(repo_id=repo, repo_type=kind, folder_path=str(folder))
    except Exception as error:  # the client raises many types
        remedy = "Log in with `hf auth login`, and check the name. The folder is unchanged."
        raise UserError(
            "the upload failed", code="hub.upload-failed", where=repo, found=str(error)[:300], remedy=remedy
        ) from error
    print_message(f"Uploaded: {URL_PREFIXES[kind]}{repo}")


def _import_client() -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError:
        raise UserError(
            "the package huggingface_hub is not installed",
            code="hub.not-installed",
            where=OPTION,
            remedy="Install with: pip install -e '.[train]'",
        ) from None
