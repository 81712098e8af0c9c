"""`python -m benchmarks.serving`: how fast base and students answer, side by side, one table.

    one server, N adapters mixed in its batches   250 prompts dealt to 1, 2, 4 and 8 adapters
    one server, one adapter after another         the same 250, adapter by adapter
    merged                                        250 prompts to one merged student
    transformers, one by one                      as the paper's released scripts do; a part of them

Every answer is 64 tokens long, greedy, whatever is said; medians of three rounds. No prompt's beginning is
kept from one request to the next (vLLM's prefix cache is off), so that every row does the same work. Where no
base is named it is the tiny student, built here: then it says what batching and adapters cost beside each
other, and nothing of a real model's speed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from agents.clients.base import ModelRequest
from agents.clients.http import HttpClient, open_session
from agents.messages import Sampling
from agents.models.spec import ApiProtocol, Capabilities, Model
from agents.student_prompt import rendering
from agents.types import Dialogue, Split
from harness.data.dataset import load
from harness.data.splits import dialogues_in_split
from harness.serving.hardware import available_memory_mib, default_device
from serve.lora_adapter import LoraAdapter, read_adapter
from serve.memory_plan import (
    MEMORY_FRACTION,
    RTX_4090_MIB,
    ServingRequest,
    lora_module_arguments,
    plan_memory,
    vllm_command,
)
from serve.null_adapter import with_null_adapter
from serve.sampling_presets import read_json
from serve.served_model import VLLM_DTYPES, Dtype
from serve.vllm_server import LOOPBACK, VllmServer, free_port, running_server

PROMPTS, TOKENS, ONE_BY_ONE = 250, 64, 20
ADAPTERS = (1, 2, 4, 8)
ROUNDS = 3
RANK = 8


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="", help="a model's folder; the tiny student where none is named")
    options.add_argument("--data", default="sample", help="the dataset's CSV")
    options.add_argument("--dtype", default="", choices=["", *VLLM_DTYPES])
    told = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        base = Path(told.base) if told.base else _tiny(place / "tiny")
        dtype: Dtype = told.dtype or ("bf16" if told.base else "fp32")
        dialogues = dialogues_in_split(load(told.data), Split.ALL)
        asked = [dialogues[at % len(dialogues)] for at in range(PROMPTS)]
        adapters = [
            read_adapter(f"a{n}", _adapter(base, place / f"a{n}", n, dtype)) for n in range(ADAPTERS[-1])
        ]
        rows = _beside(base, adapters, asked, dtype, place / "log")
        rows += _merged(base, adapters[0], asked, dtype, place)
        rows.append(_one_by_one(base, adapters[0], asked[:ONE_BY_ONE], dtype))
    table = Table(
        "how", "requests/s", "tokens/s", title=f"{PROMPTS} prompts, {TOKENS} new tokens each, {dtype}"
    )
    for how, count, seconds in rows:
        table.add_row(how, f"{count / seconds:.1f}", f"{count * TOKENS / seconds:,.0f}")
    Console(width=100).print(table)


Row = tuple[str, int, float]


def _beside(
    base: Path, adapters: Sequence[LoraAdapter], asked: Sequence[Dialogue], dtype: Dtype, log: Path
) -> list[Row]:
    names = [one.name for one in adapters]
    shares = [asked[at :: len(names)] for at in range(len(names))]
    with _server(base, adapters, dtype, log) as server:
        _ask(server, asked[: 2 * len(names)], names)  # warm

        def in_turn() -> float:
            return sum(_ask(server, share, [name]) for name, share in zip(names, shares, strict=True))

        ways: dict[str, Callable[[], float]] = {
            f"one server, {count} mixed": partial(_ask, server, asked, names[:count]) for count in ADAPTERS
        }
        ways[f"one server, {len(names)} one after another"] = in_turn
        ways["one server, the base alone"] = partial(_ask, server, asked, ["base"])
        return _medians(ways, len(asked))


def _medians(ways: Mapping[str, Callable[[], float]], count: int) -> list[Row]:
    """Each way measured in every round; the median of its seconds."""
    taken: dict[str, list[float]] = {how: [] for how in ways}
    for _ in range(ROUNDS):
        for how, seconds in ways.items():
            taken[how].append(seconds())
    return [(how, count, median(seconds)) for how, seconds in taken.items()]


def _merged(
    base: Path, adapter: LoraAdapter, asked: Sequence[Dialogue], dtype: Dtype, place: Path
) -> list[Row]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = place / "merged"
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=_torch(dtype))
    PeftModel.from_pretrained(model, adapter.folder).merge_and_unload().save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    with _server(folder, [], dtype, place / "merged.log") as server:
        _ask(server, asked[:8], ["base"])
        return _medians({"merged, by itself": partial(_ask, server, asked, ["base"])}, len(asked))


def _one_by_one(base: Path, adapter: LoraAdapter, asked: Sequence[Dialogue], dtype: Dtype) -> Row:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    loaded: Any = AutoModelForCausalLM.from_pretrained(base, dtype=_torch(dtype))
    model = PeftModel.from_pretrained(loaded, adapter.folder).to(default_device()).eval()
    if default_device() == "cpu":
        torch.set_num_threads(1)  # a small model with more waits for itself
    how = rendering()
    began = time.perf_counter()
    for dialogue in asked:  # one round: it is long enough
        ids = torch.tensor([how.prompt_ids(how.turn(dialogue), tokenizer)], device=default_device())
        with torch.inference_mode():
            options = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
            model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **options)
    return ("transformers, one by one", len(asked), time.perf_counter() - began)


def _server(folder: Path, adapters: Sequence[LoraAdapter], dtype: Dtype, log: Path) -> Any:
    device = default_device()
    name, adapters = with_null_adapter(folder, "base", adapters, device, log.parent / "shelf")
    memory = RTX_4090_MIB if device == "cuda" else available_memory_mib()
    made = plan_memory(
        read_json(folder / "config.json"), adapters, ServingRequest(device, dtype, memory, MEMORY_FRACTION)
    )
    port = free_port()
    words = [*vllm_command(made, folder, name, LOOPBACK, port), *lora_module_arguments(adapters)]
    words.append("--no-enable-prefix-caching")
    return running_server(words, LOOPBACK, port, environment=made.environment(), log=log)


def _ask(server: VllmServer, asked: Sequence[Dialogue], names: Sequence[str]) -> float:
    """Seconds until every prompt is answered, all sent at once, dealt to the models in turn."""
    capabilities = Capabilities(seed=True, extra='{"ignore_eos":true}')
    sampling = Sampling(TOKENS, temperature=0.0)
    how = rendering()
    calls = []
    for at, dialogue in enumerate(asked):
        name = names[at % len(names)]
        model = Model(
            "vllm", name, ApiProtocol.OPENAI_COMPLETIONS, capabilities, f"{server.url}/v1", identity="x"
        )
        calls.append(ModelRequest(model, how.messages(dialogue), sampling))

    async def main() -> float:
        session = open_session()
        clients = {call.model: HttpClient(call.model, server.key, session, 3600.0) for call in calls}
        try:
            began = time.perf_counter()
            await asyncio.gather(*(clients[call.model].complete(call) for call in calls))
            return time.perf_counter() - began
        finally:
            for client in clients.values():
                await client.close()
            await session.close()

    return asyncio.run(main())


def _tiny(folder: Path) -> Path:
    from finetune.tiny_model import build_tiny_model

    return build_tiny_model(folder)


def _adapter(base: Path, folder: Path, seed: int, dtype: Dtype) -> Path:
    """An adapter of noise: what it says does not matter, what it takes does."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=_torch(dtype))
    config = LoraConfig(r=RANK, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def _torch(dtype: Dtype) -> Any:
    import torch

    return getattr(torch, VLLM_DTYPES[dtype])


if __name__ == "__main__":
    main()
