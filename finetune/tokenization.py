"""Rows for one student: rendered in its form, turned into ids, checked, the unfit left out and counted.

The ids are made here, once, by `agents.student_prompt`, and handed to trl as they are: trl's own way of turning
text into ids gives the same ones for plain rows, and for some chat templates a newline too many.

Works with any tokenizer of that protocol; knows nothing of models and trainers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agents.errors import Fault, UserError
from agents.model_files.chat_template import Tokenizer
from agents.student_prompt import Encoded, PromptFormat
from finetune.dataset_reader import Example, Pair

TOO_LONG = "longer than the length"
IDENTICAL_SIDES = "both sides are the same ids"
IGNORE_INDEX = -100  # the label that every loss of torch's ignores

MAX_LISTED_TOKENS = 8


@dataclass(frozen=True, slots=True)
class LengthLimits:
    """What rows a base can take.

    Attributes:
        max_length: tokens that the recipe allows.
        context: tokens that the base was made for; 0 where that is not known.
        words: rows of the base's embeddings: ids from there on have none; 0 where that is not known.
    """

    max_length: int
    context: int = 0
    words: int = 0

    @property
    def longest(self) -> int:
        """Tokens that a row may have."""
        return min(self.max_length, self.context or self.max_length)

    @property
    def too_long(self) -> str:
        """Why a longer row is left out."""
        if self.longest < self.max_length:
            return f"longer than the base's context of {self.context} tokens"
        return f"{TOO_LONG} of {self.max_length} tokens"


_Row = tuple[dict[str, list[int]], int, int, tuple[str, ...]]  # the row, its tokens, those learned, faults


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """Rows as a trainer takes them.

    Attributes:
        rows: `{"input_ids", "labels"}`, or `{"prompt_ids", "chosen_ids", "rejected_ids"}` for pairs. Labels
            are the completion's ids, and -100 where nothing is to be learned.
        lengths: tokens of each row; of a pair, of its longer side. BOS and EOS counted.
        completion_tokens: tokens of each row that count in the loss; of a pair, of both sides together.
        left_out: rows that were not taken, by reason.
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
        """One line for the person who waits: `1,900 rows, 412,000 tokens, longest 377; left out: …`."""
        left = ", ".join(f"{why} ({count})" for why, count in self.left_out.items()) or "nothing"
        return (
            f"{len(self.rows):,} rows, {sum(self.lengths):,} tokens, longest {self.longest}; left out: {left}"
        )


def tokenize_examples(
    examples: Sequence[Example], tokenizer: Tokenizer, rendering: PromptFormat, room: LengthLimits | int
) -> TokenizedRows:
    """SFT rows for this student.

    Args:
        room: what rows the base can take; a number for a length alone.

    Raises:
        UserError: no row is left; the reasons are counted. Or a row has ids that the base has no row for.
    """

    def rows() -> Iterator[_Row]:
        for one in examples:
            (row,), faults = _encoded(one.turn, (one.response,), tokenizer, rendering)
            ids = [*row.prompt, *row.completion]
            labels = [IGNORE_INDEX] * len(row.prompt) + [*row.completion]
            yield {"input_ids": ids, "labels": labels}, len(ids), len(row.completion), faults

    return _prepared(rows(), room if isinstance(room, LengthLimits) else LengthLimits(room), tokenizer)


def tokenize_pairs(
    pairs: Sequence[Pair], tokenizer: Tokenizer, rendering: PromptFormat, room: LengthLimits
) -> TokenizedRows:
    """DPO pairs for this student; a pair is left out where either side is unfit, or both are the same ids.

    Raises:
        UserError: no pair is left; the reasons are counted. Or a pair has ids that the base has no row for.
    """

    def rows() -> Iterator[_Row]:
        for one in pairs:
            (chosen, rejected), faults = _encoded(one.turn, (one.chosen, one.rejected), tokenizer, rendering)
            row = {
                "prompt_ids": [*chosen.prompt],
                "chosen_ids": [*chosen.completion],
                "rejected_ids": [*rejected.completion],
            }
            if chosen.completion == rejected.completion:
                faults = (*faults, IDENTICAL_SIDES)
            said = (len(chosen.completion), len(rejected.completion))
            yield row, len(chosen.prompt) + max(said), sum(said), faults

    return _prepared(rows(), room if isinstance(room, LengthLimits) else LengthLimits(room), tokenizer)


def _encoded(
    turn: str, responses: tuple[str, ...], tokenizer: Tokenizer, rendering: PromptFormat
) -> tuple[tuple[Encoded, ...], tuple[str, ...]]:
    rows = tuple(rendering.encode(turn, response, tokenizer) for response in responses)
    return rows, tuple(fault for one in responses for fault in rendering.faults(turn, one, tokenizer))


def _prepared(made: Iterable[_Row], room: LengthLimits, tokenizer: Tokenizer) -> TokenizedRows:
    rows, lengths, counted = [], [], []
    left_out: Counter[str] = Counter()
    beyond: Counter[int] = Counter()
    for row, length, said, faults in made:
        if faults:
            left_out[faults[0]] += 1
        elif length > room.longest:
            left_out[room.too_long] += 1
        else:
            rows.append(row)
            lengths.append(length)
            counted.append(said)
            beyond.update({one for ids in row.values() for one in ids if room.words and one >= room.words})
    if beyond:
        raise _without_rows(beyond, room, tokenizer)
    if not rows:
        raise UserError(
            "no row is left to train on",
            found=f"{sum(left_out.values())} rows left out",
            remedy=_remedy(left_out, room),
            faults=[Fault(why, found=f"{count} rows") for why, count in left_out.items()],
        )
    return TokenizedRows(tuple(rows), tuple(lengths), tuple(counted), dict(left_out))


def _remedy(left_out: Counter[str], room: LengthLimits) -> str:
    """What helps against the commonest reason."""
    ((reason, _),) = left_out.most_common(1)
    if reason != room.too_long:
        return (
            "Where every row has this fault, it is the base's tokenizer's: its post-processor must put one "
            "beginning of sequence and nothing after a text. Else look at: empathy data inspect."
        )
    if room.longest < room.max_length:
        return "Take a base with a longer context, or shorter rows."
    return "Raise --max-length, or look at the dataset with: empathy data inspect."


def _without_rows(beyond: Counter[int], room: LengthLimits, tokenizer: Tokenizer) -> UserError:
    """Tokens that were added to a tokenizer and not to the model under it."""
    words = [
        f"{tokenizer.decode([one])!r} (id {one}, {count} rows)"
        for one, count in beyond.most_common(MAX_LISTED_TOKENS)
    ]
    more = f" and {len(beyond) - MAX_LISTED_TOKENS} more" if len(beyond) > MAX_LISTED_TOKENS else ""
    return UserError(
        "rows hold tokens that the base has no embedding for",
        where="--base",
        found=f"{', '.join(words)}{more}; the base has {room.words} rows",
        remedy="Resize the base's embeddings to its tokenizer (and train them), or use its own tokenizer.",
    )
