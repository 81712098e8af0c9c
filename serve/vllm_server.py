"""The real vLLM as a child process: started, waited for, asked whether it lives, and gone when we are.

Between us and it stands a keeper (`serve/watchdog.py`) that takes it down whatever becomes of us. The key goes
into its environment, never onto its command line; it listens on loopback unless told otherwise. Knows
commands, ports and health; nothing of authors, presets or what is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.errors import UserError

LOOPBACK = "127.0.0.1"
START_SECONDS = 1800.0  # 16 GB from a slow disk, and graphs to capture
POLL_SECONDS = 0.25
LOG_LINES = 25
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # our own machine: no proxy between
# What vLLM says when it dies → what it means, and what may be done.
_MEANINGS = (
    ("out of memory", "the card's memory is too small for this", "See what fits: empathy serve plan."),
    ("No available memory for the cache", "no memory is left for the KV cache", "See: empathy serve plan."),
    ("KV cache is needed", "the KV cache is too small for one answer", "Give a shorter --max-model-len."),
    ("less than desired", "other programs hold the memory", "End them, or give a lower --memory-fraction."),
    ("SafetensorError", "the weights' file is broken", "Fetch or copy the model again."),
    ("Address already in use", "the port is in use", "Name another with --port, or leave it out."),
)
# What a running server says when it refuses → what may be done.
_REFUSALS = (
    ("401", "Is its key right? It is read from $EMPATHY_SERVE_KEY."),
    ("403", "Is its key right? It is read from $EMPATHY_SERVE_KEY."),
    ("greater than max_lora_rank", "Start it again with this student among its --students, or with --rank."),
    ("404 Not Found", "It was started without adapters: start it again with --students, or --spare-loras."),
)


@dataclass
class VllmServer:
    """A vLLM server, ours or somebody else's.

    Attributes:
        url: its root, `http://127.0.0.1:8001`, without `/v1`.
        key: "" where it needs none.
        log: what it says; None where it is not ours.
    """

    url: str
    key: str = field(default="", repr=False)
    log: Path | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def is_managed(self) -> bool:
        """Whether we started it."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Of its keeper; 0 where it is not ours."""
        return self._process.pid if self._process else 0

    def is_alive(self) -> bool:
        """Whether its process is there (ours), or it answers (another's)."""
        return self._process.poll() is None if self._process else self.is_healthy()

    def is_healthy(self, timeout_seconds: float = 5.0) -> bool:
        """Whether it answers that it is well."""
        try:
            with _DIRECT.open(f"{self.url}/health", timeout=timeout_seconds) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):
            return False

    def models(self) -> dict[str, dict[str, Any]]:
        """What it serves, by name.

        Raises:
            UserError: it does not answer, or will not tell us.
        """
        told = self._ask("GET", "/v1/models")
        try:
            return {one["id"]: dict(one) for one in json.loads(told)["data"]}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError("this is no server of models", where=self.url, found=told[:80]) from error

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter while it runs, under a name that it does not serve.

        Never in place: vLLM 0.32 would read the adapter from its file again for every token, and go on with
        what it had computed with the old one.

        Raises:
            UserError: it will not.
        """
        self._ask("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder.resolve())})

    def unload(self, name: str) -> None:
        """Unload an adapter.

        Raises:
            UserError: it has none of this name.
        """
        self._ask("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def stop(self) -> None:
        """Stop it with its children; what is not ours goes on. Idempotent."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def log_tail(self) -> str:
        """The end of its log."""
        return _tail(self.log) if self.log else ""

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _DIRECT.open(request, timeout=300) as answer:
                return bytes(answer.read()).decode(errors="replace")
        except urllib.error.HTTPError as error:
            said = _message(error.read().decode(errors="replace"))
            raise UserError(
                "the server will not do this",
                where=f"{self.url}{path}",
                found=f"{error.code}: {said}",
                remedy=next((remedy for sign, remedy in _REFUSALS if sign in f"{error.code} {said}"), ""),
            ) from error
        except (OSError, ValueError) as error:
            remedy = "Is it running? Start it with: empathy serve."
            raise UserError(
                "the server does not answer", where=self.url, found=str(error), remedy=remedy
            ) from error


def _message(body: str) -> str:
    """What an error says, out of a provider's JSON where it is that."""
    try:
        return str(json.loads(body)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return body[:300]


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Make sure that a port can be listened on.

    Raises:
        UserError: it is in use, or not ours to use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                "the server cannot listen there",
                where=f"--port {port}",
                found=error.strerror or str(error),
                remedy="Name another port, or leave it out: a free one is taken.",
            ) from error


def require_vllm() -> None:
    """Make sure that vLLM is installed in this environment.

    Raises:
        UserError: it is not.
    """
    if find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed",
            found="no module named vllm",
            remedy="Install it with: pip install -e '.[serve]'; name a server that is running "
            "elsewhere with --url; or do without: --with transformers.",
        )


@contextlib.contextmanager
def running_server(
    command: Sequence[str],
    host: str,
    port: int,
    *,
    key: str = "",
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    on_progress: Callable[[str], None] = lambda line: None,
    start_seconds: float = START_SECONDS,
) -> Iterator[VllmServer]:
    """A server, healthy when this is entered, gone with its children when it is left.

    Args:
        key: what it will ask for; "" for one made here.
        log: where what it says goes; None for a file of its own, which stays only where it died.
        on_progress: is told what the start is at, when that changes.

    Raises:
        UserError: the port is in use; it died while it started (its log is shown); it took too long.
    """
    check_port(host, port)
    key = key or secrets.token_urlsafe(24)
    passing, was_well = log is None, False
    if log is None:
        handle, named = tempfile.mkstemp(prefix="empathy-serve-", suffix=".log")
        os.close(handle)
        log = Path(named)
    log.parent.mkdir(parents=True, exist_ok=True)
    told = {
        **os.environ,
        **(environment or {}),
        "VLLM_API_KEY": key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "INFO",  # what the start is at is read there, whoever (trl, say) asks for less
        "HF_HUB_OFFLINE": "1",  # the base lies on this machine by now
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as says:
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py")), *command],
            stdin=subprocess.PIPE,
            stdout=says,
            stderr=subprocess.STDOUT,
            env=told,
            start_new_session=True,
        )
    shown = LOOPBACK if host in ("0.0.0.0", "::") else host
    server = VllmServer(f"http://{shown}:{port}", key, log, process)
    try:
        _wait(server, start_seconds, on_progress)
        was_well = True
        yield server
    finally:
        passes = passing and was_well and server.is_alive()
        server.stop()
        if passes:
            log.unlink(missing_ok=True)


def _wait(server: VllmServer, start_seconds: float, tell: Callable[[str], None]) -> None:
    """Until it is well."""
    until = time.monotonic() + start_seconds
    said = ""
    while not server.is_healthy(timeout_seconds=2.0):
        if not server.is_alive():
            raise server_exit_error(server)
        if time.monotonic() > until:
            raise UserError(
                "the server did not come up in time",
                where=str(server.log),
                found=f"nothing after {start_seconds:.0f} s; its last words:\n{server.log_tail()}",
            )
        stage = _stage(server.log)
        if stage and stage != said:
            said = stage
            tell(stage)
        time.sleep(POLL_SECONDS)
    tell("the server is up")


def server_exit_error(server: VllmServer) -> UserError:
    """What a dead server's log means, with its end."""
    whole = server.log.read_text(errors="replace") if server.log and server.log.is_file() else ""
    causes = _CAUSE.findall("\n".join(line for line in whole.splitlines() if not _MILD.search(line)))
    words = "\n".join([*dict.fromkeys(causes[:1] + causes[-1:]), "", server.log_tail()]).strip()
    unknown = ("the server died", "Its whole log may say more.")
    known = [(means, remedy) for sign, means, remedy in _MEANINGS if sign.lower() in whole.lower()]
    meaning, remedy = next(iter(known), unknown)
    return UserError(meaning, where=str(server.log or server.url), found=f"\n{words}\n", remedy=remedy)


_CAUSE = re.compile(r"^.*?((?:\w+\.)*\w+(?:Error|Exception): .{1,400})$", re.MULTILINE)
_MILD = re.compile(r"\b(?:DEBUG|INFO|WARNING) \d")  # vLLM's own marks: what they speak of did not kill it
_NOISE = ("nanobind:", " - leaked", " - ... skipped", "See https://nanobind", "resource_tracker")
_STAGES = (
    ("Capturing CUDA graph", "capturing graphs"),
    ("Starting vLLM", "starting to listen"),
    ("KV cache size", "making the KV cache"),
    ("Loading safetensors", "loading the weights"),
    ("Loading weights took", "the weights are loaded"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
)


def _stage(log: Path | None) -> str:
    """What the start is at, by the last telling line of the log."""
    for line in reversed(_tail(log, 60).splitlines() if log else []):
        for sign, stage in _STAGES:
            if sign.lower() in line.lower():
                return stage
    return "starting vLLM"


def _tail(log: Path | None, lines: int = LOG_LINES) -> str:
    if log is None or not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        text = file.read().decode(errors="replace")
    said = [line for line in text.splitlines() if not any(noise in line for noise in _NOISE)]
    return "\n".join(said[-lines:])
