"""Merge of an adapter into its base model, verified against the adapter.

Weights are merged in 32 bits and then cast: adding a small update to a bf16 weight in bf16 loses most of it.
Two comparisons of logits, relative to their size, verify the result: the merged with the unmerged model in 32
bits, and the model loaded from the written folder with the model that was written.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.model_files.lora import CONFIG as ADAPTER_CONFIG
from agents.model_files.weights import load_json_object, tensors_of, weight_files
from finetune.checkpoint import Checkpoint, check_adapter, check_same_base, read_checkpoint, weights_id
from finetune.dependencies import require_training_libraries
from finetune.lora_targets import tied_weight_faults
from finetune.model_loader import LocalModel, load_model, load_tokenizer, locate_model, torch_dtype
from finetune.tiny_model import corpus
from finetune.tokenizer_identity import check_prompt_encoding

RECORD = "merged.json"
GENERATION = "generation_config.json"
TOLERANCE = 1e-3  # largest difference of logits as a share of the largest logit, in 32 bits
PROBES = 4


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """Difference between the logits of two models on the same probes.

    Attributes:
        largest: largest absolute difference.
        share: `largest` as a share of the largest logit; NaN if a logit is NaN.
    """

    largest: float
    share: float

    @classmethod
    def between(cls, expected: list[Any], actual: list[Any]) -> LogitDifference:
        """Return the difference of two lists of logits, relative to the size of `expected`."""
        largest = max(float((a - b).abs().max()) for a, b in zip(expected, actual, strict=True))
        size = max(float(logits.abs().max()) for logits in expected)
        return cls(largest, largest / size if size else largest)


def merge_adapter(
    checkpoint: Path,
    out: Path,
    *,
    base: str = "",
    dtype: str = "",
    cpu: bool = True,
    on_message: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Write the merged model and return its record, which is also in `merged.json`.

    Args:
        checkpoint: folder of the checkpoint.
        out: folder of the merged model; must not exist, or be empty.
        base: current location of the base model if it has moved.
        dtype: dtype of the merged weights, "bf16", "fp16" or "fp32"; "" for the base model's own.
        cpu: merge on the CPU even if there is a GPU.
        on_message: receives one line with the measured difference.

    Raises:
        UserError: the checkpoint or base model is unsuitable, the adapter cannot be merged, or the merged
            model differs from the adapter. Nothing is written then.
    """
    require_training_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            "output folder is not empty",
            code="file.exists",
            where=str(out),
            remedy="Pass a new folder with --out.",
        )
    student = read_checkpoint(checkpoint)
    model = locate_model(base or student.base_location, "" if base else student.base.revision)
    check_same_base(student, model.base)
    check_adapter(checkpoint, model.folder)
    check_prompt_encoding(student, model.folder)
    adapter_config = load_json_object(checkpoint / ADAPTER_CONFIG)
    if faults := tied_weight_faults(adapter_config, model.folder, str(checkpoint)):
        raise UserError(
            "cannot merge this adapter", code="adapter.not-mergeable", where=str(checkpoint), faults=faults
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
            folder = Path(work) / "model"
            merged_dtype = dtype or _stored_dtype(model.folder)
            record = _write_merged(student, model, folder, merged_dtype, cpu=cpu, on_message=on_message)
            if out.exists():
                out.rmdir()
            shutil.move(folder, out)
    except OSError as error:
        raise UserError(
            "cannot write the merged model", code="file.not-writable", where=str(out), found=str(error)
        ) from error
    return record


def _write_merged(
    student: Checkpoint,
    model: LocalModel,
    folder: Path,
    dtype: str,
    *,
    cpu: bool,
    on_message: Callable[[str], None],
) -> dict[str, Any]:
    """Write the merged model into `folder`, verify it and return its record."""
    import torch

    device = "cpu" if cpu or not torch.cuda.is_available() else "cuda"
    tokenizer = load_tokenizer(student.path)
    probes = [tokenizer.encode(line) for line in corpus()[:PROBES]]
    unmerged_logits, merged = _merge(model.folder, student.path, probes, device)
    _cast_weights(merged, dtype)
    merged.save_pretrained(folder, safe_serialization=True)
    _copy_generation_config(model.folder, folder)
    _cast_weights(merged, "fp32")  # keeps the rounded values and makes the comparisons use 32 bits
    written_logits = _logits(merged, probes)
    del merged
    _check_differs_from_base(model.folder, folder, dtype)
    reloaded_logits = _logits(load_model(folder, "fp32", device).eval(), probes)
    reloaded = LogitDifference.between(written_logits, reloaded_logits)
    if not reloaded.share <= TOLERANCE:
        raise UserError(
            "the model loaded from the written folder differs from the merged model",
            code="adapter.merge-not-reproduced",
            found=_describe_difference(reloaded),
            remedy="Check the disk and merge again into another folder.",
        )
    cast = LogitDifference.between(unmerged_logits, written_logits)
    if not math.isfinite(cast.share):
        raise UserError(
            f"merged weights overflow in {dtype}",
            code="adapter.merge-overflow",
            where="--dtype",
            found="infinite logits",
            remedy="Merge with --dtype bf16 or fp32.",
        )
    on_message(
        f"merged in {dtype}; logits differ from the adapter's by at most {cast.largest:.2g} "
        f"({cast.share:.2g} of the largest)"
    )
    tokenizer.save_pretrained(folder)
    record = {
        "kind": "empathy-merged",
        "version": 1,
        "name": student.name,
        "checkpoint": student.id,
        "base": student.base.to_dict(),
        "weights": weights_id(folder),
        "dtype": dtype,
        "form": str(student.form),
        "rendering": student.record["rendering"],
        "largest_logit_difference": cast.largest,
        "relative_logit_difference": cast.share,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return record


def _merge(base: Path, checkpoint: Path, probes: list[list[int]], device: str) -> tuple[list[Any], Any]:
    """Return the unmerged model's logits and the merged model, both in 32 bits.

    Raises:
        UserError: peft cannot merge this adapter, or the merged model's logits differ.
    """
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_model(base, "fp32", device), checkpoint).eval()
    unmerged_logits = _logits(model, probes)
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise UserError(
            "cannot merge this adapter",
            code="adapter.not-mergeable",
            where=str(checkpoint),
            found=str(error).split("\n", 1)[0][:300],
            remedy="Use the adapter beside its base model: --backend transformers.",
        ) from error
    difference = LogitDifference.between(unmerged_logits, _logits(merged, probes))
    if not difference.share <= TOLERANCE:
        raise UserError(
            "the merged model differs from the adapter",
            code="adapter.merge-inexact",
            where=str(checkpoint),
            found=_describe_difference(difference),
            remedy="Use the adapter without merging it: --backend transformers.",
        )
    return unmerged_logits, merged


def _cast_weights(model: Any, dtype: str) -> None:
    """Cast the weights only; buffers computed beside them (rotary frequencies) stay in 32 bits."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch_dtype(dtype))


def _describe_difference(difference: LogitDifference) -> str:
    return f"logits differ by {difference.largest:.3g}, {difference.share:.3g} of the largest"


def _copy_generation_config(base: Path, folder: Path) -> None:
    """Make generation_config.json the same as the base model's, or remove it if the base has none."""
    (folder / GENERATION).unlink(missing_ok=True)
    if (base / GENERATION).is_file():
        shutil.copyfile(base / GENERATION, folder / GENERATION)


def _check_differs_from_base(base: Path, folder: Path, dtype: str) -> None:
    """Check that at least one weight of the merged model differs from the base model.

    Raises:
        UserError: every update was rounded away in this dtype.
    """
    from safetensors import safe_open

    target_dtype = torch_dtype(dtype)
    base_files = {name: path for name, (path, _) in tensors_of(weight_files(base)).items()}
    for name, (path, _) in tensors_of(weight_files(folder)).items():
        if name not in base_files:
            continue
        with safe_open(path, "pt") as merged_file, safe_open(base_files[name], "pt") as base_file:
            if not merged_file.get_tensor(name).equal(base_file.get_tensor(name).to(target_dtype)):
                return
    raise UserError(
        "the adapter changes no weight of the merged model",
        code="adapter.merge-without-effect",
        where=str(folder),
        found=f"in {dtype} every update is rounded away",
        remedy="Merge with --dtype fp32, or use the adapter beside its base model.",
    )


def _logits(model: Any, probes: list[list[int]]) -> list[Any]:
    import torch

    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids], device=model.device)).logits.float() for ids in probes]


def _stored_dtype(folder: Path) -> str:
    config = load_json_object(folder / "config.json")
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return {"bfloat16": "bf16", "float16": "fp16"}.get(stored, "fp32")
