"""Validation of base model folders, so that all loaders read the same weights.

transformers prefers `model.safetensors` to the shards of an index. vLLM prefers the index, and without one it
loads every safetensors file of the folder. transformers also applies an adapter that it finds in the base
model's folder. A folder is therefore accepted only if all loaders would read the same bytes:

    model.safetensors                          alone, or
    model.safetensors.index.json and its shards
    consolidated*.safetensors                  only beside an index (a second copy that no loader reads)

Files are read without torch. `check_loaded` checks what a loader reports, in the same way for all loaders.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from agents.files.faults import first_faults
from agents.model_files.safetensors_format import FETCH, Tensor, pointer_fault, read_header, tensors_equal

SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")
QUANTISED = ("quantization_config", "compression_config")
MAX_NAMES = 6
# Arguments of `from_pretrained` that every loader of this project uses, in addition to the dtype.
LOADING_OPTIONS: Mapping[str, Any] = {
    "use_safetensors": True,
    "local_files_only": True,
    "output_loading_info": True,
    "ignore_mismatched_sizes": True,  # `check_loaded` reports mismatches with all other faults
}
_READ = (CONFIG, INDEX, "generation_config.json")
_READ_OF_TOKENIZERS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
)
_ADAPTERS = ("adapter_config.json", "adapter_model.*")
_REMEDY = "Download the base model again or save it completely; otherwise random weights would be used."


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a base model, which are hashed and loaded, sorted by name.

    Raises:
        UserError: loaders would not all read the same weights; it lists every fault.
    """
    if faults := base_faults(folder):
        raise _unusable(folder, faults)
    return _candidates(folder, [])


def check_base(folder: Path) -> None:
    """Check that a base model has the weights and the tokenizer for training, merging and serving.

    Raises:
        UserError: it cannot be used; it lists every fault.
    """
    faults = base_faults(folder)
    for name in _READ_OF_TOKENIZERS:
        if (path := folder / name).is_file():
            faults += json_faults(path)
    for name in TOKENIZERS[1:3]:
        if (folder / name).is_file() and (fault := pointer_fault(folder / name)) is not None:
            faults.append(fault)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        remedy = f"Add one of: {', '.join(TOKENIZERS)}."
        faults.append(Fault("no tokenizer", str(folder), remedy=remedy, code="tokenizer.missing"))
    if faults:
        raise _unusable(folder, faults)


def base_faults(folder: Path) -> list[Fault]:
    """Return all faults of a base model's config and weights; [] if all loaders read the same bytes."""
    if not folder.is_dir():
        return [Fault("no such folder", str(folder), code="base-model.no-folder")]
    faults: list[Fault] = []
    for name in _READ:
        if (path := folder / name).is_file():
            faults += json_faults(path)
    if not (folder / CONFIG).is_file():
        remedy = f"Add the {CONFIG} of the base model."
        found = _list_folder(folder)
        faults.append(Fault(f"no {CONFIG}", str(folder), found, remedy, code="base-model.no-config"))
    elif not faults:
        faults += quantization_faults(
            json.loads((folder / CONFIG).read_text(encoding="utf-8")), str(folder / CONFIG)
        )
    for path in sorted(entry for pattern in _ADAPTERS for entry in folder.glob(pattern)):
        remedy = "Move the adapter elsewhere: transformers would apply it to the base and vLLM would not."
        what = "the base model's folder contains an adapter"
        faults.append(Fault(what, str(path), remedy=remedy, code="base-model.contains-adapter"))
    files = _candidates(folder, faults)
    faults += _file_faults(folder, files)
    return faults


def quantization_faults(config: Mapping[str, Any], where: str) -> list[Fault]:
    """Return a fault if a config.json belongs to a quantised model, else []."""
    inner = config.get("text_config")
    for part in (config, inner if isinstance(inner, dict) else {}):
        for key in QUANTISED:
            if settings := part.get(key):
                method = settings.get("quant_method", key) if isinstance(settings, dict) else key
                remedy = (
                    "Use the base model in its own dtype. To evaluate the quantised model as another author, "
                    "serve it yourself and name it vllm/NAME."
                )
                return [
                    Fault(
                        "the base model is quantised",
                        where,
                        str(method),
                        remedy,
                        code="base-model.quantised",
                    )
                ]
    return []


def check_loaded(folder: Path, info: Mapping[str, Any], model: Any) -> None:
    """Check that a loader used every tensor of the files and set every weight of the model from them.

    Args:
        info: the loading info of `from_pretrained(…, output_loading_info=True)`.
        model: the transformers model that it returned.

    Raises:
        UserError: weights are missing, unexpected or of the wrong shape, or tied weights differ.
    """
    names = {
        "weights are missing": [str(name) for name in info.get("missing_keys", ())],
        "weights are not part of the model": [str(name) for name in info.get("unexpected_keys", ())],
        "the shape of weights differs from the config": [
            f"{name} {list(found)}, needed {list(needed)}"
            for name, found, needed in info.get("mismatched_keys", ())
        ],
        "weights could not be loaded": [str(error) for error in info.get("error_msgs", ())],
    }
    faults = [
        Fault(what, str(folder), summarize_names(wrong), _REMEDY, code="base-model.weights-mismatch")
        for what, wrong in names.items()
        if wrong
    ]
    faults += _tied_weight_faults(folder, _tied_weights(model))
    if faults:
        raise UserError(
            "the weights do not match the model's config",
            code="base-model.weights-mismatch",
            where=str(folder),
            faults=faults,
        )


def tensors_of(files: Iterable[Path]) -> dict[str, tuple[Path, Tensor]]:
    """Return every tensor of a base model by name, with its file.

    Raises:
        UserError: a file is not a complete safetensors file.
    """
    return {name: (path, tensor) for path in files for name, tensor in read_header(path).items()}


def load_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file; {} if the file is missing or is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def summarize_names(names: Sequence[str]) -> str:
    """Return the first names and the number of the others: `a, b and 3 more`."""
    shown = ", ".join(sorted(names)[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"


def _candidates(folder: Path, faults: list[Fault]) -> list[Path]:
    """Return the weight files of the folder; add a fault if there are none or several sets of them."""
    present = sorted(file for file in folder.glob("*.safetensors") if not file.match("adapter_model.*"))
    index = folder / INDEX
    if index.is_file():
        files = _read_index(index, faults)
        others = [file for file in present if file not in files and not file.match("consolidated*")]
    else:
        files = [folder / SINGLE] if folder / SINGLE in present else []
        others = [file for file in present if file not in files]
    if not files and not (index.is_file() and faults):
        what, remedy = "no safetensors weights", f"Add {SINGLE}, or {INDEX} and its shards."
        found = _list_folder(folder)
        faults.append(Fault(what, str(folder), found, remedy, code="base-model.no-weights"))
    elif others:
        what, remedy = "the folder contains several sets of weights", "Move all but one set elsewhere."
        found = summarize_names([file.name for file in (*files, *others)])
        faults.append(Fault(what, str(folder), found, remedy, code="base-model.several-weights"))
    return files


def _read_index(index: Path, faults: list[Fault]) -> list[Path]:
    """Return the shards that an index names; add faults for invalid names and for missing files."""
    try:
        names = {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not any(fault.where == str(index) for fault in faults):
            what, found = "not an index of weights", f"{type(error).__name__}: {error}"
            faults.append(Fault(what, str(index), found, FETCH, code="base-model.invalid-index"))
        return []
    outside = sorted(name for name in names if Path(name).name != name or not name.endswith(".safetensors"))
    if outside:
        what, found = "the index names files outside the folder", summarize_names(outside)
        faults.append(Fault(what, str(index), found, code="base-model.invalid-index"))
    missing = sorted(name for name in names.difference(outside) if not (index.parent / name).is_file())
    if missing:
        what, found = "the index names missing shards", summarize_names(missing)
        faults.append(Fault(what, str(index), found, FETCH, code="base-model.missing-shards"))
    return [index.parent / name for name in sorted(names.difference(outside, missing))]


def _file_faults(folder: Path, files: Sequence[Path]) -> list[Fault]:
    """Return faults for incomplete files, repeated tensors, and tensors missing from their shards."""
    faults: list[Fault] = []
    file_of: dict[str, str] = {}
    for path in files:
        try:
            header = read_header(path)
        except UserError as error:
            faults.append(error.fault)
            continue
        repeated = [name for name in header if name in file_of]
        if repeated:
            what, found = "the shard repeats tensors of another shard", summarize_names(repeated)
            faults.append(Fault(what, str(path), found, code="base-model.repeated-tensors"))
        file_of |= dict.fromkeys(header, path.name)
    if faults or not (index := folder / INDEX).is_file() or not files:
        return faults
    weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    if wrong := [name for name, file in weight_map.items() if file_of.get(name) != file]:
        what, found = "the index names tensors that its shards do not contain", summarize_names(wrong)
        faults.append(Fault(what, str(index), found, FETCH, code="base-model.invalid-index"))
    return faults


def _tied_weights(model: Any) -> dict[str, str]:
    """Return the weights that a model's config ties: name → name of the weight it shares."""
    is_tied = getattr(model.config.get_text_config(), "tie_word_embeddings", False)
    return dict(model.get_expanded_tied_weights_keys()) if is_tied else {}


def _tied_weight_faults(folder: Path, tied: Mapping[str, str]) -> list[Fault]:
    """Return faults for weights that the config ties but that differ in the files.

    Some loaders tie such weights and others do not.
    """
    if not tied:
        return []
    tensors = tensors_of(weight_files(folder))
    return [
        Fault(
            "weights that the config ties differ in the file",
            str(folder),
            f"{name} and {source}",
            'Set "tie_word_embeddings": false in config.json, or remove the second weight.',
            code="base-model.tied-weights-differ",
        )
        for name, source in tied.items()
        if name in tensors and source in tensors and not tensors_equal(tensors[name], tensors[source])
    ]


def json_faults(path: Path) -> list[Fault]:
    """Return a fault if a file that loaders read is not a JSON object, else []."""
    if (fault := pointer_fault(path)) is not None:
        return [fault]
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [Fault("not JSON", str(path), str(error), FETCH, code="file.not-json")]
    if isinstance(value, dict):
        return []
    return [Fault("not a JSON object", str(path), type(value).__name__, code="file.not-object")]


def _unusable(folder: Path, faults: Sequence[Fault]) -> UserError:
    return UserError(
        "the base model cannot be used",
        code="base-model.unusable",
        where=str(folder),
        found=f"{len(faults)} faults" if len(faults) > 1 else "",
        faults=first_faults(faults),
    )


def _list_folder(folder: Path) -> str:
    """Return the first names in a folder, for error messages."""
    return ", ".join(sorted(entry.name for entry in folder.iterdir())[:MAX_NAMES]) or "an empty folder"
