"""Loader of base models: folder, tokenizer, weights, and the device to train on.

Errors of the Hub, the disk and the GPU become `UserError`s with a remedy.
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

# Safetensors weights and small files; never pickles or a second copy of the weights in another format.
ALLOW_PATTERNS = ["*.safetensors", "*.json", "tokenizer*", "*.model", "*.jinja"]
IGNORE_PATTERNS = ["consolidated*", "original/*"]
# Below this size, threads spend more time waiting for each other than computing, especially on a busy
# machine. A single thread also gives the same sums on any number of cores.
SINGLE_THREAD_PARAMETERS = 10_000_000


@dataclass(frozen=True, slots=True)
class LocalModel:
    """Base model in a local folder."""

    folder: Path
    base: Base


def locate_model(name: str, revision: str = "") -> LocalModel:
    """Return the base model's folder and content identity; download it from the Hub if it is not a folder.

    Args:
        name: a folder, or a model's name on the Hub.
        revision: commit on the Hub; "" for the latest.

    Raises:
        UserError: the model cannot be found, downloaded or read.
    """
    if is_local_folder(name):
        return _identify(Path(name), name, revision)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(
            "base model not found",
            code="base-model.not-found",
            where="--base",
            found=repr(name),
            remedy="Pass a folder with config.json and safetensors, or a model on the Hub: owner/name.",
        )
    import huggingface_hub
    from huggingface_hub import errors

    try:
        snapshot = huggingface_hub.snapshot_download(
            name, revision=revision or None, allow_patterns=ALLOW_PATTERNS, ignore_patterns=IGNORE_PATTERNS
        )
    except errors.GatedRepoError as error:
        raise UserError(
            "base model requires accepting its licence",
            code="base-model.licence-required",
            where="--base",
            found=name,
            remedy=f"Accept the licence at https://huggingface.co/{name} and log in: hf auth login.",
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = "HF_HUB_OFFLINE is set and it is not in the cache" if hub_offline() else _first_line(error)
        raise UserError(
            "cannot download the base model",
            code="base-model.download-failed",
            where="--base",
            found=f"{name}: {reason}",
            remedy=f"Pass a local folder, or download it where there is a network: hf download {name}",
        ) from error
    folder = Path(snapshot)
    return _identify(folder, name, folder.name)


def _identify(folder: Path, name: str, revision: str) -> LocalModel:
    check_base(folder)
    return LocalModel(folder, Base(name, revision, weights_id(folder)))


def locate_tokenizer(name: str, revision: str = "") -> Path:
    """Return a folder with the base model's tokenizer, without downloading weights.

    Raises:
        UserError: the tokenizer cannot be downloaded.
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
    except Exception as error:  # of the Hub's client, the network or the disk: the remedy is the same
        raise UserError(
            "cannot download the tokenizer",
            code="tokenizer.download-failed",
            where="--base",
            found=_first_line(error),
            remedy="Pass a local folder, or check the model's name and the network.",
        ) from error


def load_tokenizer(folder: Path, vocabulary_size: int = 0) -> Any:
    """Load the tokenizer in a folder, with a padding token that the model has an embedding for.

    Args:
        vocabulary_size: embedding rows of the model; 0 if unknown.

    Raises:
        UserError: the tokenizer cannot be loaded, or has no end-of-sequence token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of two libraries and of Rust; the cause is always the files
        raise UserError(
            "cannot load the tokenizer",
            code="tokenizer.invalid",
            where=str(folder),
            found=_first_line(error),
            remedy="Download the model again, or copy its tokenizer files into the folder.",
        ) from error
    if tokenizer.eos_token is None:
        raise UserError(
            "tokenizer has no end-of-sequence token",
            code="tokenizer.no-end-token",
            where=str(folder),
            remedy="Set eos_token in its tokenizer_config.json.",
        )
    if tokenizer.pad_token is None or (vocabulary_size and tokenizer.pad_token_id >= vocabulary_size):
        # Padding is masked everywhere; the loss counts the real end-of-sequence token at the end.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def length_limits(folder: Path, max_length: int) -> LengthLimits:
    """Return the limits of the base model in `folder`, from its config and embedding shapes.

    Args:
        max_length: tokens that the training settings allow.

    Raises:
        UserError: the folder is no base model.
    """
    return LengthLimits(
        max_length, max_context_tokens(load_json_object(folder / CONFIG)), embedding_rows(layers_of(folder))
    )


def load_model(folder: Path, dtype: str, device: str) -> Any:
    """Load the base model with this dtype ("bf16", "fp16", "fp32") on this device.

    Raises:
        UserError: the weights cannot be loaded, or do not match the config.
    """
    import torch

    model = _load_checked(folder, dtype=torch_dtype(dtype))
    if device == "cpu" and sum(weight.numel() for weight in model.parameters()) < SINGLE_THREAD_PARAMETERS:
        torch.set_num_threads(1)
    return model.to(device)


def torch_dtype(name: str) -> Any:
    """Return torch's dtype for "bf16", "fp16" or "fp32"."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


def check_weights(folder: Path) -> None:
    """Check that the files hold exactly the weights of the model, without reading the weights.

    Nothing is checked if torch, transformers or accelerate is not installed.

    Raises:
        UserError: names weights that are missing, unknown or of another shape.
    """
    if all(find_spec(name) is not None for name in ("torch", "transformers", "accelerate")):
        _load_checked(folder, device_map="meta")


def _load_checked(folder: Path, **options: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    weight_files(folder)
    logging.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # `check_loaded` reports missing weights by name
    try:
        model, info = AutoModelForCausalLM.from_pretrained(folder, **LOADING_OPTIONS, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UserError(
            "cannot load the base model",
            code="base-model.load-failed",
            where=str(folder),
            found=_first_line(error),
            remedy="Download the model again, or check its config.json.",
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    check_loaded(folder, info, model)
    model.generation_config = token_ids_only(model.generation_config)
    return model


def token_ids_only(generation_config: Any) -> Any:
    """Return a generation config with only the ids of the BOS, EOS and padding tokens.

    Other values of the base model's file (beams, forbidden words, minimum length) would change responses
    without being part of a preset.
    """
    from transformers import GenerationConfig

    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(generation_config, name, None) for name in names})


def select_device(dtype: str, *, cpu: bool = False) -> str:
    """Return "cuda" if a GPU is available and allowed, else "cpu".

    Args:
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: the GPU does not support bf16.
    """
    import torch

    if cpu or not torch.cuda.is_available():
        return "cpu"
    if dtype == "bf16" and not torch.cuda.is_bf16_supported():
        raise UserError(
            "GPU does not support bf16",
            code="hardware.no-bf16",
            where="--dtype",
            remedy="Train with --dtype fp16 (recorded as a departure from the paper).",
        )
    return "cuda"


def resolve_form(choice: str, tokenizer: Tokenizer) -> PromptStyle:
    """Return the prompt style for "plain", "chat", or "auto" (the tokenizer's default).

    Raises:
        UserError: "chat" with a tokenizer that has no chat template.
    """
    if choice == "auto":
        return default_style(tokenizer)
    if choice == PromptStyle.CHAT and not tokenizer.chat_template:
        raise UserError(
            "tokenizer has no chat template",
            code="chat-template.missing",
            where="--form",
            found="chat",
            remedy="Train a base model with --form plain.",
        )
    return PromptStyle(choice)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
