"""Download of the prompts of the paper's scripts, with a check of every hash.

The repository has no licence. Each user fetches its files; they are never distributed.
"""

from __future__ import annotations

from pathlib import Path

from agents.errors import Fault, UserError
from agents.files.text import read_bytes
from harness.atomic_write import write_file
from harness.data.download import ROOT, download
from prompts import released

REMEDY = "Without network access, use: empathy prompts fetch --from DIR (a copy of the repository)"


def fetch(to: Path, source: Path | None = None, root: str = ROOT) -> int:
    """Fetch the scripts that contain the prompts into a folder and return the number of new files.

    Files are written only if every hash is right.

    Args:
        source: copy the files from this clone of the repository instead of downloading.
        root: URL of the repository's files.

    Raises:
        UserError: if files are missing, have a wrong hash, or cannot be written; the error lists every file.
    """
    missing = [name for name in released.FILES if not _is_published(to / name, name)]
    contents: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name in missing:
        where = str(source / name) if source is not None else f"{root}/{name}"
        try:
            contents[name] = _read_script(name, source, root)
        except UserError as error:
            if source is None:
                raise
            faults.append(error.fault)
            continue
        if difference := released.file_fault(name, contents[name]):
            what = "not the published file"
            faults.append(Fault(what, where, difference, code="prompt.not-published-file"))
    if faults:
        raise UserError(
            "the files are not the published prompts",
            code="prompt.not-published-file",
            where=str(source or root),
            faults=faults,
        )
    for name, content in contents.items():
        write_file(to / name, content)
    return len(contents)


def _read_script(name: str, source: Path | None, root: str) -> bytes:
    if source is not None:
        return read_bytes(source / name, "the script")
    return download(f"{root}/{name}", "the released prompts", REMEDY)


def _is_published(path: Path, name: str) -> bool:
    try:
        return not released.file_fault(name, path.read_bytes())
    except OSError:
        return False
