"""Find a base model and load what of it is needed: its folder, tokenizer, weights; and the device.

Errors of the Hub, of the disk and of the card become words that say what to do. Knows nothing of data.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.errors import UserError
from agents.model_files.chat_template import Tokenizer
from agents.model_files.decoder_config import max_context_tokens
from agents.model_files.layers import embedding_rows, layers_of
from agents.model_files.weights import (
    CONFIG,
    LOADING_OPTIONS,
    check_base,
    check_loaded,
    load_json_object,
    weight_files,
)
from agents.student_prompt import PromptStyle, default_style
from finetune.checkpoint import Base, weights_id
from finetune.dependencies import hub_offline, is_local_folder
from finetune.tokenization import LengthLimits

# Weights as safetensors and the small files; never pickles, never a repository's second set of weights.
ALLOW_PATTERNS = ["*.safetensors", "*.json", "tokenizer*", "*.model", "*.jinja"]
IGNORE_PATTERNS = ["consolidated*", "original/*"]
# With fewer than these threads wait for each other longer than they compute, and very much longer where the
# machine has other work. One thread also gives the same sums however many cores there are.
SINGLE_THREAD_PARAMETERS = 10_000_000


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A base model on this machine."""

    folder: Path
    base: Base


def locate_model(name: str, revision: str = "") -> LocalModel:
    """The base's folder, from the Hub where it is not one already, and its identity by content.

    Raises:
        UserError: it cannot be found, fetched or read.
    """
    if is_local_folder(name):
        return _located(Path(name), name, revision)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        remedy = "Name a folder with config.json and safetensors, or a model on the Hub: owner/name."
        raise UserError("there is no such model folder", where="--base", found=repr(name), remedy=remedy)
    import huggingface_hub
    from huggingface_hub import errors

    try:
        found = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=ALLOW_PATTERNS, ignore_patterns=IGNORE_PATTERNS
        )
    except errors.GatedRepoError as error:
        remedy = f"Accept its licence at https://huggingface.co/{name} and log in: hf auth login."
        raise UserError("the base is behind a licence", where="--base", found=name, remedy=remedy) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError, ValueError) as error:
        why = "HF_HUB_OFFLINE is set and it is not in the cache" if hub_offline() else _first_line(error)
        remedy = "Name a folder on this machine, or fetch it where there is a network: hf download " + name
        raise UserError(
            "the base cannot be had", where="--base", found=f"{name}: {why}", remedy=remedy
        ) from error
    folder = Path(found)
    return _located(folder, name, folder.name)


def _located(folder: Path, name: str, revision: str) -> LocalModel:
    check_base(folder)
    return LocalModel(folder, Base(name, revision, weights_id(folder)))


def locate_tokenizer(name: str, revision: str = "") -> Path:
    """A folder with the base's tokenizer, its weights not needed.

    Raises:
        UserError: it cannot be had.
    """
    if is_local_folder(name):
        return Path(name)
    import huggingface_hub

    try:
        patterns = [pattern for pattern in ALLOW_PATTERNS if pattern != "*.safetensors"]
        return Path(
            huggingface_hub.snapshot_download(
                name, revision=revision or None, allow_patterns=patterns, ignore_patterns=IGNORE_PATTERNS
            )
        )
    except Exception as error:  # of the Hub's client, of the network, of the disk: the same remedy
        raise UserError("the tokenizer cannot be had", where="--base", found=_first_line(error)) from error


def load_tokenizer(folder: Path, words: int = 0) -> Any:
    """The tokenizer in a folder; what pads is a token that the model has a row for.

    Args:
        words: rows of the model's embeddings; 0 where they are not known.

    Raises:
        UserError: there is none, or it has no end of sequence.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of two libraries and of Rust: whatever it is, it is the files' fault
        raise UserError("no tokenizer can be loaded", where=str(folder), found=_first_line(error)) from error
    if tokenizer.eos_token is None:
        raise UserError("the tokenizer has no end-of-sequence token", where=str(folder))
    if tokenizer.pad_token is None or (words and tokenizer.pad_token_id >= words):
        # padding is masked everywhere; the last real one is learned
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def length_limits(folder: Path, max_length: int) -> LengthLimits:
    """What rows the base in `folder` can take, by its config and the shapes of its embeddings.

    Raises:
        UserError: the folder is no base.
    """
    return LengthLimits(
        max_length, max_context_tokens(load_json_object(folder / CONFIG)), embedding_rows(layers_of(folder))
    )


def load_model(folder: Path, dtype: str, device: str) -> Any:
    """The base's weights in this dtype ("bf16", "fp16", "fp32") on this device.

    Raises:
        UserError: they cannot be loaded, or are not those of the model that the config describes.
    """
    import torch

    model = _loaded(folder, dtype=torch_dtype(dtype))
    if device == "cpu" and sum(one.numel() for one in model.parameters()) < SINGLE_THREAD_PARAMETERS:
        torch.set_num_threads(1)
    return model.to(device)


def torch_dtype(name: str) -> Any:
    """torch's dtype of "bf16", "fp16" or "fp32"."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


def check_weights(folder: Path) -> None:
    """Make sure that the folder's files hold every weight of the model, and no others; none is read.

    Where transformers and accelerate are not installed, nothing is looked at.

    Raises:
        UserError: weights are missing, not known or of another shape, by name.
    """
    if all(find_spec(name) is not None for name in ("torch", "transformers", "accelerate")):
        _loaded(folder, device_map="meta")


def _loaded(folder: Path, **options: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    weight_files(folder)
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # what is missing is told below, by name
    try:
        model, info = AutoModelForCausalLM.from_pretrained(folder, **LOADING_OPTIONS, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError("the base cannot be loaded", where=str(folder), found=_first_line(error)) from error
    finally:
        logging.set_verbosity(verbosity)
    check_loaded(folder, info, model)
    model.generation_config = token_ids_only(model.generation_config)
    return model


def token_ids_only(told: Any) -> Any:
    """A base's generation config without what would change answers unasked: the ids of its marks alone.

    What its file says beside them (beams, words that are forbidden, a least length) is no part of any preset.
    """
    from transformers import GenerationConfig

    marks = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(told, name, None) for name in marks})


def select_device(dtype: str, *, cpu: bool = False) -> str:
    """ "cuda" where there is a card that can do this dtype, else "cpu".

    Raises:
        UserError: the card cannot do bf16.
    """
    import torch

    if cpu or not torch.cuda.is_available():
        return "cpu"
    if dtype == "bf16" and not torch.cuda.is_bf16_supported():
        raise UserError(
            "this card cannot compute in bf16", remedy="Train with --dtype fp16 (a recorded departure)."
        )
    return "cuda"


def resolve_form(wanted: str, tokenizer: Tokenizer) -> PromptStyle:
    """The form to train in: as said, or what the tokenizer suggests for "auto".

    Raises:
        UserError: chat was asked of a tokenizer without a chat template.
    """
    if wanted == "auto":
        return default_style(tokenizer)
    if wanted == PromptStyle.CHAT and not tokenizer.chat_template:
        remedy = "A base model is trained in plain form: --form plain."
        raise UserError("the tokenizer has no chat template", where="--form", found="chat", remedy=remedy)
    return PromptStyle(wanted)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
