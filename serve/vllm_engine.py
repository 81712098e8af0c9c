"""Inference engine with `vllm.LLM` in this process (`--offline`): the server's engine without a port."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.clients.base import ModelRequest
from agents.errors import CallError, UserError
from agents.messages import Completion, FinishReason, Usage
from serve.batcher import BatchResult
from serve.memory_plan import FORMATS, ServePlan
from serve.request_params import RequestParams, parse_request_params
from serve.served_model import VLLM_DTYPES
from serve.vllm_server import require_vllm

# The engine must run in this process: in a process of its own it would survive a `kill -9` and keep the GPU.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
_FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class VllmEngine:
    """Base model with its adapters in one `vllm.LLM`, loaded on construction.

    Args:
        plan: memory plan with the engine's settings.
        base: folder of the base model.
        base_name: name of the base model in requests.
        adapters: folder of each adapter by its name in requests.

    Raises:
        UserError: vLLM is missing, or cannot load the model.
    """

    def __init__(self, plan: ServePlan, base: Path, base_name: str, adapters: Mapping[str, Path]) -> None:
        require_vllm()
        os.environ.update({**ENVIRONMENT, **plan.environment()})
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        import vllm
        from vllm.lora.request import LoRARequest

        lora_options: dict[str, Any] = {}
        if plan.max_loras:
            lora_options = {
                "enable_lora": True,
                "max_loras": plan.max_loras,
                "max_lora_rank": plan.max_lora_rank,
            }
        on_gpu = plan.request.device == "cuda"
        try:
            self._llm: Any = vllm.LLM(
                model=str(base),
                dtype=VLLM_DTYPES[plan.request.dtype],
                max_model_len=plan.max_model_len,
                max_num_seqs=plan.max_num_seqs,
                gpu_memory_utilization=plan.request.fraction if on_gpu else 0.1,
                enforce_eager=not on_gpu,
                enable_chunked_prefill=on_gpu,
                max_num_batched_tokens=plan.batched_tokens,
                generation_config="vllm",
                **FORMATS,
                **lora_options,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                "vLLM cannot load the model",
                code="base-model.load-failed",
                where=str(base),
                found=str(error)[:500],
                remedy="See which settings fit with: empathy serve plan.",
            ) from error
        self.tokenizer = self._llm.get_tokenizer()
        self._base_name = base_name
        self._adapters = {
            name: LoRARequest(name, number, str(folder.resolve()))
            for number, (name, folder) in enumerate(adapters.items(), 1)
        }

    def __call__(self, requests: Sequence[ModelRequest]) -> list[BatchResult]:
        """Process a batch; base model and adapters share its passes."""
        results: dict[int, BatchResult] = {}
        valid: list[tuple[int, RequestParams]] = []
        for index, request in enumerate(requests):
            try:
                valid.append((index, parse_request_params(request, self.tokenizer)))
            except CallError as error:
                results[index] = error
        if valid:
            outputs = self._llm.generate(
                [{"prompt_token_ids": list(params.ids)} for _, params in valid],
                [_sampling_params(params) for _, params in valid],
                lora_request=[self._adapters.get(params.model) for _, params in valid]
                if self._adapters
                else None,
                use_tqdm=False,
            )
            for (index, params), output in zip(valid, outputs, strict=True):
                generated = output.outputs[0]
                usage = Usage(len(params.ids), len(generated.token_ids))
                finish = _FINISH_REASONS.get(generated.finish_reason or "", FinishReason.OTHER)
                results[index] = Completion(generated.text, finish, usage, model=params.model)
        return [results[index] for index in range(len(requests))]

    def close(self) -> None:
        """Release the model's memory."""
        self._llm.llm_engine.engine_core.shutdown()


def _sampling_params(params: RequestParams) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        min_p=params.min_p,
        repetition_penalty=params.repetition_penalty,
        seed=params.seed,
        stop=list(params.stop),
        include_stop_str_in_output=params.include_stop,
        skip_special_tokens=not params.keep_special_tokens,
    )
