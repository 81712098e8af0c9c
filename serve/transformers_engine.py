"""Plain transformers as an engine in this process: base and adapters, on a CPU or a card, without vLLM.

One base with peft adapters beside it; calls to one model with one sampling are one padded batch. Slower than
vLLM, and the same words where it is greedy. A sampled answer depends on the batch it came in: the seed is set
for every pass, not for every answer.
"""

from __future__ import annotations

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

ROWS = 32  # of one pass


class TransformersEngine:
    """A base and its adapters, loaded when this is made.

    Args:
        base_name: the base's name as calls write it.
        adapters: name → folder.
        rows: of one pass, ≥ 1.

    Raises:
        UserError: a library is missing, or the base or an adapter cannot be loaded.
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
                "plain transformers needs its libraries",
                found=f"no {', '.join(missing)}",
                remedy="Install them with: pip install -e '.[train]'.",
            )
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, logging

        logging.disable_progress_bar()
        try:
            weight_files(base)
            self.tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
            of_dtype = getattr(torch, VLLM_DTYPES[dtype])
            model, info = AutoModelForCausalLM.from_pretrained(base, dtype=of_dtype, **LOADING_OPTIONS)
            check_loaded(base, info, model)
            # what the base's own file would add to a request is no part of any preset: its marks alone stay
            marks = ("bos_token_id", "eos_token_id", "pad_token_id")
            own = {name: getattr(model.generation_config, name, None) for name in marks}
            model.generation_config = GenerationConfig(**own)
            self._labels = {name: f"a{number}" for number, name in enumerate(adapters)}
            for name, folder in adapters.items():
                label = self._labels[name]
                if isinstance(model, PeftModel):
                    model.load_adapter(folder, adapter_name=label)
                else:
                    model = PeftModel.from_pretrained(model, folder, adapter_name=label)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
            raise UserError("the model cannot be loaded", where=str(base), found=str(error)[:300]) from error
        self._words = int(model.get_input_embeddings().weight.shape[0])
        self._model: Any = model.to(device).eval()
        self._base_name = base_name
        self._rows = rows
        self._device = device

    def __call__(self, calls: Sequence[ModelRequest]) -> list[BatchResult]:
        """Answer a batch, grouped by model and sampling."""
        answers: list[BatchResult | None] = [None] * len(calls)
        groups: dict[tuple[Any, ...], list[tuple[int, RequestParams]]] = defaultdict(list)
        for number, call in enumerate(calls):
            try:
                told = parse_request_params(call, self.tokenizer)
                self._check_ids(told)
                groups[told.model, told.sampling].append((number, told))
            except CallError as error:
                answers[number] = error
        for group in groups.values():
            group.sort(key=lambda one: len(one[1].ids))  # alike in length: little padding
            for begin in range(0, len(group), self._rows):
                part = group[begin : begin + self._rows]
                for (number, _), answer in zip(part, self._pass([one for _, one in part]), strict=True):
                    answers[number] = answer
        return [answer for answer in answers if answer is not None]

    def _check_ids(self, one: RequestParams) -> None:
        beyond = sorted({each for each in one.ids if each >= self._words})
        if beyond:
            what = f"tokens {beyond[:8]} have no embedding: the model has {self._words} rows"
            raise CallError(Failure.BAD_REQUEST, what)

    def _pass(self, rows: Sequence[RequestParams]) -> list[BatchResult]:
        import contextlib

        import torch

        first = rows[0]
        plain = first.model == self._base_name
        if not plain:
            self._model.set_adapter(self._labels[first.model])
        without = self._model.disable_adapter() if plain and self._labels else contextlib.nullcontext()
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id
        if pad is None or pad >= self._words:  # masked everywhere: any token that the model has a row for
            pad = self.tokenizer.eos_token_id
        ids = [[pad] * (longest - len(row.ids)) + list(row.ids) for row in rows]
        mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
        if first.seed is not None:
            torch.manual_seed(first.seed)
        with torch.inference_mode(), without:
            out = self._model.generate(
                input_ids=torch.tensor(ids, device=self._device),
                attention_mask=torch.tensor(mask, device=self._device),
                pad_token_id=pad,
                **_options(first, self.tokenizer),
            )
        return [self._read(row, out[at, longest:].tolist()) for at, row in enumerate(rows)]

    def _read(self, row: RequestParams, said: list[int]) -> Completion:
        eos = self._model.generation_config.eos_token_id
        ends = set(eos if isinstance(eos, list) else [eos]) | {self.tokenizer.eos_token_id}
        count = next((at for at, each in enumerate(said) if each in ends), None)
        kept = said if count is None else said[: count + row.keep_special_tokens]
        text, stopped = truncate_at_stop(
            self.tokenizer.decode(kept, skip_special_tokens=not row.keep_special_tokens),
            row.stop,
            keep=row.include_stop,
        )
        finish = FinishReason.STOP if stopped or count is not None else FinishReason.LENGTH
        return Completion(text, finish, Usage(len(row.ids), len(kept)), model=row.model)


def _options(of: RequestParams, tokenizer: Any) -> dict[str, Any]:
    """`generate`'s own words for it."""
    told: dict[str, Any] = {
        "max_new_tokens": of.max_tokens,
        "repetition_penalty": of.repetition_penalty,
        "do_sample": of.temperature > 0,
    }
    if of.temperature > 0:
        told |= {
            "temperature": of.temperature,
            "top_p": of.top_p,
            "top_k": of.top_k,
            "min_p": of.min_p or None,
        }
    if of.stop:
        told |= {"stop_strings": list(of.stop), "tokenizer": tokenizer}
    return told
