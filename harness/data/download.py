"""Download of the published dataset from the paper's repository, with a check of its hash.

The dataset derives from EmpatheticDialogues (CC BY-NC 4.0). Each user fetches it; it is never distributed.
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
from harness.atomic_write import write_file
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
    """Fetch the dataset to a path and return its number of dialogues.

    The file is written only if its hash is right. A file that exists with the right hash is not downloaded
    again.

    Args:
        source: copy this file instead of downloading.
        progress: called with the number of bytes received so far.

    Raises:
        UserError: if the download fails, the hash is wrong, or the file cannot be written.
    """
    if source is None and _is_published(to):
        source = to
    remedy = "Without network access, use: empathy data fetch --from FILE"
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
        write_file(to, content)
    return len(dataset.dialogues)


def _is_published(path: Path) -> bool:
    try:
        return sha256(path.read_bytes()).hexdigest() == REAL_SHA256
    except OSError:
        return False


def download(url: str, what: str, remedy: str, progress: Callable[[int], None] = lambda _: None) -> bytes:
    """Download a file; stop after a little more than `MAX_BYTES`.

    Args:
        what: name of the file in the error message, such as "the dataset".
        remedy: remedy in the error message.
        progress: called with the number of bytes received so far.

    Raises:
        UserError: if the connection fails or the server answers with an error.
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
