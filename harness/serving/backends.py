"""Inference backends of base models and students: a vLLM server, a running URL, or an in-process engine.

A backend is opened as a context manager. It provides a client per model and reports whether its server
exited.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

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
# per request: a 24 GB GPU processes about 50 of 256 requests at once, and 4,096 tokens take minutes
TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True)
class ServingConfig:
    """Serving configuration of base model and students.

    Attributes:
        backend: "server", "offline" (vLLM in this process) or "transformers".
        preset: sampling preset: cut, paper, released, or a custom name with one of them as prefix.
        seed: sampling seed; None for the preset's.
        merged: merge each student into the base and serve them one after another.
        dtype: dtype of the computation; "" for the preset's, else that of the weights.
        device: device of the models.
        url: URL of a running server; "" to start one.
        key: API key of that server.
        trusted: whether that server was started by this project.
        memory_mib: memory of the GPU or machine in MiB; None to detect it.
        fraction: share of the memory to use, in (0, 1]; None for the default.
        on_progress: callback for progress messages.
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
        """Name of the preset in `AUTHOR@PRESET`; "" for the default preset."""
        return sampling_presets.parse_preset_name(self.preset)[1]


@dataclass(frozen=True)
class InferenceBackend:
    """Open inference backend.

    Attributes:
        client: returns the client of a model.
        exit_log: returns the end of the log if the server exited, else "".
        server: the server; None for an in-process engine.
    """

    client: Callable[[Model], ModelClient]
    exit_log: Callable[[], str] = lambda: ""
    server: VllmServer | None = None


@contextlib.asynccontextmanager
async def open_backend(
    served_models: ServedModels,
    group: Sequence[ServedAuthor],
    serving: ServingConfig,
    models: Sequence[Model],
    dtype: Dtype,
) -> AsyncIterator[InferenceBackend]:
    """Open the backend that serves these authors.

    Args:
        served_models: base model and students.
        group: authors to serve.
        serving: serving configuration.
        models: models that will be requested.
        dtype: dtype of the computation.

    Raises:
        UserError: the backend cannot be started, an adapter cannot be served, or the memory is too small.
    """
    folder, name, adapters = _weights_to_load(served_models, group, serving, dtype)
    if serving.backend == "transformers":
        async with _open_engine(
            lambda: _transformers(folder, name, adapters, dtype, serving.device)
        ) as backend:
            yield backend
    elif serving.url:
        server = VllmServer(serving.url.rstrip("/").removesuffix("/v1"), serving.key)
        await asyncio.to_thread(load_missing_adapters, server, adapters, models, trusted=serving.trusted)
        async with _connect(server) as backend:
            yield backend
    else:
        await asyncio.to_thread(check_weights, folder)
        name, adapters = with_null_adapter(folder, name, adapters, serving.device, ADAPTER_CACHE)
        plan = plan_serving(folder, adapters, _serving_request(serving, dtype))
        if serving.backend == "offline":
            async with _open_engine(lambda: _vllm(plan, folder, name, adapters)) as backend:
                yield backend
        else:
            async with (
                _start_server(plan, folder, name, adapters, serving.on_progress) as server,
                _connect(server) as backend,
            ):
                yield backend


def _serving_request(serving: ServingConfig, dtype: Dtype) -> ServingRequest:
    return serving_request(serving.device, dtype, serving.memory_mib, serving.fraction)


def read_adapters(
    group: Sequence[ServedAuthor], base: Path, engine: EngineName = "vllm"
) -> list[LoraAdapter]:
    """Read and check the adapters of these students.

    Args:
        base: folder of the base model.
        engine: serving engine; peft accepts any kind of a single adapter.

    Raises:
        UserError: an adapter cannot be served.
    """
    students = [(author.author, author.checkpoint.path) for author in group if author.checkpoint is not None]
    is_shared = engine == "vllm" or len(group) > 1
    return [
        read_adapter(author, folder, base, shared=is_shared, engine=engine) for author, folder in students
    ]


def merged_folder(
    checkpoint: Checkpoint, base: Path, dtype: Dtype, on_progress: Callable[[str], None]
) -> Path:
    """Return the folder of the checkpoint merged into its base in this dtype; merge it if necessary.

    Raises:
        UserError: the checkpoint cannot be merged, or contains non-finite weights.
    """
    read_adapter(checkpoint.name, checkpoint.path, base, shared=False)
    folder = MERGED / f"{checkpoint.name}-{checkpoint.id.rpartition(':')[2][:10]}-{dtype}"
    record = read_json(folder / MERGED_RECORD)
    if (record.get("checkpoint"), record.get("dtype")) != (checkpoint.id, dtype):
        on_progress(f"merging {checkpoint.name} into its base")
        merge_adapter(checkpoint.path, folder, base=str(base), dtype=dtype, on_message=on_progress)
    return folder


def _weights_to_load(
    served_models: ServedModels, group: Sequence[ServedAuthor], serving: ServingConfig, dtype: Dtype
) -> tuple[Path, str, list[LoraAdapter]]:
    """Return folder, served name and adapters: the base with adapters, or one merged student."""
    (author, *_) = group
    if serving.merged and author.checkpoint is not None:  # merged students are served one at a time
        return (
            merged_folder(author.checkpoint, served_models.base.folder, dtype, serving.on_progress),
            author.author,
            [],
        )
    adapters = read_adapters(
        group, served_models.base.folder, "peft" if serving.backend == "transformers" else "vllm"
    )
    return served_models.base.folder, served_models.base_name, adapters


@contextlib.asynccontextmanager
async def _start_server(
    plan: ServePlan,
    folder: Path,
    name: str,
    adapters: Sequence[LoraAdapter],
    on_progress: Callable[[str], None],
) -> AsyncIterator[VllmServer]:
    require_vllm()
    port = free_port()
    command = [
        *vllm_command(plan, folder, name, LOOPBACK, port),
        *lora_module_arguments(cached_adapters(adapters)),
    ]
    with contextlib.ExitStack() as stack:
        server_context = running_server(
            command, LOOPBACK, port, environment=plan.environment(), on_progress=on_progress
        )
        server = await asyncio.to_thread(stack.enter_context, server_context)
        yield server


@contextlib.asynccontextmanager
async def _connect(server: VllmServer) -> AsyncIterator[InferenceBackend]:
    is_local = urlsplit(server.url).hostname in (LOOPBACK, "localhost", "::1")
    session = open_session(use_proxies=not is_local)
    try:

        def client(model: Model) -> ModelClient:
            return HttpClient(
                replace(model, base_url=f"{server.url}/v1"), server.key, session, TIMEOUT_SECONDS
            )

        def exit_log() -> str:
            return str(server_exit_error(server)) if server.is_managed and not server.is_alive() else ""

        yield InferenceBackend(client, exit_log, server)
    finally:
        await session.close()


@contextlib.asynccontextmanager
async def _open_engine(make: Callable[[], Any]) -> AsyncIterator[InferenceBackend]:
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


def _vllm(plan: ServePlan, folder: Path, name: str, adapters: Sequence[LoraAdapter]) -> Any:
    from serve.vllm_engine import VllmEngine

    return VllmEngine(plan, folder, name, _folders(adapters))


def _folders(adapters: Sequence[LoraAdapter]) -> Mapping[str, Path]:
    return {adapter.name: adapter.folder for adapter in adapters}
