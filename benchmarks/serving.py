"""`python -m benchmarks.serving`: speed of base and students with several backends, as one table.

    one server, N adapters mixed in its batches   250 prompts distributed over 1, 2, 4 and 8 adapters
    one server, one adapter after another         the same 250, adapter by adapter
    merged                                        250 prompts to one merged student
    transformers, one by one                      as the paper's released scripts do; a subset

Every completion has 64 tokens, greedy, whatever its text; medians of three rounds. vLLM's prefix cache is
off, so that every row does the same work. Without `--base` the benchmark builds a tiny model: then it shows
the relative cost of batching and adapters, not a real model's speed.
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
    """Run the benchmark and print the results."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--base", default="", help="folder of a base model; a tiny model by default")
    options.add_argument("--data", default="sample", help="the dataset's CSV")
    options.add_argument("--dtype", default="", choices=["", *VLLM_DTYPES])
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        base = Path(arguments.base) if arguments.base else _tiny(folder / "tiny")
        dtype: Dtype = arguments.dtype or ("bf16" if arguments.base else "fp32")
        dialogues = dialogues_in_split(load(arguments.data), Split.ALL)
        dialogues = [dialogues[index % len(dialogues)] for index in range(PROMPTS)]
        adapters = [
            read_adapter(f"a{n}", _adapter(base, folder / f"a{n}", n, dtype)) for n in range(ADAPTERS[-1])
        ]
        rows = _measure_adapters(base, adapters, dialogues, dtype, folder / "log")
        rows += _measure_merged(base, adapters[0], dialogues, dtype, folder)
        rows.append(_measure_one_by_one(base, adapters[0], dialogues[:ONE_BY_ONE], dtype))
    table = Table(
        "how", "requests/s", "tokens/s", title=f"{PROMPTS} prompts, {TOKENS} new tokens each, {dtype}"
    )
    for variant, count, seconds in rows:
        table.add_row(variant, f"{count / seconds:.1f}", f"{count * TOKENS / seconds:,.0f}")
    Console(width=100).print(table)


Row = tuple[str, int, float]


def _measure_adapters(
    base: Path, adapters: Sequence[LoraAdapter], dialogues: Sequence[Dialogue], dtype: Dtype, log: Path
) -> list[Row]:
    names = [adapter.name for adapter in adapters]
    shares = [dialogues[index :: len(names)] for index in range(len(names))]
    with _server(base, adapters, dtype, log) as server:
        _send(server, dialogues[: 2 * len(names)], names)  # warm

        def one_after_another() -> float:
            return sum(_send(server, share, [name]) for name, share in zip(names, shares, strict=True))

        variants: dict[str, Callable[[], float]] = {
            f"one server, {count} mixed": partial(_send, server, dialogues, names[:count])
            for count in ADAPTERS
        }
        variants[f"one server, {len(names)} one after another"] = one_after_another
        variants["one server, the base alone"] = partial(_send, server, dialogues, ["base"])
        return _medians(variants, len(dialogues))


def _medians(variants: Mapping[str, Callable[[], float]], count: int) -> list[Row]:
    """Measure each variant in every round; return the median of its seconds."""
    taken: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(ROUNDS):
        for variant, seconds in variants.items():
            taken[variant].append(seconds())
    return [(variant, count, median(seconds)) for variant, seconds in taken.items()]


def _measure_merged(
    base: Path, adapter: LoraAdapter, dialogues: Sequence[Dialogue], dtype: Dtype, folder: Path
) -> list[Row]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = folder / "merged"
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=_torch(dtype))
    PeftModel.from_pretrained(model, adapter.folder).merge_and_unload().save_pretrained(merged)
    AutoTokenizer.from_pretrained(base).save_pretrained(merged)
    with _server(merged, [], dtype, folder / "merged.log") as server:
        _send(server, dialogues[:8], ["base"])
        return _medians({"merged, by itself": partial(_send, server, dialogues, ["base"])}, len(dialogues))


def _measure_one_by_one(base: Path, adapter: LoraAdapter, dialogues: Sequence[Dialogue], dtype: Dtype) -> Row:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    loaded: Any = AutoModelForCausalLM.from_pretrained(base, dtype=_torch(dtype))
    model = PeftModel.from_pretrained(loaded, adapter.folder).to(default_device()).eval()
    if default_device() == "cpu":
        torch.set_num_threads(1)  # a small model is slower with more threads
    variant = rendering()
    started_at = time.perf_counter()
    for dialogue in dialogues:  # one round takes long enough
        ids = torch.tensor([variant.prompt_ids(variant.turn(dialogue), tokenizer)], device=default_device())
        with torch.inference_mode():
            options = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
            model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pad_token_id=0, **options)
    return ("transformers, one by one", len(dialogues), time.perf_counter() - started_at)


def _server(folder: Path, adapters: Sequence[LoraAdapter], dtype: Dtype, log: Path) -> Any:
    device = default_device()
    name, adapters = with_null_adapter(folder, "base", adapters, device, log.parent / "shelf")
    memory = RTX_4090_MIB if device == "cuda" else available_memory_mib()
    memory_plan = plan_memory(
        read_json(folder / "config.json"), adapters, ServingRequest(device, dtype, memory, MEMORY_FRACTION)
    )
    port = free_port()
    arguments = [*vllm_command(memory_plan, folder, name, LOOPBACK, port), *lora_module_arguments(adapters)]
    arguments.append("--no-enable-prefix-caching")
    return running_server(arguments, LOOPBACK, port, environment=memory_plan.environment(), log=log)


def _send(server: VllmServer, dialogues: Sequence[Dialogue], names: Sequence[str]) -> float:
    """Return the seconds until every prompt is answered; all are sent at once, distributed over the models in
    turn.
    """
    capabilities = Capabilities(seed=True, extra='{"ignore_eos":true}')
    sampling = Sampling(TOKENS, temperature=0.0)
    variant = rendering()
    calls = []
    for index, dialogue in enumerate(dialogues):
        name = names[index % len(names)]
        model = Model(
            "vllm", name, ApiProtocol.OPENAI_COMPLETIONS, capabilities, f"{server.url}/v1", identity="x"
        )
        calls.append(ModelRequest(model, variant.messages(dialogue), sampling))

    async def main() -> float:
        session = open_session()
        clients = {call.model: HttpClient(call.model, server.key, session, 3600.0) for call in calls}
        try:
            started_at = time.perf_counter()
            await asyncio.gather(*(clients[call.model].complete(call) for call in calls))
            return time.perf_counter() - started_at
        finally:
            for client in clients.values():
                await client.close()
            await session.close()

    return asyncio.run(main())


def _tiny(folder: Path) -> Path:
    from finetune.tiny_model import build_tiny_model

    return build_tiny_model(folder)


def _adapter(base: Path, folder: Path, seed: int, dtype: Dtype) -> Path:
    """Save an adapter with random weights; its output does not matter, only its cost."""
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
