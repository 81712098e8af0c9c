"""Getting the published dataset: downloaded from the paper's repository, or taken from a file; hash checked.

It derives from EmpatheticDialogues (CC BY-NC 4.0): it is fetched by whoever uses it and never distributed.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from agents.errors import UserError
from agents.files.text import read_bytes
from harness.atomic_write import atomic_write
from harness.data.dataset import REAL_SHA256, read
from prompts.released import COMMIT, REPOSITORY

ROOT = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}"
URL = f"{ROOT}/datasets/dataset.csv"
MAX_BYTES = 64 * 2**20
TIMEOUT_SECONDS = 60
CHUNK = 2**16


def fetch(
    to: Path, source: Path | None = None, url: str = URL, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Put the dataset at `to`; how many dialogues it holds. Nothing is written unless the hash is right.

    Where it is already, nothing is downloaded.

    Args:
        source: take it from this file, where there is no network.
        progress: told the number of bytes so far.

    Raises:
        UserError: it cannot be had, is another file, or cannot be written.
    """
    if source is None and _is_there(to):
        source = to
    remedy = "Where there is no network: empathy data fetch --from FILE"
    content = (
        read_bytes(source, "the file of --from")
        if source is not None
        else download(url, "the dataset", remedy, progress)
    )
    where = str(source or url)
    digest = sha256(content).hexdigest()
    if digest != REAL_SHA256:
        raise UserError(
            "the file is not the published dataset",
            code="dataset.not-published",
            where=where,
            found=f"{len(content):,} bytes, sha256 {digest}",
            remedy=f"Fetch the file with sha256 {REAL_SHA256}, or use this one as it is with --data FILE.",
        )
    dataset = read(content, where)
    if source != to:
        try:
            atomic_write(to, content)
        except OSError as error:
            raise UserError(
                "cannot write the file", code="file.not-writable", where=str(to), found=str(error)
            ) from error
    return len(dataset.dialogues)


def _is_there(place: Path) -> bool:
    try:
        return sha256(place.read_bytes()).hexdigest() == REAL_SHA256
    except OSError:
        return False


def download(url: str, what: str, remedy: str, progress: Callable[[int], None] = lambda _: None) -> bytes:
    """The bytes at an address, `MAX_BYTES` and a little at most.

    Args:
        what: what cannot be downloaded where it cannot: `the dataset`.
        progress: told the number of bytes so far.

    Raises:
        UserError: there is no connection, or another answer.
    """
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            content = bytearray()
            while chunk := answer.read(CHUNK):
                content += chunk
                progress(len(content))
                if len(content) > MAX_BYTES:
                    break
            return bytes(content)
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise UserError(
            f"cannot download {what}",
            code="file.download-failed",
            where=url,
            found=str(error if isinstance(error, HTTPError) else getattr(error, "reason", error)),
            remedy=remedy,
        ) from error
