"""Tokenization of training rows for one student.

Each row is rendered in the student's prompt style, converted to token ids and checked. Rows that do not fit
are excluded and counted. The ids come from `agents.student_prompt`, which generation uses too, and trl
receives them unchanged: trl's own tokenization gives the same ids for plain rows, but one newline more for
some chat templates.

Any tokenizer with the protocol `Tokenizer` works; models and trainers are not involved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agents.errors import Fault, UserError
from agents.model_files.chat_template import Tokenizer
from agents.student_prompt import Encoded, PromptFormat
from finetune.dataset_reader import PreferencePair, SftExample

TOO_LONG = "longer than the length"
IDENTICAL_SIDES = "both sides are the same ids"
IGNORE_INDEX = -100  # label that torch's cross-entropy loss ignores

MAX_LISTED_TOKENS = 8


@dataclass(frozen=True, slots=True)
class LengthLimits:
    """Limits of a base model on the length and the token ids of rows.

    Attributes:
        max_length: tokens that the training settings allow.
        context: context length of the base model in tokens; 0 if unknown.
        vocabulary_size: embedding rows of the base model; ids from there on have none; 0 if unknown.
    """

    max_length: int
    context: int = 0
    vocabulary_size: int = 0

    @property
    def longest(self) -> int:
        """Maximum tokens of a row."""
        return min(self.max_length, self.context or self.max_length)

    @property
    def too_long(self) -> str:
        """Reason recorded for a longer row."""
        if self.longest < self.max_length:
            return f"longer than the base's context of {self.context} tokens"
        return f"{TOO_LONG} of {self.max_length} tokens"


# A row with its number of tokens, its number of tokens in the loss, and the reasons to exclude it.
_Candidate = tuple[dict[str, list[int]], int, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """Training rows as token ids, in the format of trl.

    Attributes:
        rows: `{"input_ids", "labels"}`, or `{"prompt_ids", "chosen_ids", "rejected_ids"}` for pairs. Labels
            are the completion's ids, and -100 for tokens outside the loss.
        lengths: tokens of each row, including BOS and EOS; of a pair, of its longer side.
        completion_tokens: tokens of each row in the loss; of a pair, of both sides together.
        left_out: number of excluded rows by reason.
    """

    rows: tuple[dict[str, list[int]], ...]
    lengths: tuple[int, ...]
    completion_tokens: tuple[int, ...]
    left_out: dict[str, int]

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return max(self.lengths, default=0)

    def describe(self) -> str:
        """Return a summary: `1,900 rows, 412,000 tokens, longest 377; excluded: none`."""
        excluded = ", ".join(f"{reason} ({count})" for reason, count in self.left_out.items()) or "none"
        return (
            f"{len(self.rows):,} rows, {sum(self.lengths):,} tokens, longest {self.longest}; "
            f"excluded: {excluded}"
        )


def tokenize_examples(
    examples: Sequence[SftExample],
    tokenizer: Tokenizer,
    rendering: PromptFormat,
    limits: LengthLimits | int,
) -> TokenizedRows:
    """Return SFT rows for this student.

    Args:
        limits: limits of the base model, or only a maximum length in tokens.

    Raises:
        UserError: no row is left, or rows contain ids without an embedding.
    """

    def candidates() -> Iterator[_Candidate]:
        for example in examples:
            (row,), faults = _encode(example.turn, (example.response,), tokenizer, rendering)
            ids = [*row.prompt, *row.completion]
            labels = [IGNORE_INDEX] * len(row.prompt) + [*row.completion]
            yield {"input_ids": ids, "labels": labels}, len(ids), len(row.completion), faults

    return _collect_rows(candidates(), _to_limits(limits), tokenizer)


def tokenize_pairs(
    pairs: Sequence[PreferencePair], tokenizer: Tokenizer, rendering: PromptFormat, limits: LengthLimits | int
) -> TokenizedRows:
    """Return DPO pairs for this student.

    A pair is excluded if either side does not fit or both sides have the same ids.

    Args:
        limits: limits of the base model, or only a maximum length in tokens.

    Raises:
        UserError: no pair is left, or pairs contain ids without an embedding.
    """

    def candidates() -> Iterator[_Candidate]:
        for pair in pairs:
            responses = (pair.chosen, pair.rejected)
            (chosen, rejected), faults = _encode(pair.turn, responses, tokenizer, rendering)
            row = {
                "prompt_ids": [*chosen.prompt],
                "chosen_ids": [*chosen.completion],
                "rejected_ids": [*rejected.completion],
            }
            if chosen.completion == rejected.completion:
                faults = (*faults, IDENTICAL_SIDES)
            counts = (len(chosen.completion), len(rejected.completion))
            yield row, len(chosen.prompt) + max(counts), sum(counts), faults

    return _collect_rows(candidates(), _to_limits(limits), tokenizer)


def _to_limits(limits: LengthLimits | int) -> LengthLimits:
    return limits if isinstance(limits, LengthLimits) else LengthLimits(limits)


def _encode(
    turn: str, responses: tuple[str, ...], tokenizer: Tokenizer, rendering: PromptFormat
) -> tuple[tuple[Encoded, ...], tuple[str, ...]]:
    rows = tuple(rendering.encode(turn, response, tokenizer) for response in responses)
    faults = (fault for response in responses for fault in rendering.faults(turn, response, tokenizer))
    return rows, tuple(faults)


def _collect_rows(
    candidates: Iterable[_Candidate], limits: LengthLimits, tokenizer: Tokenizer
) -> TokenizedRows:
    rows, lengths, loss_tokens = [], [], []
    excluded: Counter[str] = Counter()
    without_embedding: Counter[int] = Counter()
    size = limits.vocabulary_size
    for row, length, loss_count, faults in candidates:
        if faults:
            excluded[faults[0]] += 1
        elif length > limits.longest:
            excluded[limits.too_long] += 1
        else:
            rows.append(row)
            lengths.append(length)
            loss_tokens.append(loss_count)
            without_embedding.update(
                {token_id for ids in row.values() for token_id in ids if size and token_id >= size}
            )
    if without_embedding:
        raise _missing_embeddings_error(without_embedding, limits, tokenizer)
    if not rows:
        raise UserError(
            "no row is left to train on",
            code="training-set.no-usable-rows",
            found=f"{sum(excluded.values())} rows excluded",
            remedy=_suggest_remedy(excluded, limits),
            faults=[Fault(reason, found=f"{count} rows") for reason, count in excluded.items()],
        )
    return TokenizedRows(tuple(rows), tuple(lengths), tuple(loss_tokens), dict(excluded))


def _suggest_remedy(excluded: Counter[str], limits: LengthLimits) -> str:
    """Return the remedy for the most common reason."""
    ((reason, _),) = excluded.most_common(1)
    if reason != limits.too_long:
        return (
            "If every row has this fault, correct the base model's tokenizer: its post-processor must add "
            "one beginning-of-sequence token and nothing after a text. Otherwise run: empathy data inspect."
        )
    if limits.longest < limits.max_length:
        return "Use a base model with a longer context, or shorter rows."
    return "Raise --max-length, or check the training set with: empathy data inspect."


def _missing_embeddings_error(
    without_embedding: Counter[int], limits: LengthLimits, tokenizer: Tokenizer
) -> UserError:
    """Return the error for tokens that were added to a tokenizer but not to its model."""
    listed = [
        f"{tokenizer.decode([token_id])!r} (id {token_id}, {count} rows)"
        for token_id, count in without_embedding.most_common(MAX_LISTED_TOKENS)
    ]
    rest = len(without_embedding) - MAX_LISTED_TOKENS
    more = f" and {rest} more" if rest > 0 else ""
    return UserError(
        "rows contain tokens that the base model has no embedding for",
        code="tokenizer.no-embedding",
        where="--base",
        found=f"{', '.join(listed)}{more}; the base model has {limits.vocabulary_size} embeddings",
        remedy="Resize and train the base model's embeddings, or use the tokenizer it was trained with.",
    )
