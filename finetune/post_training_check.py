"""Short check for forgetting and collapse after training, the same for every student.

It uses dialogues held out of training, or, if there are none, a sample of the training rows; the result
states which. Measured are the loss of the base, the parent and the student on these dialogues, the length of
generated responses, the share cut off at the token limit and the share of distinct responses. The loss on a
page of plain text, compared with the base, reveals forgetting. A low share of distinct responses reveals
collapse.
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
from finetune.dataset_reader import DatasetFolder, SftExample

DIALOGUES = 16
NEW_TOKENS = 128
BATCH = 4
# In nats; a perplexity on general text that is a quarter above the base's gives a warning.
MAX_LOSS_RISE = math.log(1.25)
MIN_DISTINCT_SHARE = 0.5
MAX_TRUNCATED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class PostTrainingCheck:
    """Result of the check; losses are means per token in nats, shares are in [0, 1].

    Attributes:
        slice: "held out" or "trained on".
        dialogues: number of dialogues used.
        loss_base, loss_parent, loss: loss on the human-chosen texts of the slice under the base, the model
            that training started from, and the student.
        general_base, general: loss on plain text under the base and the student.
        words: mean words of a generated response.
        cut: share of responses that reached `new_tokens`.
        distinct: number of different responses / number of responses.
        new_tokens: limit of a generated response in tokens.
        warnings: problems for the reader, as sentences.
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
        """Return the check stored in a checkpoint's record; None if there was none.

        >>> PostTrainingCheck.from_record(read_checkpoint(folder).record).distinct
        """
        stored = record.get("health")
        return cls(**{**stored, "warnings": tuple(stored["warnings"])}) if stored else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as they are written to a checkpoint's record."""
        return {**asdict(self), "warnings": list(self.warnings)}


def select_check_examples(
    data: DatasetFolder,
    seed: int,
    dialogues: int = DIALOGUES,
    fits: Callable[[SftExample], bool] = lambda example: True,
) -> tuple[str, tuple[SftExample, ...]]:
    """Return "held out" or "trained on", and one row for each selected dialogue.

    Held-out dialogues are used if there are any.

    Args:
        seed: seed of the selection.
        dialogues: maximum number of dialogues.
        fits: whether a row fits into the base model's context; other rows are not used.
    """
    held_out_rows = [
        *data.held_out_sft,
        *(SftExample(pair.dialogue, pair.turn, pair.chosen) for pair in data.held_out_dpo),
    ]
    trained_rows = [*data.sft, *(SftExample(pair.dialogue, pair.turn, pair.chosen) for pair in data.dpo)]
    held_out, trained = list(filter(fits, held_out_rows)), list(filter(fits, trained_rows))
    # The last row of a dialogue is the improved response.
    rows = {example.dialogue: example for example in held_out or trained}
    names = sorted(rows)
    selected = random.Random(seed).sample(names, min(dialogues, len(names)))
    return ("held out" if held_out else "trained on"), tuple(rows[name] for name in selected)


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
        rendering: prompt format of the student.
        data: training set.
        seed: seed of the selection of dialogues.
        parent: name of the adapter that training started from; "" if it started from the base.
        new_tokens: limit of a generated response in tokens.
        context: context length of the base model in tokens; 0 if unknown.
    """
    limit = context or math.inf

    def fits(example: SftExample) -> bool:
        return len(_encode(tokenizer, rendering, example)[1]) <= limit

    slice_name, examples = select_check_examples(data, seed, fits=fits)
    texts = [_encode(tokenizer, rendering, example) for example in examples]
    general = [(0, ids[: context or len(ids)]) for ids in _general_text_ids(tokenizer)]
    with _evaluation_mode(model):
        loss, loss_general = mean_loss(model, texts), mean_loss(model, general)
        with model.disable_adapter():
            loss_base, general_base = mean_loss(model, texts), mean_loss(model, general)
        loss_parent = loss_base
        if parent:
            with _active_adapter(model, parent):
                loss_parent = mean_loss(model, texts)
        turns = [example.turn for example in examples]
        outputs = generate(model, tokenizer, rendering, turns, new_tokens, context)
    responses = [text for text, _ in outputs]
    words = sum(len(text.split()) for text in responses) / max(len(responses), 1)
    cut = sum(truncated for _, truncated in outputs) / max(len(outputs), 1)
    distinct = len(set(responses)) / max(len(responses), 1)
    return PostTrainingCheck(
        slice=slice_name,
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
    """Return warnings for a reader.

    Args:
        general_rise: loss on general text minus the base's, in nats per token.
        loss_rise: loss on empathic responses minus the base's, in nats per token.
        distinct: share of distinct responses.
        cut: share of responses cut off at the token limit.
    """
    warnings = []
    if not all(math.isfinite(value) for value in (general_rise, loss_rise)):
        warnings.append("a loss is not a finite number")
    if general_rise > MAX_LOSS_RISE:
        factor = math.exp(min(general_rise, 50))
        warnings.append(f"forgetting: perplexity on general text is {factor:.2f} times the base model's")
    if loss_rise > 0:
        warnings.append("the loss on empathic responses is above the base model's")
    if distinct < MIN_DISTINCT_SHARE:
        warnings.append(f"collapse: only {distinct:.0%} of the responses are distinct")
    if cut > MAX_TRUNCATED_SHARE:
        warnings.append(f"{cut:.0%} of the responses did not end before the token limit")
    return tuple(warnings)


def mean_loss(model: Any, rows: Sequence[tuple[int, Sequence[int]]]) -> float:
    """Return the mean loss per token in nats over rows of (start, ids); tokens from `start` on count."""
    import torch

    total, count = 0.0, 0
    with torch.no_grad():
        for start, ids in rows:
            input_ids = torch.tensor([list(ids)], device=model.device)
            logits = model(input_ids=input_ids).logits[0, :-1].float()
            first = max(start, 1)
            losses = torch.nn.functional.cross_entropy(
                logits[first - 1 :], input_ids[0, first:], reduction="sum"
            )
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
    """Return greedy responses, each with whether it was cut off by the limit or the end of the context."""
    import torch

    outputs: list[tuple[str, bool]] = []
    eos = tokenizer.eos_token_id
    for start in range(0, len(turns), BATCH):
        prompts = [rendering.prompt_ids(turn, tokenizer) for turn in turns[start : start + BATCH]]
        width = max(map(len, prompts))
        limit = max(min(new_tokens, context - width), 1) if context else new_tokens
        pad = tokenizer.pad_token_id
        padded = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompts], device=model.device)
        mask = torch.tensor(
            [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=model.device
        )
        with torch.no_grad():
            generated = model.generate(
                input_ids=padded,
                attention_mask=mask,
                max_new_tokens=limit,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=eos,
                pad_token_id=pad,
            )
        for ids in generated[:, width:].tolist():
            end = ids.index(eos) if eos in ids else len(ids)
            text = tokenizer.decode(ids[:end], skip_special_tokens=True)
            outputs.append((strip_thinking(strip_completion(text)), eos not in ids))
    return outputs


def _encode(
    tokenizer: Tokenizer, rendering: PromptFormat, example: SftExample
) -> tuple[int, tuple[int, ...]]:
    """Return the number of prompt tokens, and all token ids of the example."""
    row = rendering.encode(example.turn, example.response, tokenizer)
    return len(row.prompt), row.prompt + row.completion


def _general_text_ids(tokenizer: Tokenizer) -> list[list[int]]:
    text = resources.files("finetune").joinpath("general.txt").read_text(encoding="utf-8")
    return [tokenizer.encode(part.strip()) for part in text.split("\n\n") if part.strip()]


@contextmanager
def _evaluation_mode(model: Any) -> Iterator[None]:
    """Switch to evaluation with a KV cache and, for half-precision weights, autocast; restore afterwards."""
    import torch

    was_training, used_cache = model.training, model.config.use_cache
    model.eval()
    model.config.use_cache = True
    device = str(model.device.type)
    half = model.dtype in (torch.bfloat16, torch.float16)
    precision: Callable[[], AbstractContextManager[Any]] = (
        (lambda: torch.autocast(device, dtype=model.dtype)) if half else nullcontext
    )
    try:
        with precision():
            yield
    finally:
        model.train(was_training)
        model.config.use_cache = used_cache


@contextmanager
def _active_adapter(model: Any, adapter: str) -> Iterator[None]:
    previous = model.active_adapter
    model.set_adapter(adapter)
    try:
        yield
    finally:
        model.set_adapter(previous)
