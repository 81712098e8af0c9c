"""vLLM server as a child process: started, awaited, checked, and stopped when this process ends.

A watchdog (`serve/watchdog.py`) between this process and the server stops the server however this process
ends. The key goes into the server's environment, never onto its command line. The server listens on loopback
unless configured otherwise.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
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
from serve.child_process import ChildProcess, read_tail

LOOPBACK = "127.0.0.1"
START_SECONDS = 1800.0  # for 16 GB from a slow disk, and graphs to capture
POLL_SECONDS = 0.25
LOG_LINES = 25
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
# Text in the log of a server that exited, with the cause and its remedy.
_EXIT_CAUSES = (
    ("out of memory", "GPU memory is too small", "See what fits with: empathy serve plan."),
    (
        "No available memory for the cache",
        "no memory is left for the KV cache",
        "See what fits with: empathy serve plan.",
    ),
    (
        "KV cache is needed",
        "the KV cache is too small for one response",
        "Pass a shorter --max-model-len.",
    ),
    (
        "less than desired",
        "other programs use the GPU memory",
        "End these programs, or pass a lower --memory-fraction.",
    ),
    ("SafetensorError", "the weights file is damaged", "Download or copy the model again."),
    ("Address already in use", "the port is in use", "Pass another port with --port, or omit it."),
)
# Text in a server's refusal, with its remedy.
_REFUSAL_REMEDIES = (
    ("401", "Check the key in $EMPATHY_SERVE_KEY."),
    ("403", "Check the key in $EMPATHY_SERVE_KEY."),
    ("greater than max_lora_rank", "Restart the server with this student in --students, or with --rank."),
    ("404 Not Found", "Restart the server with --students or --spare-loras: it has no adapter support."),
)


@dataclass
class VllmServer:
    """Running vLLM server, started by this process or elsewhere.

    Attributes:
        url: root address without `/v1`, like `http://127.0.0.1:8001`.
        key: API key; "" if it needs none.
        log: file with its output; None if this process did not start it.
    """

    url: str
    key: str = field(default="", repr=False)
    log: Path | None = None
    _process: ChildProcess | None = None

    @property
    def is_managed(self) -> bool:
        """Whether this process started the server."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Process id of the watchdog; 0 if this process did not start the server."""
        return self._process.pid if self._process else 0

    def is_alive(self) -> bool:
        """Return whether its process runs, or, if started elsewhere, whether it answers."""
        return self._process.exit_code is None if self._process else self.is_healthy()

    def is_healthy(self, timeout_seconds: float = 5.0) -> bool:
        """Return whether the server reports that it is healthy."""
        try:
            with _DIRECT.open(f"{self.url}/health", timeout=timeout_seconds) as response:
                return bool(response.status == 200)
        except (OSError, ValueError):
            return False

    def models(self) -> dict[str, dict[str, Any]]:
        """Return the served models by name.

        Raises:
            UserError: the server does not answer, refuses, or is no model server.
        """
        text = self._send("GET", "/v1/models")
        try:
            return {entry["id"]: dict(entry) for entry in json.loads(text)["data"]}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "address is not that of a model server",
                code="server.not-a-model-server",
                where=self.url,
                found=text[:80],
                remedy="Pass the root address of an OpenAI-compatible server with --url.",
            ) from error

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter into the running server, under a name that is not in use.

        An adapter is never replaced under its name: vLLM 0.32 would read the adapter from its file again for
        every token and keep what it had computed with the old one.

        Raises:
            UserError: the server refuses.
        """
        self._send("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder.resolve())})

    def unload(self, name: str) -> None:
        """Unload an adapter.

        Raises:
            UserError: the server has no adapter of this name.
        """
        self._send("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    def stop(self) -> None:
        """Stop the server and its children if this process started it; idempotent."""
        if self._process is not None:
            self._process.stop()

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return _read_tail(self.log) if self.log else ""

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _DIRECT.open(request, timeout=300) as response:
                return bytes(response.read()).decode(errors="replace")
        except urllib.error.HTTPError as error:
            refusal = f"{error.code}: {_error_message(error.read().decode(errors='replace'))}"
            signs = refusal.replace(": ", " ", 1)
            raise UserError(
                "the server refused the request",
                code="server.request-refused",
                where=f"{self.url}{path}",
                found=refusal,
                remedy=next((remedy for sign, remedy in _REFUSAL_REMEDIES if sign in signs), ""),
            ) from error
        except (OSError, ValueError) as error:
            raise UserError(
                "the server does not answer",
                code="server.unreachable",
                where=self.url,
                found=str(error),
                remedy="Start it with: empathy serve.",
            ) from error


def _error_message(body: str) -> str:
    """Return the message in an OpenAI-style JSON error, or the beginning of the body."""
    try:
        return str(json.loads(body)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return body[:300]


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is not in use at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Check that a server can listen on this port.

    Raises:
        UserError: the port is in use, or the user may not open it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                "cannot listen on this port",
                code="server.port-unavailable",
                where=f"--port {port}",
                found=error.strerror or str(error),
                remedy="Pass another port, or omit --port to use a free one.",
            ) from error


def require_vllm() -> None:
    """Check that vLLM is installed in this environment.

    Raises:
        UserError: it is not.
    """
    if find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed",
            code="backend.vllm-missing",
            found="no module named vllm",
            remedy="Install it with: pip install -e '.[serve]'; or pass the address of a running server with "
            "--url; or use --backend transformers.",
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
    """Start a server, yield it when it is healthy, and stop it with its children on exit.

    Args:
        command: command line of the server.
        key: API key it will require; "" for a random one.
        environment: additional environment variables.
        log: file for its output; None for a temporary file, which is kept only if the server fails.
        on_progress: called with the stage of the start whenever it changes.
        start_seconds: maximum time to start.

    Raises:
        UserError: the port is in use, or the server exits or takes too long to start.
    """
    check_port(host, port)
    key = key or secrets.token_urlsafe(24)
    is_temporary, was_healthy = log is None, False
    if log is None:
        handle, path = tempfile.mkstemp(prefix="empathy-serve-", suffix=".log")
        os.close(handle)
        log = Path(path)
    variables = {
        **os.environ,
        **(environment or {}),
        "VLLM_API_KEY": key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "INFO",  # the stages of the start are read from the log; trl may set less
        "HF_HUB_OFFLINE": "1",  # the base model is on this machine already
        "PYTHONUNBUFFERED": "1",
    }
    log.unlink(missing_ok=True)
    process = ChildProcess(
        [sys.executable, "-I", str(Path(__file__).with_name("watchdog.py")), *command],
        environment=variables,
        log=log,
        is_output_logged=True,
        grace_seconds=None,  # the watchdog stops the server, and kills it in the end
    )
    reachable_host = LOOPBACK if host in ("0.0.0.0", "::") else host
    server = VllmServer(f"http://{reachable_host}:{port}", key, log, process)
    try:
        _wait_until_healthy(server, start_seconds, on_progress)
        was_healthy = True
        yield server
    finally:
        remove_log = is_temporary and was_healthy and server.is_alive()
        server.stop()
        if remove_log:
            log.unlink(missing_ok=True)


def _wait_until_healthy(server: VllmServer, start_seconds: float, on_progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + start_seconds
    last_stage = ""
    while not server.is_healthy(timeout_seconds=2.0):
        if not server.is_alive():
            raise server_exit_error(server)
        if time.monotonic() > deadline:
            raise UserError(
                "the server did not start in time",
                code="server.start-timeout",
                where=str(server.log),
                found=f"not healthy after {start_seconds:.0f} s; end of its log:\n{server.log_tail()}",
                remedy="See its complete log and start it again.",
            )
        stage = _start_stage(server.log)
        if stage and stage != last_stage:
            last_stage = stage
            on_progress(stage)
        time.sleep(POLL_SECONDS)
    on_progress("the server is running")


def server_exit_error(server: VllmServer) -> UserError:
    """Return the error for a server that exited, with the cause and the end of its log."""
    text = server.log.read_text(errors="replace") if server.log and server.log.is_file() else ""
    errors = _ERROR_LINE.findall("\n".join(line for line in text.splitlines() if not _LOG_LEVEL.search(line)))
    excerpt = "\n".join([*dict.fromkeys(errors[:1] + errors[-1:]), "", server.log_tail()]).strip()
    known = [(cause, remedy) for sign, cause, remedy in _EXIT_CAUSES if sign.lower() in text.lower()]
    cause, remedy = next(iter(known), ("the server exited", "See its complete log."))
    return UserError(
        cause,
        code="server.exited",
        where=str(server.log or server.url),
        found=f"\n{excerpt}\n",
        remedy=remedy,
    )


_ERROR_LINE = re.compile(r"^.*?((?:\w+\.)*\w+(?:Error|Exception): .{1,400})$", re.MULTILINE)
_LOG_LEVEL = re.compile(r"\b(?:DEBUG|INFO|WARNING) \d")  # vLLM's marks of lines that are no fatal error
_NOISE = ("nanobind:", " - leaked", " - ... skipped", "See https://nanobind", "resource_tracker")
_STAGES = (
    ("Capturing CUDA graph", "capturing graphs"),
    ("Starting vLLM", "opening the port"),
    ("KV cache size", "allocating the KV cache"),
    ("Loading safetensors", "loading the weights"),
    ("Loading weights took", "weights loaded"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
)


def _start_stage(log: Path | None) -> str:
    """Return the stage of the start, from the last log line that shows one."""
    for line in reversed(_read_tail(log, 60).splitlines() if log else []):
        for sign, stage in _STAGES:
            if sign.lower() in line.lower():
                return stage
    return "starting vLLM"


def _read_tail(log: Path | None, lines: int = LOG_LINES) -> str:
    text = read_tail(log) if log is not None else ""
    shown = [line for line in text.splitlines() if not any(noise in line for noise in _NOISE)]
    return "\n".join(shown[-lines:])
