"""Forgetting and collapse: a short check after training, the same for every student.

On dialogues kept out of training (or, where none were kept, on a slice of the rows trained on, and said
so): loss of the base, of the parent and of the student; length of what it generates, share that hit the
token limit, share of distinct responses. On a page of plain text about bicycles and bread: the loss again,
against the base. A student that forgot shows there; one that says the same to everybody shows in `distinct`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from agents.model_files.chat_template import Tokenizer
from agents.student_prompt import PromptFormat, strip_completion
from agents.text_extraction import strip_thinking
from finetune.dataset_reader import DatasetFolder, Example

DIALOGUES = 16
NEW_TOKENS = 128
BATCH = 4
MAX_LOSS_RISE = math.log(
    1.25
)  # a perplexity on general text a quarter higher than the base's is worth a word
MIN_DISTINCT_SHARE = 0.5
MAX_TRUNCATED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class PostTrainingCheck:
    """What the check found; losses are means per token in nats, shares are in [0, 1].

    Attributes:
        slice: "held out" or "trained on".  dialogues: how many were asked.
        loss_base, loss_parent, loss: of the human-chosen text of the slice, under the base, the model that
            training began from, and the student.
        general_base, general: of the plain text, under the base and the student.
        words: mean words of a generated response.  cut: share that reached `new_tokens`.
        distinct: different responses / responses.
        warnings: what a reader should look at, in words.
    """

    slice: str
    dialogues: int
    loss_base: float
    loss_parent: float
    loss: float
    general_base: float
    general: float
    words: float
    cut: float
    distinct: float
    new_tokens: int
    warnings: tuple[str, ...]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> PostTrainingCheck | None:
        """What stands in a checkpoint's record; None where nothing was checked.

        >>> Health.of(read_checkpoint(folder).record).distinct
        """
        told = record.get("health")
        return cls(**{**told, "warnings": tuple(told["warnings"])}) if told else None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a checkpoint's record."""
        return {**asdict(self), "warnings": list(self.warnings)}


def select_check_examples(
    data: DatasetFolder,
    seed: int,
    dialogues: int = DIALOGUES,
    fits: Callable[[Example], bool] = lambda one: True,
) -> tuple[str, tuple[Example, ...]]:
    """Which dialogues are asked, one row each: held-out ones where there are any; and what they are.

    Args:
        fits: whether the base has room for a row; others are not asked.
    """
    all_held = [*data.held_out_sft, *(Example(p.dialogue, p.turn, p.chosen) for p in data.held_out_dpo)]
    all_trained = [*data.sft, *(Example(pair.dialogue, pair.turn, pair.chosen) for pair in data.dpo)]
    held, trained = list(filter(fits, all_held)), list(filter(fits, all_trained))
    rows = {one.dialogue: one for one in held or trained}  # the last row of a dialogue: the improved response
    names = sorted(rows)
    chosen = random.Random(seed).sample(names, min(dialogues, len(names)))
    return ("held out" if held else "trained on"), tuple(rows[name] for name in chosen)


def run_post_training_check(
    model: Any,
    tokenizer: Any,
    rendering: PromptFormat,
    data: DatasetFolder,
    seed: int,
    *,
    parent: str = "",
    new_tokens: int = NEW_TOKENS,
    context: int = 0,
) -> PostTrainingCheck:
    """Check a peft model whose `default` adapter is the student.

    Args:
        context: the longest sequence that the base was made for, in tokens; 0 where that is not known.
        parent: name of the adapter that training began from; "" where it began from the base.
    """
    most = context or math.inf

    def fits(one: Example) -> bool:
        return len(_ids(tokenizer, rendering, one)[1]) <= most

    name, examples = select_check_examples(data, seed, fits=fits)
    texts = [_ids(tokenizer, rendering, one) for one in examples]
    general = [(0, ids[: context or len(ids)]) for ids in _general(tokenizer)]
    with _asking(model):
        loss, loss_general = mean_loss(model, texts), mean_loss(model, general)
        with model.disable_adapter():
            loss_base, general_base = mean_loss(model, texts), mean_loss(model, general)
        loss_parent = loss_base
        if parent:
            with _as(model, parent):
                loss_parent = mean_loss(model, texts)
        said = generate(model, tokenizer, rendering, [one.turn for one in examples], new_tokens, context)
    responses = [text for text, _ in said]
    words = sum(len(text.split()) for text in responses) / max(len(responses), 1)
    cut = sum(ended for _, ended in said) / max(len(said), 1)
    distinct = len(set(responses)) / max(len(responses), 1)
    return PostTrainingCheck(
        slice=name,
        dialogues=len(examples),
        loss_base=round(loss_base, 4),
        loss_parent=round(loss_parent, 4),
        loss=round(loss, 4),
        general_base=round(general_base, 4),
        general=round(loss_general, 4),
        words=round(words, 1),
        cut=round(cut, 3),
        distinct=round(distinct, 3),
        new_tokens=new_tokens,
        warnings=check_warnings(loss_general - general_base, loss - loss_base, distinct, cut),
    )


def check_warnings(general_rise: float, loss_rise: float, distinct: float, cut: float) -> tuple[str, ...]:
    """What is worth a word. Rises are in nats per token against the base."""
    found = []
    if not all(math.isfinite(value) for value in (general_rise, loss_rise)):
        found.append("a loss is not a number")
    if general_rise > MAX_LOSS_RISE:
        times = math.exp(min(general_rise, 50))
        found.append(f"forgetting: perplexity on general text is {times:.2f} times the base's")
    if loss_rise > 0:
        found.append("the loss on empathic responses is above the base's")
    if distinct < MIN_DISTINCT_SHARE:
        found.append(f"collapse: only {distinct:.0%} of the responses are different ones")
    if cut > MAX_TRUNCATED_SHARE:
        found.append(f"{cut:.0%} of the responses did not end before the limit")
    return tuple(found)


def mean_loss(model: Any, rows: Sequence[tuple[int, Sequence[int]]]) -> float:
    """Mean loss per token in nats; of each row (start, ids) the tokens from `start` on count."""
    import torch

    total, count = 0.0, 0
    with torch.no_grad():
        for start, ids in rows:
            line = torch.tensor([list(ids)], device=model.device)
            logits = model(input_ids=line).logits[0, :-1].float()
            first = max(start, 1)
            losses = torch.nn.functional.cross_entropy(logits[first - 1 :], line[0, first:], reduction="sum")
            total, count = total + float(losses), count + len(ids) - first
    return total / max(count, 1)


def generate(
    model: Any,
    tokenizer: Any,
    rendering: PromptFormat,
    turns: Sequence[str],
    new_tokens: int,
    context: int = 0,
) -> list[tuple[str, bool]]:
    """Greedy responses and whether each was cut by the limit, or by the end of the base's context."""
    import torch

    said: list[tuple[str, bool]] = []
    eos = tokenizer.eos_token_id
    for at in range(0, len(turns), BATCH):
        prompts = [rendering.prompt_ids(turn, tokenizer) for turn in turns[at : at + BATCH]]
        width = max(map(len, prompts))
        room = max(min(new_tokens, context - width), 1) if context else new_tokens
        pad = tokenizer.pad_token_id
        padded = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompts], device=model.device)
        mask = torch.tensor(
            [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=model.device
        )
        with torch.no_grad():
            out = model.generate(
                input_ids=padded,
                attention_mask=mask,
                max_new_tokens=room,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=eos,
                pad_token_id=pad,
            )
        for line in out[:, width:].tolist():
            ends = line.index(eos) if eos in line else len(line)
            text = tokenizer.decode(line[:ends], skip_special_tokens=True)
            said.append((strip_thinking(strip_completion(text)), eos not in line))
    return said


def _ids(tokenizer: Tokenizer, rendering: PromptFormat, one: Example) -> tuple[int, tuple[int, ...]]:
    row = rendering.encode(one.turn, one.response, tokenizer)
    return len(row.prompt), row.prompt + row.completion


def _general(tokenizer: Tokenizer) -> list[list[int]]:
    text = resources.files("finetune").joinpath("general.txt").read_text(encoding="utf-8")
    return [tokenizer.encode(part.strip()) for part in text.split("\n\n") if part.strip()]


@contextmanager
def _asking(model: Any) -> Iterator[None]:
    """Out of training mode, without activation checkpointing, on a card in the training's own dtype."""
    import torch

    training, cached = model.training, model.config.use_cache
    model.eval()
    model.config.use_cache = True
    device = str(model.device.type)
    half = model.dtype in (torch.bfloat16, torch.float16)
    mixed: Callable[[], AbstractContextManager[Any]] = (
        (lambda: torch.autocast(device, dtype=model.dtype)) if half else nullcontext
    )
    try:
        with mixed():
            yield
    finally:
        model.train(training)
        model.config.use_cache = cached


@contextmanager
def _as(model: Any, adapter: str) -> Iterator[None]:
    before = model.active_adapter
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(before)
