"""Which files make up a base model, and whether they are one model: the same for every loader.

transformers takes `model.safetensors` before an index's shards, vLLM the index, and without one every
safetensors file in the folder; transformers also puts an adapter that lies in a base's folder on the base. A
folder is therefore a base only where all of them would read the same bytes:

    model.safetensors                          alone, or
    model.safetensors.index.json and its shards
    consolidated*.safetensors                  beside an index alone (a second copy that nobody reads)

Reads files without torch. What a loader found missing is judged here too, so that each refuses alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.errors import Fault, UserError
from agents.model_files.safetensors_format import FETCH, Tensor, pointer_fault, read_header, tensors_equal

SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")
QUANTISED = ("quantization_config", "compression_config")
MAX_FAULTS = 20
MAX_NAMES = 6
# What every loader that is used here is told, beside the dtype: nothing but these files, and what it missed.
LOADING_OPTIONS: Mapping[str, Any] = {
    "use_safetensors": True,
    "local_files_only": True,
    "output_loading_info": True,
    "ignore_mismatched_sizes": True,  # told by name with all else that is wrong, not raised at the first
}
_READ = (CONFIG, INDEX, "generation_config.json")
_READ_OF_TOKENIZERS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
)
_ADAPTERS = ("adapter_config.json", "adapter_model.*")
_RANDOM = "Such weights would be filled with random numbers: fetch the base again, or save it whole."


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model, those that are hashed and loaded, sorted by name.

    Raises:
        UserError: the folder is no base that every loader reads alike; every fault at once.
    """
    if faults := base_faults(folder):
        raise _unusable(folder, faults)
    return _candidates(folder, [])


def check_base(folder: Path) -> None:
    """Make sure that a folder is a base that can be trained, merged and served: weights and tokenizer.

    Raises:
        UserError: every fault at once.
    """
    faults = base_faults(folder)
    for name in _READ_OF_TOKENIZERS:
        if (path := folder / name).is_file():
            faults += json_faults(path)
    for name in TOKENIZERS[1:3]:
        if (folder / name).is_file() and (fault := pointer_fault(folder / name)) is not None:
            faults.append(fault)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        remedy = f"It needs one of: {', '.join(TOKENIZERS)}."
        faults.append(Fault("has no tokenizer", str(folder), remedy=remedy))
    if faults:
        raise _unusable(folder, faults)


def base_faults(folder: Path) -> list[Fault]:
    """Everything that is wrong with a base's config and weights; [] for what every loader reads alike."""
    if not folder.is_dir():
        return [Fault("there is no such folder", str(folder))]
    faults: list[Fault] = []
    for name in _READ:
        if (path := folder / name).is_file():
            faults += json_faults(path)
    if not (folder / CONFIG).is_file():
        faults.append(Fault(f"has no {CONFIG}", str(folder), _listed(folder), "A base needs one."))
    elif not faults:
        faults += quantization_faults(
            json.loads((folder / CONFIG).read_text(encoding="utf-8")), str(folder / CONFIG)
        )
    for path in sorted(entry for pattern in _ADAPTERS for entry in folder.glob(pattern)):
        remedy = "Move it elsewhere: transformers would put it on the base, and vLLM would not."
        faults.append(Fault("an adapter lies in the base's folder", str(path), remedy=remedy))
    files = _candidates(folder, faults)
    faults += _file_faults(folder, files)
    return faults


def quantization_faults(config: Mapping[str, Any], where: str) -> list[Fault]:
    """Whether a config.json is a quantised model's, as a fault; [] for one in its own dtype."""
    inner = config.get("text_config")
    for part in (config, inner if isinstance(inner, dict) else {}):
        for key in QUANTISED:
            if told := part.get(key):
                method = told.get("quant_method", key) if isinstance(told, dict) else key
                remedy = (
                    "Name the base in its own dtype. A quantised model is another author: serve it yourself "
                    "and ask it as vllm/NAME."
                )
                return [
                    Fault("the base is quantised, and never stands for the base", where, str(method), remedy)
                ]
    return []


def check_loaded(folder: Path, info: Mapping[str, Any], model: Any) -> None:
    """Make sure that a loader took every tensor of the files, and filled every weight from them.

    Args:
        info: what `from_pretrained(…, output_loading_info=True)` gives back.
        model: what it gives back beside that, of transformers.

    Raises:
        UserError: weights are missing, not known, or of another shape; a tied weight differs from the one
            that it should be.
    """
    names = {
        "weights that the model needs are missing": [str(name) for name in info.get("missing_keys", ())],
        "weights that the model does not know": [str(name) for name in info.get("unexpected_keys", ())],
        "weights of another shape than the config says": [
            f"{name} {list(found)}, needed {list(needed)}"
            for name, found, needed in info.get("mismatched_keys", ())
        ],
        "weights that could not be read": [str(error) for error in info.get("error_msgs", ())],
    }
    faults = [
        Fault(what, str(folder), summarize_names(wrong), _RANDOM if wrong else "")
        for what, wrong in names.items()
        if wrong
    ]
    faults += _untied(folder, _tied(model))
    if faults:
        raise UserError("the base's weights are not those of its model", where=str(folder), faults=faults)


def tensors_of(files: Iterable[Path]) -> dict[str, tuple[Path, Tensor]]:
    """Every tensor of a base by name, with the file that it is in.

    Raises:
        UserError: a file is no whole safetensors file.
    """
    return {name: (path, tensor) for path in files for name, tensor in read_header(path).items()}


def load_json_object(path: Path) -> dict[str, Any]:
    """A JSON object in a file; {} where there is none, or something else."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def summarize_names(names: Sequence[str]) -> str:
    """A few names, and how many more there are: `a, b and 3 more`."""
    shown = ", ".join(sorted(names)[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"


def _candidates(folder: Path, faults: list[Fault]) -> list[Path]:
    """The files of the one candidate set; where there are several or none, a fault is added."""
    there = sorted(file for file in folder.glob("*.safetensors") if not file.match("adapter_model.*"))
    index = folder / INDEX
    if index.is_file():
        files = _indexed(index, faults)
        others = [file for file in there if file not in files and not file.match("consolidated*")]
    else:
        files = [folder / SINGLE] if folder / SINGLE in there else []
        others = [file for file in there if file not in files]
    if not files and not (index.is_file() and faults):
        remedy = f"A base needs {SINGLE}, or {INDEX} and its shards."
        faults.append(
            Fault("has no safetensors weights that are loaded by name", str(folder), _listed(folder), remedy)
        )
    elif others:
        remedy = "Loaders would choose different ones: move all but one set elsewhere."
        found = summarize_names([file.name for file in (*files, *others)])
        faults.append(Fault("several sets of weights lie in one folder", str(folder), found, remedy))
    return files


def _indexed(index: Path, faults: list[Fault]) -> list[Path]:
    """The shards that an index names, each once; faults for those that are no names, or not there."""
    try:
        names = {str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not any(fault.where == str(index) for fault in faults):
            faults.append(
                Fault("is no index of weights", str(index), f"{type(error).__name__}: {error}", FETCH)
            )
        return []
    outside = sorted(name for name in names if Path(name).name != name or not name.endswith(".safetensors"))
    if outside:
        faults.append(
            Fault("names files that are none of this folder's", str(index), summarize_names(outside))
        )
    missing = sorted(name for name in names.difference(outside) if not (index.parent / name).is_file())
    if missing:
        faults.append(Fault("names shards that are not there", str(index), summarize_names(missing), FETCH))
    return [index.parent / name for name in sorted(names.difference(outside, missing))]


def _file_faults(folder: Path, files: Sequence[Path]) -> list[Fault]:
    """Files that are not whole, tensors that two files hold, tensors that the index places wrongly."""
    faults: list[Fault] = []
    place: dict[str, str] = {}
    for path in files:
        try:
            header = read_header(path)
        except UserError as error:
            faults.append(error.fault)
            continue
        twice = [name for name in header if name in place]
        if twice:
            faults.append(
                Fault("holds tensors that another shard holds too", str(path), summarize_names(twice))
            )
        place |= dict.fromkeys(header, path.name)
    if faults or not (index := folder / INDEX).is_file() or not files:
        return faults
    told = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    if wrong := [name for name, file in told.items() if place.get(name) != file]:
        faults.append(
            Fault("names tensors that its shards do not hold", str(index), summarize_names(wrong), FETCH)
        )
    return faults


def _tied(model: Any) -> dict[str, str]:
    """The weights that a model takes from others by its config: name → the other's name."""
    is_tied = getattr(model.config.get_text_config(), "tie_word_embeddings", False)
    names = getattr(model, "_tied_weights_keys", None)
    return dict(names) if is_tied and isinstance(names, dict) else {}


def _untied(folder: Path, tied: Mapping[str, str]) -> list[Fault]:
    """Weights that the config ties and the files hold twice, differently: one loader ties them, one not."""
    if not tied:
        return []
    there = tensors_of(weight_files(folder))
    return [
        Fault(
            "two weights are one by the config, and differ in the file",
            str(folder),
            f"{name} and {source}",
            'Say "tie_word_embeddings": false in config.json, or leave the second one out.',
        )
        for name, source in tied.items()
        if name in there and source in there and not tensors_equal(there[name], there[source])
    ]


def json_faults(path: Path) -> list[Fault]:
    """Whether a file that loaders read is there as JSON."""
    if (fault := pointer_fault(path)) is not None:
        return [fault]
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [Fault("is no JSON", str(path), str(error), FETCH)]
    return [] if isinstance(told, dict) else [Fault("must be a JSON object", str(path), type(told).__name__)]


def _unusable(folder: Path, faults: Sequence[Fault]) -> UserError:
    more = len(faults) - MAX_FAULTS
    return UserError(
        "this is no base model that can be used",
        where=str(folder),
        found=f"{len(faults)} faults" if len(faults) > 1 else "",
        faults=[*faults[:MAX_FAULTS], *([Fault(f"and {more} more")] if more > 0 else [])],
    )


def _listed(folder: Path) -> str:
    return ", ".join(sorted(entry.name for entry in folder.iterdir())[:MAX_NAMES]) or "an empty folder"
