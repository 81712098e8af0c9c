"""Merge an adapter into its base: one model's folder, held against the adapter before and after it is there.

Weights are merged in 32 bits and cast then: a bf16 sum of a bf16 weight and a small update loses most of it.
Two comparisons, each relative to the size of the logits: merged with unmerged in 32 bits, and what was
written, loaded again, with what was to be written.
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
TOLERANCE = 1e-3  # of the largest difference of logits, as a share of the largest logit, in 32 bits
PROBES = 4


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """How far two models' logits are apart on the probes.

    Attributes:
        largest: the largest difference.
        share: the same as a share of the largest logit; not a number where a logit is none.
    """

    largest: float
    share: float

    @classmethod
    def of(cls, one: list[Any], other: list[Any]) -> LogitDifference:
        """Between logits of the same probes, those of `one` giving the size."""
        largest = max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))
        size = max(float(logits.abs().max()) for logits in one)
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
    """Write the merged model and give back its record (also in `merged.json`).

    Args:
        base: where the base lies now, if not where the checkpoint says.
        dtype: of the merged weights, "bf16", "fp16" or "fp32"; "" for the base's own.

    Raises:
        UserError: no checkpoint, another base, an adapter that cannot be merged, or a merged model that says
            other things than the adapter; nothing is written then.
    """
    require_training_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError("there is something already", where=str(out), remedy="Name a new folder with --out.")
    made = read_checkpoint(checkpoint)
    found = locate_model(base or made.base_location, "" if base else made.base.revision)
    check_same_base(made, found.base)
    check_adapter(checkpoint, found.folder)
    check_prompt_encoding(made, found.folder)
    if faults := tied_weight_faults(
        load_json_object(checkpoint / ADAPTER_CONFIG), found.folder, str(checkpoint)
    ):
        raise UserError("this adapter cannot be merged", where=str(checkpoint), faults=faults)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
            folder = Path(work) / "model"
            record = _write(made, found, folder, dtype or _stored(found.folder), cpu=cpu, tell=on_message)
            if out.exists():
                out.rmdir()
            shutil.move(folder, out)
    except OSError as error:
        raise UserError("the merged model could not be written", where=str(out), found=str(error)) from error
    return record


def _write(
    made: Checkpoint, found: LocalModel, folder: Path, dtype: str, *, cpu: bool, tell: Callable[[str], None]
) -> dict[str, Any]:
    """The merged model's folder and its record, held against the adapter."""
    import torch

    device = "cpu" if cpu or not torch.cuda.is_available() else "cuda"
    tokenizer = load_tokenizer(made.path)
    probes = [tokenizer.encode(line) for line in corpus()[:PROBES]]
    unmerged, merged = _merged(found.folder, made.path, probes, device)
    _cast(merged, dtype)
    merged.save_pretrained(folder, safe_serialization=True)
    _keep_generation(found.folder, folder)
    _cast(merged, "fp32")  # the numbers stay; they are computed with like the others
    written = _logits(merged, probes)
    del merged
    _differs(found.folder, folder, dtype)
    again = LogitDifference.of(written, _logits(load_model(folder, "fp32", device).eval(), probes))
    _close_enough(again, "the folder, loaded again, is another model than was merged")
    cast = LogitDifference.of(unmerged, written)
    if not math.isfinite(cast.share):
        remedy = "Merge it with --dtype bf16 or fp32."
        raise UserError(f"{dtype} does not hold the merged weights", found="infinite logits", remedy=remedy)
    tell(
        f"merged in {dtype}; logits differ from the adapter's by at most {cast.largest:.2g} "
        f"({cast.share:.2g} of the largest)"
    )
    tokenizer.save_pretrained(folder)
    record = {
        "kind": "empathy-merged",
        "version": 1,
        "name": made.name,
        "checkpoint": made.id,
        "base": made.base.to_dict(),
        "weights": weights_id(folder),
        "dtype": dtype,
        "form": str(made.form),
        "rendering": made.record["rendering"],
        "largest_logit_difference": cast.largest,
        "relative_logit_difference": cast.share,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return record


def _merged(base: Path, checkpoint: Path, probes: list[list[int]], device: str) -> tuple[list[Any], Any]:
    """The unmerged model's logits, and the merged model in 32 bits.

    Raises:
        UserError: peft cannot merge this adapter, or the merged model says other things.
    """
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_model(base, "fp32", device), checkpoint).eval()
    before = _logits(model, probes)
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise UserError(
            "this adapter cannot be merged",
            where=str(checkpoint),
            found=str(error).split("\n", 1)[0][:300],
            remedy="Ask it beside its base: --with transformers.",
        ) from error
    what = "the merged model says other things than the adapter"
    _close_enough(LogitDifference.of(before, _logits(merged, probes)), what)
    return before, merged


def _cast(model: Any, dtype: str) -> None:
    """The weights in another dtype; what is computed beside them (rotary frequencies) stays in 32 bits."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch_dtype(dtype))


def _close_enough(difference: LogitDifference, what: str) -> None:
    if not difference.share <= TOLERANCE:
        found = f"logits differ by {difference.largest:.3g}, {difference.share:.3g} of the largest"
        raise UserError(what, found=found)


def _keep_generation(base: Path, folder: Path) -> None:
    """The base's generation_config.json as it stands, or none: what was not in the base is not added."""
    (folder / GENERATION).unlink(missing_ok=True)
    if (base / GENERATION).is_file():
        shutil.copyfile(base / GENERATION, folder / GENERATION)


def _differs(base: Path, folder: Path, dtype: str) -> None:
    """Make sure that what was merged is another model than its base.

    Raises:
        UserError: every weight is the base's: the update was lost on the way into this dtype.
    """
    from safetensors import safe_open

    of_dtype = torch_dtype(dtype)
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
    config = load_json_object(folder / "config.json")
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return {"bfloat16": "bf16", "float16": "fp16"}.get(stored, "fp32")
