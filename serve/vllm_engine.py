"""`vllm.LLM` as an engine in this process (`--offline`): no server, no port, the same engine and adapters."""

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

# The engine runs in this very process: in one of its own it would outlive a `kill -9` of ours, card and all.
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
_FINISHES = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class VllmEngine:
    """A base and its adapters in one `vllm.LLM`, loaded when this is made.

    Args:
        base_name: the base's name as calls write it.
        adapters: name → folder.

    Raises:
        UserError: vLLM is missing, or cannot load the model.
    """

    def __init__(self, plan: ServePlan, base: Path, base_name: str, adapters: Mapping[str, Path]) -> None:
        require_vllm()
        os.environ.update({**ENVIRONMENT, **plan.environment()})
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        import vllm
        from vllm.lora.request import LoRARequest

        told: dict[str, Any] = {}
        if plan.max_loras:
            told = {"enable_lora": True, "max_loras": plan.max_loras, "max_lora_rank": plan.max_lora_rank}
        on_card = plan.wanted.device == "cuda"
        try:
            self._llm: Any = vllm.LLM(
                model=str(base),
                dtype=VLLM_DTYPES[plan.wanted.dtype],
                max_model_len=plan.max_model_len,
                max_num_seqs=plan.max_num_seqs,
                gpu_memory_utilization=plan.wanted.fraction if on_card else 0.1,
                enforce_eager=not on_card,
                enable_chunked_prefill=on_card,
                max_num_batched_tokens=plan.batched_tokens,
                generation_config="vllm",
                **FORMATS,
                **told,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                "vLLM cannot load the model",
                where=str(base),
                found=str(error)[:500],
                remedy="See: empathy serve plan.",
            ) from error
        self.tokenizer = self._llm.get_tokenizer()
        self._base_name = base_name
        self._adapters = {
            name: LoRARequest(name, number, str(folder.resolve()))
            for number, (name, folder) in enumerate(adapters.items(), 1)
        }

    def __call__(self, calls: Sequence[ModelRequest]) -> list[BatchResult]:
        """Answer a batch: base and adapters in the same passes."""
        answers: dict[int, BatchResult] = {}
        told: list[tuple[int, RequestParams]] = []
        for number, call in enumerate(calls):
            try:
                told.append((number, parse_request_params(call, self.tokenizer)))
            except CallError as error:
                answers[number] = error
        if told:
            out = self._llm.generate(
                [{"prompt_token_ids": list(one.ids)} for _, one in told],
                [_sampling(one) for _, one in told],
                lora_request=[self._adapters.get(one.model) for _, one in told] if self._adapters else None,
                use_tqdm=False,
            )
            for (number, one), made in zip(told, out, strict=True):
                said = made.outputs[0]
                usage = Usage(len(one.ids), len(said.token_ids))
                finish = _FINISHES.get(said.finish_reason or "", FinishReason.OTHER)
                answers[number] = Completion(said.text, finish, usage, model=one.model)
        return [answers[number] for number in range(len(calls))]

    def close(self) -> None:
        """Free what it holds."""
        self._llm.llm_engine.engine_core.shutdown()


def _sampling(of: RequestParams) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=of.max_tokens,
        temperature=of.temperature,
        top_p=of.top_p,
        top_k=of.top_k,
        min_p=of.min_p,
        repetition_penalty=of.repetition_penalty,
        seed=of.seed,
        stop=list(of.stop),
        include_stop_str_in_output=of.include_stop,
        skip_special_tokens=not of.keep_special_tokens,
    )
