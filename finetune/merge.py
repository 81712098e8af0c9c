"""Merge an adapter into its base: one model's folder.

Its logits are compared with the adapter's before anything is written.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.weights import tensors_of, weight_files
from finetune.asking import check_asking
from finetune.checkpoint import check_adapter, read_checkpoint, same_base, weights_id
from finetune.loading import dtype_of, load_model, load_tokenizer, locate
from finetune.needs import training_libraries
from finetune.tiny import corpus

RECORD = "merged.json"
TOLERANCE = 1e-4  # of logits, in 32 bits
PROBES = 4


def merge(
    checkpoint: Path,
    out: Path,
    *,
    base: str = "",
    dtype: str = "",
    cpu: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Write the merged model and give back its record (also in `merged.json`).

    Args:
        base: where the base lies now, if not where the checkpoint says.
        dtype: of the merged weights, "bf16", "fp16" or "fp32"; "" for the base's own.

    Raises:
        UserError: no checkpoint, another base, or logits that differ by more than 1e-4 in 32 bits.
    """
    training_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("there is something already", where=str(out), remedy="Name a new folder with --out.")
    made = read_checkpoint(checkpoint)
    found = locate(base or made.base.name, "" if base else made.base.revision)
    same_base(made, found.base)
    check_adapter(checkpoint, found.folder)
    check_asking(made, found.folder)
    dtype = dtype or _stored(found.folder)
    merged, difference = _merged(found.folder, checkpoint, dtype, cpu)
    if dtype == "fp32" and difference > TOLERANCE:
        raise UserError(
            "the merged model says other things than the adapter", found=f"logits differ by {difference}"
        )
    tell(f"merged in {dtype}; logits differ from the adapter's by at most {difference:.2g}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
            folder = Path(work) / "model"
            merged.save_pretrained(folder, safe_serialization=True)
            _differs(found.folder, folder, dtype)
            load_tokenizer(checkpoint).save_pretrained(folder)
            record = {
                "kind": "empathy-merged",
                "version": 1,
                "name": made.name,
                "checkpoint": made.id,
                "base": made.base.told(),
                "weights": weights_id(folder),
                "dtype": dtype,
                "form": str(made.form),
                "rendering": made.record["rendering"],
                "largest_logit_difference": difference,
            }
            text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
            (folder / RECORD).write_text(text, encoding="utf-8")
            if out.exists():
                out.rmdir()
            shutil.move(folder, out)
    except OSError as error:
        raise UserError("the merged model could not be written", where=str(out), found=str(error)) from error
    return record


def _merged(base: Path, checkpoint: Path, dtype: str, cpu: bool) -> tuple[Any, float]:
    import torch
    from peft import PeftModel

    device = "cpu" if cpu or not torch.cuda.is_available() else "cuda"
    tokenizer = load_tokenizer(checkpoint)
    probes = [tokenizer.encode(line) for line in corpus()[:PROBES]]
    model = PeftModel.from_pretrained(load_model(base, dtype, device), checkpoint).eval()
    before = _logits(model, probes)
    merged = model.merge_and_unload(safe_merge=True)
    after = _logits(merged, probes)
    difference = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
    return merged, difference


def _differs(base: Path, folder: Path, dtype: str) -> None:
    """Make sure that what was merged is another model than its base.

    Raises:
        UserError: every weight is the base's: the update was lost on the way into this dtype.
    """
    from safetensors import safe_open

    of_dtype = dtype_of(dtype)
    theirs = {name: path for name, (path, _) in tensors_of(weight_files(base)).items()}
    for name, (path, _) in tensors_of(weight_files(folder)).items():
        if name not in theirs:
            continue
        with safe_open(path, "pt") as mine, safe_open(theirs[name], "pt") as other:
            if not mine.get_tensor(name).equal(other.get_tensor(name).to(of_dtype)):
                return
    raise UserError(
        "the merged model is its base: the adapter changes no weight",
        where=str(folder),
        found=f"in {dtype} every update is rounded away",
        remedy="Merge it with --dtype fp32, or ask it beside its base.",
    )


def _logits(model: Any, probes: list[list[int]]) -> list[Any]:
    import torch

    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids], device=model.device)).logits.float() for ids in probes]


def _stored(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return {"bfloat16": "bf16", "float16": "fp16"}.get(stored, "fp32")
