"""Getting the prompts of the paper's scripts: downloaded, or taken from a folder; every hash is checked.

The repository has no licence: its files are fetched by whoever uses them and never distributed.
"""

from __future__ import annotations

from pathlib import Path

from agents.errors import Fault, UserError
from agents.files.text import read_bytes
from harness.atomic_write import atomic_write
from harness.data.download import ROOT, download
from prompts import released

REMEDY = "Where there is no network: empathy prompts fetch --from DIR, a copy of the repository."


def fetch(to: Path, source: Path | None = None, root: str = ROOT) -> int:
    """Put the scripts that hold the prompts below `to`; how many were not there yet.

    Nothing is written unless every hash is right.

    Args:
        source: take them from this copy of the repository, where there is no network.
        root: the address of the repository's files.

    Raises:
        UserError: they cannot be had, are other files, or cannot be written; every one at once.
    """
    wanted = [name for name in released.FILES if not _is_there(to / name, name)]
    contents: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name in wanted:
        where = str(source / name) if source is not None else f"{root}/{name}"
        try:
            contents[name] = _content(name, source, root)
        except UserError as error:
            if source is None:
                raise
            faults.append(error.fault)
            continue
        if difference := released.file_fault(name, contents[name]):
            what = "not the published file"
            faults.append(Fault(what, where, difference, code="prompt.not-published-file"))
    if faults:
        raise UserError("these are not the published prompts", where=str(source or root), faults=faults)
    try:
        for name, content in contents.items():
            atomic_write(to / name, content)
    except OSError as error:
        raise UserError("the prompts cannot be written", where=str(to), found=str(error)) from error
    return len(contents)


def _content(name: str, source: Path | None, root: str) -> bytes:
    if source is not None:
        return read_bytes(source / name, "the script")
    return download(f"{root}/{name}", "the released prompts", REMEDY)


def _is_there(place: Path, name: str) -> bool:
    try:
        return not released.file_fault(name, place.read_bytes())
    except OSError:
        return False
