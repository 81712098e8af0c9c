"""Where base and students answer: a server started here, one that is running, or an engine in this process.

Opens it, gives a client for each model, says whether it has died, and closes it. Knows no dialogue and no
store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from agents.clients.base import ModelClient
from agents.clients.http import HttpClient, open_session
from agents.models.spec import Model
from finetune.checkpoint import Checkpoint
from finetune.merge_lora import RECORD as MERGED_RECORD
from finetune.merge_lora import merge_adapter
from finetune.model_loader import check_weights
from harness.serving.checkpoint_resolver import ServedAuthor, ServedModels
from harness.serving.hardware import plan_serving, serving_request
from harness.serving.live_server import ADAPTER_CACHE, cached_adapters, load_missing_adapters
from serve import sampling_presets
from serve.batcher import Batcher
from serve.lora_adapter import EngineName, LoraAdapter, read_adapter
from serve.memory_plan import ServePlan, ServingRequest, lora_module_arguments, vllm_command
from serve.null_adapter import with_null_adapter
from serve.sampling_presets import read_json
from serve.served_model import Device, Dtype
from serve.vllm_server import LOOPBACK, VllmServer, free_port, require_vllm, running_server, server_exit_error

MERGED = Path("merged")
# For one answer: of 256 in flight a card of 24 GB takes some 50 at once, and 4,096 tokens take minutes.
SECONDS = 3600.0


@dataclass(frozen=True)
class ServingConfig:
    """How base and students are asked.

    Attributes:
        through: "server", "offline" (vLLM in this process) or "transformers".
        preset: as written: cut, paper, released, or a name of one's own that begins with one.
        seed: of the sampling; None for the preset's.
        merged: students merged into their base, one after another.
        dtype: of the computation; "" for the preset's, else the weights' own.
        device: what it runs on.
        url, key: of a server that is running already; "" to start one.
        trusted: whether that server is known to be one of ours.
        memory_mib, fraction: of the card, or of the machine.
        tell: is told, line by line, what a person who waits wants to know.
    """

    backend: str = "server"
    preset: str = ""
    seed: int | None = None
    merged: bool = False
    dtype: Dtype | Literal[""] = ""
    device: Device = "cpu"
    url: str = ""
    key: str = field(default="", repr=False)
    trusted: bool = False
    memory_mib: int | None = None
    fraction: float | None = None
    on_progress: Callable[[str], None] = lambda line: None

    @property
    def set_name(self) -> str:
        """The preset's name in `AUTHOR@PRESET`; "" for the default one."""
        return sampling_presets.parse_preset_name(self.preset)[1]


@dataclass(frozen=True)
class InferenceBackend:
    """What answers, while it is open.

    Attributes:
        client: a client for one of its models.
        died: the end of a dead server's log; "" while it lives.
        server: the server; None for an engine in this process.
    """

    client: Callable[[Model], ModelClient]
    exit_log: Callable[[], str] = lambda: ""
    server: VllmServer | None = None


@contextlib.asynccontextmanager
async def open_backend(
    who: ServedModels, part: Sequence[ServedAuthor], how: ServingConfig, models: Sequence[Model], dtype: Dtype
) -> AsyncIterator[InferenceBackend]:
    """What answers for these contestants.

    Raises:
        UserError: it cannot be had; an adapter that cannot be served; too little memory.
    """
    folder, name, adapters = _weights(who, part, how, dtype)
    if how.backend == "transformers":
        async with _in_process(lambda: _transformers(folder, name, adapters, dtype, how.device)) as backend:
            yield backend
    elif how.url:
        server = VllmServer(how.url.rstrip("/").removesuffix("/v1"), how.key)
        await asyncio.to_thread(load_missing_adapters, server, adapters, models, trusted=how.trusted)
        async with _asked(server) as backend:
            yield backend
    else:
        await asyncio.to_thread(check_weights, folder)
        name, adapters = with_null_adapter(folder, name, adapters, how.device, ADAPTER_CACHE)
        made = plan_serving(folder, adapters, _wanted(how, dtype))
        if how.backend == "offline":
            async with _in_process(lambda: _vllm(made, folder, name, adapters)) as backend:
                yield backend
        else:
            async with (
                _started(made, folder, name, adapters, how.on_progress) as server,
                _asked(server) as backend,
            ):
                yield backend


def _wanted(how: ServingConfig, dtype: Dtype) -> ServingRequest:
    return serving_request(how.device, dtype, how.memory_mib, how.fraction)


def adapters_of(part: Sequence[ServedAuthor], base: Path, engine: EngineName = "vllm") -> list[LoraAdapter]:
    """The students' adapters, read through.

    Args:
        base: the base's folder.
        engine: what serves them; alone in peft, an adapter may be of any kind.

    Raises:
        UserError: one cannot be served.
    """
    made = [(one.author, one.checkpoint.path) for one in part if one.checkpoint is not None]
    beside = engine == "vllm" or len(part) > 1
    return [read_adapter(author, folder, base, shared=beside, engine=engine) for author, folder in made]


def merged_folder(made: Checkpoint, base: Path, dtype: Dtype, on_progress: Callable[[str], None]) -> Path:
    """The checkpoint merged into its base in this dtype: made now, or before.

    Raises:
        UserError: it cannot be merged, or holds weights that are not numbers.
    """
    read_adapter(made.name, made.path, base, shared=False)
    folder = MERGED / f"{made.name}-{made.id.rpartition(':')[2][:10]}-{dtype}"
    record = read_json(folder / MERGED_RECORD)
    if (record.get("checkpoint"), record.get("dtype")) != (made.id, dtype):
        on_progress(f"merging {made.name} into its base")
        merge_adapter(made.path, folder, base=str(base), dtype=dtype, on_message=on_progress)
    return folder


def _weights(
    who: ServedModels, part: Sequence[ServedAuthor], how: ServingConfig, dtype: Dtype
) -> tuple[Path, str, list[LoraAdapter]]:
    """What is loaded: the base with adapters, or one merged student; and under which name."""
    (one, *_) = part
    if how.merged and one.checkpoint is not None:  # alone: merged students take turns
        return merged_folder(one.checkpoint, who.base.folder, dtype, how.on_progress), one.author, []
    adapters = adapters_of(part, who.base.folder, "peft" if how.backend == "transformers" else "vllm")
    return who.base.folder, who.base_name, adapters


@contextlib.asynccontextmanager
async def _started(
    made: ServePlan,
    folder: Path,
    name: str,
    adapters: Sequence[LoraAdapter],
    on_progress: Callable[[str], None],
) -> AsyncIterator[VllmServer]:
    require_vllm()
    port = free_port()
    told = [
        *vllm_command(made, folder, name, LOOPBACK, port),
        *lora_module_arguments(cached_adapters(adapters)),
    ]
    with contextlib.ExitStack() as stack:
        starting = running_server(
            told, LOOPBACK, port, environment=made.environment(), on_progress=on_progress
        )
        server = await asyncio.to_thread(stack.enter_context, starting)
        yield server


@contextlib.asynccontextmanager
async def _asked(server: VllmServer) -> AsyncIterator[InferenceBackend]:
    session = _session(server.url)
    try:

        def client(model: Model) -> ModelClient:
            return HttpClient(replace(model, base_url=f"{server.url}/v1"), server.key, session, SECONDS)

        def dead() -> str:
            return str(server_exit_error(server)) if server.is_managed and not server.is_alive() else ""

        yield InferenceBackend(client, dead, server)
    finally:
        await session.close()


def _session(url: str) -> aiohttp.ClientSession:
    """Between us and our own machine there is no proxy, whatever the environment says."""
    if urlsplit(url).hostname in (LOOPBACK, "localhost", "::1"):
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    return open_session()


@contextlib.asynccontextmanager
async def _in_process(make: Callable[[], Any]) -> AsyncIterator[InferenceBackend]:
    engine = await asyncio.to_thread(make)
    batcher = Batcher(engine)
    try:
        yield InferenceBackend(lambda model: batcher.client())
    finally:
        await batcher.close()
        if hasattr(engine, "close"):
            engine.close()


def _transformers(
    folder: Path, name: str, adapters: Sequence[LoraAdapter], dtype: Dtype, device: Device
) -> Any:
    from serve.transformers_engine import TransformersEngine

    return TransformersEngine(folder, name, _folders(adapters), dtype=dtype, device=device)


def _vllm(made: ServePlan, folder: Path, name: str, adapters: Sequence[LoraAdapter]) -> Any:
    from serve.vllm_engine import VllmEngine

    return VllmEngine(made, folder, name, _folders(adapters))


def _folders(adapters: Sequence[LoraAdapter]) -> Mapping[str, Path]:
    return {one.name: one.folder for one in adapters}
