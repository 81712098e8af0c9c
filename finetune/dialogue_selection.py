"""Selection of the dialogues that a method trains on, from human ratings to SFT entries and DPO pairs.

There is one function per method of the paper (section 5) and one for the control trained on low-rated human
responses. An entry names a dialogue and *roles* of responses, never a text: `human`, one of the four LLMs of
the dataset, `initial` (a model's own first response) or `improved` (the teacher's improvement).

| method | SFT: two responses each | DPO: chosen over rejected |
|---|---|---|
| direct, one LLM | human 3 and LLM 3: human, LLM | human 1 or 2 and LLM 3: LLM over human |
| direct, combined | those of the four LLMs, concatenated | likewise |
| over-human | human 3: human, improved | human 1 or 2: improved over human |
| over-llm | 950 of 1,750, seeded: initial, improved | the other 800: improved over initial |
| low-rated (control) | human 1 or 2: human only | none |

In fidelity `released`, direct DPO takes every human 2, and human 1 with LLM 3; over-llm uses the *human*
response instead of the initial one. The input holds training dialogues only, in the dataset's order: the test
split is made in `harness/data/splits.py`. The functions are pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from agents.errors import Fault, UserError
from agents.types import Fidelity, Method

HUMAN = "human"
LLMS = ("gpt-4", "llama-2-70b", "gemini-1.0-pro", "mixtral-8x7b")  # in the dataset's column order
INITIAL = "initial"
IMPROVED = "improved"
COMBINED = "combined"
LOW_RATED = "low-rated"

GOOD = 3
SFT_OF_PAPER, TRAIN_OF_PAPER = 950, 1750
PARTITION_SEED = 20251  # of fidelities `paper` and `ours`; recorded with every training set
RELEASED_SEED = 42  # the published scripts' `random_state`


@dataclass(frozen=True, slots=True)
class RatedDialogue:
    """Training dialogue with the ratings of its five responses: 1 bad, 2 okay, 3 good.

    Attributes:
        dialogue: id in the dataset.
        human: rating of the human response.
        llms: rating of each LLM's response, by its name in `LLMS`.
    """

    dialogue: str
    human: int
    llms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SftEntry:
    """Dialogue for SFT; each role in `responses` gives one training row, in this order."""

    dialogue: str
    responses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DpoEntry:
    """Dialogue for DPO: the roles of the chosen and the rejected response."""

    dialogue: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class DialogueSelection:
    """Entries that one method trains on, in order; `combined` may repeat a dialogue."""

    sft: tuple[SftEntry, ...]
    dpo: tuple[DpoEntry, ...]


def direct(
    rated: Sequence[RatedDialogue], llm: str, fidelity: Fidelity = Fidelity.PAPER
) -> DialogueSelection:
    """Return the selection of method 1 with one LLM (section 4.1).

    Raises:
        UserError: the dataset has no such LLM.
    """
    if llm not in LLMS:
        raise UserError(
            "unknown LLM of the dataset",
            code="training-set.unknown-llm",
            where="--llm",
            found=repr(llm),
            remedy=f"Choose one of: {', '.join((*LLMS, COMBINED))}.",
        )
    sft = [
        SftEntry(rating.dialogue, (HUMAN, llm))
        for rating in rated
        if rating.human == GOOD == rating.llms[llm]
    ]
    dpo = [DpoEntry(rating.dialogue, llm, HUMAN) for rating in rated if _is_contrast(rating, llm, fidelity)]
    return DialogueSelection(tuple(sft), tuple(dpo))


def direct_combined(rated: Sequence[RatedDialogue], fidelity: Fidelity = Fidelity.PAPER) -> DialogueSelection:
    """Return the selections of method 1 for all four LLMs, concatenated; human responses repeat."""
    selections = [direct(rated, llm, fidelity) for llm in LLMS]
    return DialogueSelection(
        tuple(entry for selection in selections for entry in selection.sft),
        tuple(entry for selection in selections for entry in selection.dpo),
    )


def over_human(rated: Sequence[RatedDialogue]) -> DialogueSelection:
    """Return the selection of method 2 (section 5.2); it is the same in every fidelity."""
    return DialogueSelection(
        tuple(SftEntry(rating.dialogue, (HUMAN, IMPROVED)) for rating in rated if rating.human == GOOD),
        tuple(DpoEntry(rating.dialogue, IMPROVED, HUMAN) for rating in rated if rating.human < GOOD),
    )


def over_llm(
    dialogues: Sequence[str], fidelity: Fidelity = Fidelity.PAPER, seed: int | None = None
) -> DialogueSelection:
    """Return the selection of method 3 (section 5.3): a partition 950 : 800 without ratings.

    Args:
        dialogues: ids of the training dialogues, in the dataset's order.
        seed: seed of the partition; None for the fidelity's own (`PARTITION_SEED`, `RELEASED_SEED`).
    """
    original = HUMAN if fidelity is Fidelity.RELEASED else INITIAL
    sft, dpo = partition(dialogues, fidelity, seed)
    return DialogueSelection(
        tuple(SftEntry(dialogue, (original, IMPROVED)) for dialogue in sft),
        tuple(DpoEntry(dialogue, IMPROVED, original) for dialogue in dpo),
    )


def low_rated(rated: Sequence[RatedDialogue]) -> DialogueSelection:
    """Return the selection of the format control: human responses rated 1 or 2, for SFT only.

    Its student learns to answer briefly and to stop, from responses that lack empathy.
    """
    entries = tuple(SftEntry(rating.dialogue, (HUMAN,)) for rating in rated if rating.human < GOOD)
    return DialogueSelection(entries, ())


def sft_count(dialogues: int) -> int:
    """Return how many of this many training dialogues go to SFT: 950 in 1,750, rounded half up.

    Of two or more dialogues, SFT and DPO get at least one each. A single dialogue goes to SFT.
    """
    if dialogues <= 1:
        return dialogues
    count = (2 * dialogues * SFT_OF_PAPER + TRAIN_OF_PAPER) // (2 * TRAIN_OF_PAPER)
    return min(max(count, 1), dialogues - 1)


def partition(
    dialogues: Sequence[str], fidelity: Fidelity = Fidelity.PAPER, seed: int | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the dialogues for SFT and those for DPO; each dialogue is in exactly one of them.

    `released` draws like pandas' `sample(n=…, random_state=seed)`, with SFT in the order drawn, so the result
    depends on the order of `dialogues`. `paper` and `ours` rank dialogues by a hash of seed and id, which
    depends neither on the order nor on a library version; both parts keep the given order.
    """
    count = sft_count(len(dialogues))
    if fidelity is Fidelity.RELEASED:
        drawn = _sample_like_pandas(len(dialogues), count, RELEASED_SEED if seed is None else seed)
        drawn_set = set(drawn)
        rest = tuple(dialogue for index, dialogue in enumerate(dialogues) if index not in drawn_set)
        return tuple(dialogues[index] for index in drawn), rest
    ranked = sorted(dialogues, key=lambda dialogue: _rank(PARTITION_SEED if seed is None else seed, dialogue))
    first = set(ranked[:count])
    return (
        tuple(dialogue for dialogue in dialogues if dialogue in first),
        tuple(dialogue for dialogue in dialogues if dialogue not in first),
    )


def select_dialogues(
    method: Method | str,
    rated: Sequence[RatedDialogue],
    fidelity: Fidelity = Fidelity.PAPER,
    *,
    llm: str = COMBINED,
    seed: int | None = None,
) -> DialogueSelection:
    """Return the dialogues of a method; `llm` applies to direct only, `seed` to over-llm only.

    Raises:
        UserError: unknown method or LLM, a dialogue given twice, or a rating that is not 1, 2 or 3.
    """
    check_ratings(rated)
    match method:
        case Method.DIRECT:
            return direct_combined(rated, fidelity) if llm == COMBINED else direct(rated, llm, fidelity)
        case Method.OVER_HUMAN:
            return over_human(rated)
        case Method.OVER_LLM:
            return over_llm([rating.dialogue for rating in rated], fidelity, seed)
        case "low-rated":
            return low_rated(rated)
    raise UserError(
        "unknown training method",
        code="training-set.unknown-method",
        where="--method",
        found=repr(method),
        remedy=f"Choose one of: {', '.join((*Method, LOW_RATED))}.",
    )


def check_ratings(rated: Sequence[RatedDialogue]) -> None:
    """Check that every dialogue occurs once and every rating is 1, 2 or 3.

    Raises:
        UserError: with one fault per repeated dialogue and per missing or invalid rating.
    """
    faults: list[Fault] = []
    seen: set[str] = set()
    for rating in rated:
        if rating.dialogue in seen:
            fault = Fault(
                "dialogue occurs twice in the training split",
                where=rating.dialogue,
                code="dataset.duplicate-id",
            )
            faults.append(fault)
        seen.add(rating.dialogue)
        for responder in (HUMAN, *LLMS):
            value = rating.human if responder == HUMAN else rating.llms.get(responder)
            if value not in (1, 2, 3):
                fault = Fault(
                    f"rating of {responder} must be 1, 2 or 3",
                    rating.dialogue,
                    repr(value),
                    code="dataset.invalid-rating",
                )
                faults.append(fault)
    if faults:
        raise UserError(
            "cannot use the ratings",
            code="dataset.invalid-ratings",
            found=f"{len(faults)} faults",
            remedy="Correct the ratings in the dataset.",
            faults=faults,
        )


def _is_contrast(rating: RatedDialogue, llm: str, fidelity: Fidelity) -> bool:
    if fidelity is Fidelity.RELEASED:  # `human == 2 | human == 1 & llm == 3`: & binds tighter than |
        return rating.human == 2 or (rating.human == 1 and rating.llms[llm] == GOOD)
    return rating.human < GOOD and rating.llms[llm] == GOOD


def _sample_like_pandas(size: int, count: int, seed: int) -> list[int]:
    import numpy

    # NumPy's policy freezes the stream of the legacy generator, so the result never changes.
    return [int(index) for index in numpy.random.RandomState(seed).choice(size, size=count, replace=False)]


def _rank(seed: int, dialogue: str) -> tuple[bytes, str]:
    return sha256(f"partition-1\x00{seed}\x00{dialogue}".encode()).digest(), dialogue
