"""A server that stands: how other commands find one of ours, and how it is given the adapters it lacks.

What a server has computed it keeps by an adapter's name and path (vLLM's prefix cache), so a student that was
trained anew under its name must come by another path. Adapters are therefore given by paths that say their
content (`cache_adapter`), which also tells what a server holds. Starts no server and knows no dialogue.
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


def running(cast: ServedModels) -> tuple[str, str, Dtype] | None:
    """Address, key and dtype of a server of ours that is running with this base; None where there is none."""
    state = read_json(STATE_FILE)
    if not state or state.get("weights") != cast.base.base.weights or state.get("merged"):
        return None
    if state.get("asking", _askings(cast)) != _askings(cast):
        return None  # the same weights with another tokenizer or template
    server = VllmServer(str(state["url"]), str(state["key"]))
    return (server.url, server.key, state["dtype"]) if server.is_healthy() else None


@contextlib.contextmanager
def remembered(server: VllmServer, who: ServedModels, dtype: Dtype, *, merged: bool) -> Iterator[None]:
    """A file, for our eyes only, by which other commands find a running server; gone with it."""
    told = {"url": server.url, "key": server.key, "pid": os.getpid(), "merged": merged}
    told |= {"weights": who.base.base.weights, "base": who.base.base.name, "dtype": dtype}
    told["asking"] = _askings(who)
    STATE_FILE.parent.mkdir(parents=True, exist_ok=True)
    STATE_FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(STATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(told, file)
    try:
        yield
    finally:
        if read_json(STATE_FILE).get("pid") == os.getpid():
            STATE_FILE.unlink(missing_ok=True)


def _askings(who: ServedModels) -> list[str]:
    """How the base is asked in either form; "" for one that it cannot be asked in."""
    ids = []
    for form in PromptStyle:
        try:
            ids.append(load_prompt_encoding(who.base.folder, form).id)
        except UserError:
            ids.append("")
    return ids


def cached_adapters(adapters: Sequence[LoraAdapter]) -> list[LoraAdapter]:
    """The same adapters by paths that say their content."""
    return [cache_adapter(one, ADAPTER_CACHE) for one in adapters]


def load_missing_adapters(
    server: VllmServer, adapters: Sequence[LoraAdapter], models: Sequence[Model], *, trusted: bool
) -> None:
    """Give a running server the adapters that it lacks, or holds in another state; the others are left alone.

    Args:
        trusted: whether it is one of ours. What another's server serves under a student's name is taken for
            that student, unless it came from us and is another one by now.

    Raises:
        UserError: one cannot be loaded there; it does not serve a model.
    """
    there = server.models()
    for one in cached_adapters(adapters):
        root = there.get(one.name, {}).get("root")
        held = None if root is None else Path(str(root))
        if held == one.folder.resolve():
            continue
        if held is not None:
            if not trusted and held.parent != ADAPTER_CACHE.resolve():
                continue
            server.unload(one.name)
        server.load(one.name, one.folder)
        there[one.name] = {}
    missing = sorted({model.name for model in models} - set(there))
    if missing:
        raise UserError(
            "the server does not serve these models",
            code="server.model-not-served",
            where=server.url,
            found=", ".join(missing),
            remedy=f"It serves: {', '.join(there)}. Start it with --served-model-name NAME.",
        )
