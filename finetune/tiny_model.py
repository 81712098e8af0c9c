"""Tiny students, built on the spot from nothing: for the demo, for tests, for trying a recipe.

Two kinds, each with a tokenizer of the real model's type, trained here on a page of plain text:

    llama      byte-level BPE with LLaMA-3's splitting, BOS put by the tokenizer
    mistral    BPE over "▁" pieces with byte fallback, as Mistral's and LLaMA-2's, BOS likewise

About half a million parameters of noise: a tiny student can be trained, served and merged like a real one
and says nothing of worth. Deterministic: the same seed gives the same bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agents.errors import UserError
from finetune.dependencies import require_training_libraries
from prompts import Library

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

TokenizerKind = Literal["llama", "mistral"]
KINDS: tuple[TokenizerKind, ...] = ("llama", "mistral")
VOCABULARY = 1024
CONTEXT = 2048
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# LLaMA 3's way of cutting text into words before merging, as its tokenizer.json states it.
LLAMA_3_SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATES = {  # the shape of the families' own: BOS in the text, the end of sequence ends a turn
    "llama": "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    "mistral": "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "[INST] {{ m['content'] }}[/INST]{% else %} {{ m['content'] | trim }}{{ eos_token }}\n"
    "{% endif %}{% endfor %}",
}


def build_tiny_model(
    folder: Path, kind: TokenizerKind = "llama", *, chat: bool = False, seed: int = 1
) -> Path:
    """Write a tiny student's folder: config, safetensors weights, tokenizer.

    Args:
        folder: must not exist yet, or be empty.
        chat: with a chat template, as an instruct model has.

    Raises:
        UserError: the folder holds something, the kind is unknown, or the libraries are missing.
    """
    if kind not in KINDS:
        raise UserError(
            "no such kind", where="--kind", found=repr(kind), remedy=f"Choose: {', '.join(KINDS)}."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "there is something already", where=str(folder), remedy="Name a new folder with --out."
        )
    require_training_libraries()
    import torch

    tokenizer = build_tokenizer(kind, chat=chat)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _model(kind, tokenizer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        made = Path(work) / "model"
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        if folder.exists():
            folder.rmdir()
        shutil.move(made, folder)
    return folder


def build_tokenizer(
    kind: TokenizerKind, *, chat: bool = False, legacy: bool = False
) -> PreTrainedTokenizerBase:
    """A tokenizer of the real model's type with about `VOCABULARY` tokens.

    Args:
        legacy: Mistral-type only: the older form, which puts a space before any text it is given.
    """
    from transformers import PreTrainedTokenizerFast

    made = _llama_tokenizer() if kind == "llama" else _mistral_tokenizer(legacy)
    if kind == "llama":
        names = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>" if chat else "<|end_of_text|>"}
    else:
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    options: dict[str, Any] = {"model_max_length": CONTEXT, "clean_up_tokenization_spaces": False}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **names, **options)
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATES[kind]
    return tokenizer


def corpus() -> list[str]:
    """What the tokenizers are trained on: our own plain text and our own prompts, line by line."""
    general = resources.files("finetune").joinpath("general.txt").read_text(encoding="utf-8")
    said = [turn for prompt in Library() for turn in prompt.turns]
    return [line for text in (general, *said) for line in text.split("\n") if line]


def _llama_tokenizer() -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    special = [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
    ]
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3_SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), _begins_with(tokenizer, "<|begin_of_text|>")]
    )
    return tokenizer


def _mistral_tokenizer(legacy: bool) -> Tokenizer:
    import json

    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = ["<unk>", "<s>", "</s>"]
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(names), show_progress=False)
    trained.train_from_iterator(corpus(), trainer)
    learned = json.loads(trained.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    vocabulary = {name: number for number, name in enumerate([*names, *pieces])}
    merges = [tuple(pair) for pair in learned["merges"]]
    model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    tokenizer.post_processor = _begins_with(tokenizer, "<s>")
    return tokenizer


def _begins_with(tokenizer: Tokenizer, token: str) -> Any:
    from tokenizers import processors

    return processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A {token}:1 $B:1",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def _model(kind: TokenizerKind, tokenizer: PreTrainedTokenizerBase) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    common: dict[str, Any] = {
        **SHAPE,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": False,
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**common))
    return MistralForCausalLM(MistralConfig(**common, sliding_window=None))
