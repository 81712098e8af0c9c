"""Inference engine with plain transformers: base model and adapters in this process, without vLLM.

It holds one base model with peft adapters, on a CPU or a GPU. Requests to one model with the same sampling
parameters are processed as one padded batch. It is slower than vLLM. Greedy responses are the same as vLLM's.
Sampled responses depend on the batch, because the seed is set per pass and not per request.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.clients.base import ModelRequest
from agents.errors import CallError, Failure, UserError
from agents.messages import Completion, FinishReason, Usage
from agents.model_files.weights import LOADING_OPTIONS, check_loaded, weight_files
from serve.batcher import BatchResult
from serve.request_params import RequestParams, parse_request_params, truncate_at_stop
from serve.served_model import VLLM_DTYPES, Device, Dtype

ROWS = 32  # maximum requests in one pass


class TransformersEngine:
    """Base model with its adapters, loaded on construction.

    Args:
        base: folder of the base model.
        base_name: name of the base model in requests.
        adapters: folder of each adapter by its name in requests.
        dtype: dtype of the computation.
        device: device to run on.
        rows: maximum requests in one pass, ≥ 1.

    Raises:
        UserError: a library is missing, or the base model or an adapter cannot be loaded.
    """

    def __init__(
        self,
        base: Path,
        base_name: str,
        adapters: Mapping[str, Path],
        *,
        dtype: Dtype,
        device: Device,
        rows: int = ROWS,
    ) -> None:
        missing = [name for name in ("torch", "transformers", "peft") if find_spec(name) is None]
        if missing:
            raise UserError(
                "libraries of the backend transformers are not installed",
                code="backend.missing-libraries",
                found=", ".join(missing),
                remedy="Install them with: pip install -e '.[train]'",
            )
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, logging

        logging.disable_progress_bar()
        try:
            weight_files(base)
            self.tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
            torch_dtype = getattr(torch, VLLM_DTYPES[dtype])
            model, info = AutoModelForCausalLM.from_pretrained(base, dtype=torch_dtype, **LOADING_OPTIONS)
            check_loaded(base, info, model)
            # Only the special token ids are kept: other values of the base model's file are not in any
            # preset.
            names = ("bos_token_id", "eos_token_id", "pad_token_id")
            token_ids = {name: getattr(model.generation_config, name, None) for name in names}
            model.generation_config = GenerationConfig(**token_ids)
            self._labels = {name: f"a{number}" for number, name in enumerate(adapters)}
            for name, folder in adapters.items():
                label = self._labels[name]
                if isinstance(model, PeftModel):
                    model.load_adapter(folder, adapter_name=label)
                else:
                    model = PeftModel.from_pretrained(model, folder, adapter_name=label)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
            raise UserError(
                "cannot load the model",
                code="base-model.load-failed",
                where=str(base),
                found=str(error)[:300],
                remedy="Download the model again, or check its config.json.",
            ) from error
        self._vocabulary_size = int(model.get_input_embeddings().weight.shape[0])
        self._model: Any = model.to(device).eval()
        self._base_name = base_name
        self._rows = rows
        self._device = device

    def __call__(self, requests: Sequence[ModelRequest]) -> list[BatchResult]:
        """Process a batch, grouped by model and sampling parameters."""
        results: list[BatchResult | None] = [None] * len(requests)
        groups: dict[tuple[Any, ...], list[tuple[int, RequestParams]]] = defaultdict(list)
        for index, request in enumerate(requests):
            try:
                params = parse_request_params(request, self.tokenizer)
                self._check_ids(params)
                groups[params.model, params.sampling].append((index, params))
            except CallError as error:
                results[index] = error
        for group in groups.values():
            group.sort(key=lambda entry: len(entry[1].ids))  # similar lengths need little padding
            for begin in range(0, len(group), self._rows):
                part = group[begin : begin + self._rows]
                outputs = self._generate([params for _, params in part])
                for (index, _), result in zip(part, outputs, strict=True):
                    results[index] = result
        return [result for result in results if result is not None]

    def _check_ids(self, params: RequestParams) -> None:
        beyond = sorted({token_id for token_id in params.ids if token_id >= self._vocabulary_size})
        if beyond:
            message = (
                f"tokens {beyond[:8]} have no embedding: the model has {self._vocabulary_size} embeddings"
            )
            raise CallError(Failure.BAD_REQUEST, message)

    def _generate(self, rows: Sequence[RequestParams]) -> list[BatchResult]:
        import torch

        first = rows[0]
        is_base = first.model == self._base_name
        if not is_base:
            self._model.set_adapter(self._labels[first.model])
        adapters_off = self._model.disable_adapter() if is_base and self._labels else contextlib.nullcontext()
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id
        if pad is None or pad >= self._vocabulary_size:
            pad = self.tokenizer.eos_token_id  # padding is masked, so any token with an embedding will do
        ids = [[pad] * (longest - len(row.ids)) + list(row.ids) for row in rows]
        mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
        if first.seed is not None:
            torch.manual_seed(first.seed)
        with torch.inference_mode(), adapters_off:
            output = self._model.generate(
                input_ids=torch.tensor(ids, device=self._device),
                attention_mask=torch.tensor(mask, device=self._device),
                pad_token_id=pad,
                **_generate_options(first, self.tokenizer),
            )
        return [self._to_completion(row, output[index, longest:].tolist()) for index, row in enumerate(rows)]

    def _to_completion(self, row: RequestParams, new_ids: list[int]) -> Completion:
        eos = self._model.generation_config.eos_token_id
        eos_ids = set(eos if isinstance(eos, list) else [eos]) | {self.tokenizer.eos_token_id}
        eos_index = next((index for index, token_id in enumerate(new_ids) if token_id in eos_ids), None)
        kept = new_ids if eos_index is None else new_ids[: eos_index + row.keep_special_tokens]
        text, stopped = truncate_at_stop(
            self.tokenizer.decode(kept, skip_special_tokens=not row.keep_special_tokens),
            row.stop,
            keep=row.include_stop,
        )
        finish = FinishReason.STOP if stopped or eos_index is not None else FinishReason.LENGTH
        return Completion(text, finish, Usage(len(row.ids), len(kept)), model=row.model)


def _generate_options(params: RequestParams, tokenizer: Any) -> dict[str, Any]:
    """Return the parameters as keyword arguments of transformers' `generate`."""
    options: dict[str, Any] = {
        "max_new_tokens": params.max_tokens,
        "repetition_penalty": params.repetition_penalty,
        "do_sample": params.temperature > 0,
    }
    if params.temperature > 0:
        options |= {
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "min_p": params.min_p or None,
        }
    if params.stop:
        options |= {"stop_strings": list(params.stop), "tokenizer": tokenizer}
    return options
