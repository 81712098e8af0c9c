"""Discovery of a running server of this project, and loading of missing adapters into it.

vLLM's prefix cache identifies an adapter by its name and path, so a retrained student needs another path.
Adapters are therefore loaded from content-addressed paths (`cache_adapter`), which also identify the loaded
version.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agents.errors import UserError
from agents.models.spec import Model
from agents.student_prompt import PromptStyle
from finetune.tokenizer_identity import load_prompt_encoding
from harness.serving.checkpoint_resolver import ServedModels
from serve.lora_adapter import LoraAdapter, cache_adapter
from serve.sampling_presets import read_json
from serve.served_model import Dtype
from serve.vllm_server import VllmServer

STATE_FILE = Path("runs/serve.json")
ADAPTER_CACHE = Path("runs/adapters")


def find_running_server(served_models: ServedModels) -> tuple[str, str, Dtype] | None:
    """Return address, key and dtype of a running server of this project with this base model, or None."""
    state = read_json(STATE_FILE)
    if not state or state.get("weights") != served_models.base.base.weights or state.get("merged"):
        return None
    if state.get("asking", _encoding_ids(served_models)) != _encoding_ids(served_models):
        return None  # the same weights with another tokenizer or template
    server = VllmServer(str(state["url"]), str(state["key"]))
    return (server.url, server.key, state["dtype"]) if server.is_healthy() else None


@contextlib.contextmanager
def advertise_server(
    server: VllmServer, served_models: ServedModels, dtype: Dtype, *, merged: bool
) -> Iterator[None]:
    """Advertise a running server to other commands in a private file, which is removed at the end."""
    state = {"url": server.url, "key": server.key, "pid": os.getpid(), "merged": merged}
    state |= {
        "weights": served_models.base.base.weights,
        "base": served_models.base.base.name,
        "dtype": dtype,
    }
    state["asking"] = _encoding_ids(served_models)
    STATE_FILE.parent.mkdir(parents=True, exist_ok=True)
    STATE_FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(STATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(state, file)
    try:
        yield
    finally:
        if read_json(STATE_FILE).get("pid") == os.getpid():
            STATE_FILE.unlink(missing_ok=True)


def _encoding_ids(served_models: ServedModels) -> list[str]:
    """Return the prompt-encoding id of each style; "" for a style that the base does not support."""
    ids = []
    for form in PromptStyle:
        try:
            ids.append(load_prompt_encoding(served_models.base.folder, form).id)
        except UserError:
            ids.append("")
    return ids


def cached_adapters(adapters: Sequence[LoraAdapter]) -> list[LoraAdapter]:
    """Return the adapters with content-addressed paths."""
    return [cache_adapter(adapter, ADAPTER_CACHE) for adapter in adapters]


def load_missing_adapters(
    server: VllmServer, adapters: Sequence[LoraAdapter], models: Sequence[Model], *, trusted: bool
) -> None:
    """Load the adapters that a running server lacks or holds in another version.

    Args:
        server: the server.
        adapters: adapters to load.
        models: models that the server must serve.
        trusted: whether the server was started by this project. On another server, an adapter with a
            student's name is accepted as that student, unless it was loaded by this project and is outdated.

    Raises:
        UserError: an adapter cannot be loaded, or the server does not serve a model.
    """
    served = server.models()
    for adapter in cached_adapters(adapters):
        root = served.get(adapter.name, {}).get("root")
        loaded_path = None if root is None else Path(str(root))
        if loaded_path == adapter.folder.resolve():
            continue
        if loaded_path is not None:
            if not trusted and loaded_path.parent != ADAPTER_CACHE.resolve():
                continue
            server.unload(adapter.name)
        server.load(adapter.name, adapter.folder)
        served[adapter.name] = {}
    missing = sorted({model.name for model in models} - set(served))
    if missing:
        raise UserError(
            "the server does not serve these models",
            code="server.model-not-served",
            where=server.url,
            found=", ".join(missing),
            remedy=f"It serves: {', '.join(served)}. Start it with --served-model-name NAME.",
        )
