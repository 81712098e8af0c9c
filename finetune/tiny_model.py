"""Tiny base models with random weights, for the demo, for tests and for trying settings.

There are two kinds, each with a tokenizer of the real model's type, trained here on a page of plain text:

    llama      byte-level BPE with LLaMA-3's splitting; the tokenizer adds BOS
    mistral    BPE over "▁" pieces with byte fallback, as in Mistral and LLaMA-2; the tokenizer adds BOS

A tiny model has about half a million parameters. It can be trained, served and merged like a real one, but
its responses are noise. The same seed gives the same bytes.
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
# LLaMA 3's pattern for splitting text into words before merging, from its tokenizer.json.
LLAMA_3_SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATES = {  # structured like those of the real models: BOS in the text, end of sequence after a turn
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
    """Write a tiny model's folder (config, safetensors weights, tokenizer) and return it.

    Args:
        folder: must not exist yet, or be empty.
        chat: add a chat template, as instruct models have.
        seed: seed of the random weights.

    Raises:
        UserError: the folder is not empty, the kind is unknown, or libraries are missing.
    """
    if kind not in KINDS:
        raise UserError(
            "unknown kind of tiny model",
            code="base-model.unknown-kind",
            where="--kind",
            found=repr(kind),
            remedy=f"Choose one of: {', '.join(KINDS)}.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "output folder is not empty",
            code="file.exists",
            where=str(folder),
            remedy="Pass a new folder with --out.",
        )
    require_training_libraries()
    import torch

    tokenizer = build_tokenizer(kind, chat=chat)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _random_model(kind, tokenizer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        unfinished = Path(work) / "model"
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if folder.exists():
            folder.rmdir()
        shutil.move(unfinished, folder)
    return folder


def build_tokenizer(
    kind: TokenizerKind, *, chat: bool = False, legacy: bool = False
) -> PreTrainedTokenizerBase:
    """Return a tokenizer of the real model's type with about `VOCABULARY` tokens.

    Args:
        chat: add a chat template.
        legacy: Mistral-type only: the older version, which puts a space before any text.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer_object = _llama_tokenizer() if kind == "llama" else _mistral_tokenizer(legacy)
    if kind == "llama":
        names = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>" if chat else "<|end_of_text|>"}
    else:
        names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    options: dict[str, Any] = {"model_max_length": CONTEXT, "clean_up_tokenization_spaces": False}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer_object, **names, **options)
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATES[kind]
    return tokenizer


def corpus() -> list[str]:
    """Return the training text of the tokenizers as lines: a page of plain text and the prompts."""
    general = resources.files("finetune").joinpath("general.txt").read_text(encoding="utf-8")
    prompts = [turn for prompt in Library() for turn in prompt.turns]
    return [line for text in (general, *prompts) for line in text.split("\n") if line]


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
        [processors.ByteLevel(trim_offsets=False), _prepend_token(tokenizer, "<|begin_of_text|>")]
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
    tokenizer.post_processor = _prepend_token(tokenizer, "<s>")
    return tokenizer


def _prepend_token(tokenizer: Tokenizer, token: str) -> Any:
    from tokenizers import processors

    return processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A {token}:1 $B:1",
        special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def _random_model(kind: TokenizerKind, tokenizer: PreTrainedTokenizerBase) -> Any:
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
