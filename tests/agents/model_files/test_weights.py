"""Weight files of a base model: one unambiguous set, or all faults at once."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.errors import UserError
from agents.model_files.weights import (
    INDEX,
    SINGLE,
    base_faults,
    check_base,
    check_loaded,
    quantization_faults,
    weight_files,
)

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n"


def tensors(path: Path, *names: str, value: float = 1.0) -> Path:
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * at, 4 * at + 4]}
        for at, name in enumerate(names)
    }
    header_bytes = json.dumps(header).encode()
    path.write_bytes(
        struct.pack("<Q", len(header_bytes)) + header_bytes + struct.pack("<f", value) * len(names)
    )
    return path


def base_at(folder: Path, **config: Any) -> Path:
    """A base with its weights in one file."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    tensors(folder / SINGLE, "a", "b")
    return folder


def sharded_at(folder: Path) -> Path:
    """A base with its weights in two shards."""
    base_at(folder)
    (folder / SINGLE).unlink()
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for name, file in shards.items():
        tensors(folder / file, name)
    (folder / INDEX).write_text(json.dumps({"weight_map": shards}))
    return folder


def test_one_file_or_an_index_and_its_shards(tmp_path: Path) -> None:
    assert [file.name for file in weight_files(base_at(tmp_path / "one"))] == [SINGLE]
    sharded = sharded_at(tmp_path / "two")
    tensors(sharded / "consolidated.safetensors", "c")  # Mistral's second copy, which nobody reads
    (sharded / "pytorch_model.bin").write_bytes(b"pickle")
    assert [file.name for file in weight_files(sharded)] == [
        f"model-0000{n}-of-00002.safetensors" for n in (1, 2)
    ]


def _single_and_index(folder: Path) -> None:
    sharded_at(folder)
    tensors(folder / SINGLE, "a", "b", value=2.0)


def _two_single(folder: Path) -> None:
    tensors(base_at(folder) / "model.fp16.safetensors", "a", "b")


def _single_and_shards(folder: Path) -> None:
    tensors(base_at(folder) / "model-00001-of-00001.safetensors", "a", "b")


def _single_and_consolidated(folder: Path) -> None:
    tensors(base_at(folder) / "consolidated.safetensors", "a", "b")


def _left_over_shard(folder: Path) -> None:
    tensors(sharded_at(folder) / "model-00003-of-00003.safetensors", "c")


def _shards_without_index(folder: Path) -> None:
    (sharded_at(folder) / INDEX).unlink()


def _no_weights(folder: Path) -> None:
    (base_at(folder) / SINGLE).unlink()


def _pickles_alone(folder: Path) -> None:
    (base_at(folder) / SINGLE).rename(folder / "pytorch_model.bin")


def _stray_adapter_config(folder: Path) -> None:
    (base_at(folder) / "adapter_config.json").write_text("{}")


def _stray_adapter_weights(folder: Path) -> None:
    tensors(base_at(folder) / "adapter_model.safetensors", "x")


def _stray_adapter_pickle(folder: Path) -> None:
    (base_at(folder) / "adapter_model.bin").write_bytes(b"pickle")


def _missing_shard(folder: Path) -> None:
    (sharded_at(folder) / "model-00002-of-00002.safetensors").unlink()


def _tensor_twice(folder: Path) -> None:
    tensors(sharded_at(folder) / "model-00002-of-00002.safetensors", "b", "a")


def _index_of_another_set(folder: Path) -> None:
    tensors(sharded_at(folder) / "model-00002-of-00002.safetensors", "z")


def _index_outside(folder: Path) -> None:
    tensors(sharded_at(folder).parent / "elsewhere.safetensors", "b")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"b": "../elsewhere.safetensors"}}))


def _index_is_no_index(folder: Path) -> None:
    (sharded_at(folder) / INDEX).write_text('{"weight_map": ["a"]}')


def _pointer(name: str) -> Any:
    def make(folder: Path) -> None:
        (base_at(folder) / name).write_text(POINTER)

    return make


def _dangling(folder: Path) -> None:
    (base_at(folder) / SINGLE).unlink()
    (folder / SINGLE).symlink_to(folder / "nowhere")


WRONG = [
    _single_and_index,
    _two_single,
    _single_and_shards,
    _single_and_consolidated,
    _left_over_shard,
    _shards_without_index,
    _no_weights,
    _pickles_alone,
    _stray_adapter_config,
    _stray_adapter_weights,
    _stray_adapter_pickle,
    _missing_shard,
    _tensor_twice,
    _index_of_another_set,
    _index_outside,
    _index_is_no_index,
    _dangling,
    *map(_pointer, (SINGLE, INDEX, "config.json", "generation_config.json")),
]


@pytest.mark.parametrize("make", WRONG)
def test_ambiguous_weights_are_rejected(tmp_path: Path, make: Any) -> None:
    folder = tmp_path / "base"
    make(folder)
    assert base_faults(folder)
    with pytest.raises(UserError) as error:
        weight_files(folder)
    assert error.value.faults


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [POINTER, "", "<!doctype html>"])
def test_a_tokenizer_that_was_not_fetched(tmp_path: Path, name: str, content: str) -> None:
    folder = base_at(tmp_path / "base")
    (folder / "vocab.json").write_text("{}")
    check_base(folder)
    (folder / name).write_text(content)
    with pytest.raises(UserError) as error:
        check_base(folder)
    assert any(fault.where == str(folder / name) for fault in error.value.faults)


def test_every_fault_at_once_and_no_more_than_twenty(tmp_path: Path) -> None:
    folder = base_at(tmp_path / "base", quantization_config={"quant_method": "gptq"})
    (folder / "adapter_config.json").write_text("{}")
    tensors(folder / "other.safetensors", "a")
    assert len(base_faults(folder)) == 3
    for number in range(30):
        (folder / f"adapter_model.{number}").write_text("")
    with pytest.raises(UserError) as error:
        weight_files(folder)
    assert len(error.value.faults) == 21


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "fp8", "awq", "compressed-tensors", "mxfp4"])
@pytest.mark.parametrize("inner", [False, True])
def test_a_quantised_config(method: str, inner: bool) -> None:
    config = {"quantization_config": {"quant_method": method}}
    (fault,) = quantization_faults({"text_config": config} if inner else config, "config.json")
    assert fault.found == method
    assert not quantization_faults({"text_config": {}, "quantization_config": None}, "config.json")


def loaded(tie: bool, **info: Any) -> tuple[dict[str, Any], Any]:
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(tie_word_embeddings=tie))
    return info, SimpleNamespace(config=config, get_expanded_tied_weights_keys=lambda: {"head": "embeddings"})


@pytest.mark.parametrize("kind", ["missing_keys", "unexpected_keys"])
def test_what_a_loader_missed_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = base_at(tmp_path / "base")
    check_loaded(folder, *loaded(False, missing_keys=set(), unexpected_keys=[], mismatched_keys=[]))
    with pytest.raises(UserError, match=r"lm_head\.weight"):
        check_loaded(folder, *loaded(False, **{kind: {"lm_head.weight"}}))
    with pytest.raises(UserError, match=r"norm \[64\], needed \[128\]"):
        check_loaded(folder, *loaded(False, mismatched_keys={("norm", (64,), (128,))}))


def test_tied_weights_must_be_equal(tmp_path: Path) -> None:
    folder = base_at(tmp_path / "base")
    tensors(folder / SINGLE, "head", "embeddings")
    check_loaded(folder, *loaded(True))
    content = bytearray((folder / SINGLE).read_bytes())
    content[-1] ^= 1
    (folder / SINGLE).write_bytes(bytes(content))
    check_loaded(folder, *loaded(False))
    with pytest.raises(UserError, match="head and embeddings"):
        check_loaded(folder, *loaded(True))
