"""Which dialogues train what: pure functions from ratings to SFT entries and DPO pairs.

One function per method of the paper (section 5), and the format control of low-rated human responses.
An entry names a dialogue and *roles* of responses, never a text: `human`, one of the four LLMs of the
dataset, `initial` (an LLM's own first response) or `improved` (the teacher's improvement).

| method | SFT: two responses each | DPO: chosen over rejected |
|---|---|---|
| direct, one LLM | human 3 and LLM 3: human, LLM | human 1 or 2 and LLM 3: LLM over human |
| direct, combined | the four LLMs', one after the other | likewise |
| over-human | human 3: human, improved | human 1 or 2: improved over human |
| over-llm | 950 of 1,750, seeded: initial, improved | the other 800: improved over initial |
| low-rated (control) | human 1 or 2: human alone | none |

In fidelity `released`, direct DPO takes every human 2, and human 1 with LLM 3; over-llm puts the *human*
response where the initial one belongs. The test split is made elsewhere: what comes in here is training
dialogues only, in the dataset's order. Nothing here knows texts, prompts or files.
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
PARTITION_SEED = 20251  # of fidelities `paper` and `ours`; recorded with every dataset
RELEASED_SEED = 42  # the published scripts' `random_state`


@dataclass(frozen=True, slots=True)
class RatedDialogue:
    """One training dialogue and how its five responses were rated: 1 bad, 2 okay, 3 good.

    Attributes:
        dialogue: the dataset's own id.
        human: rating of the human response.
        llms: rating of each LLM's response, by its name in `LLMS`.
    """

    dialogue: str
    human: int
    llms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SftEntry:
    """A dialogue that teaches by example: one training row for each of `responses`, in this order."""

    dialogue: str
    responses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DpoEntry:
    """A dialogue that teaches by contrast: the role to prefer and the role to leave."""

    dialogue: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class DialogueSelection:
    """What one method trains on, in order; `combined` may name a dialogue several times."""

    sft: tuple[SftEntry, ...]
    dpo: tuple[DpoEntry, ...]


def direct(
    rated: Sequence[RatedDialogue], llm: str, fidelity: Fidelity = Fidelity.PAPER
) -> DialogueSelection:
    """Method 1 with one LLM (section 4.1).

    Raises:
        UserError: no such LLM.
    """
    if llm not in LLMS:
        known = ", ".join((*LLMS, COMBINED))
        raise UserError(
            "the dataset has no such LLM", where="--llm", found=repr(llm), remedy=f"Choose: {known}."
        )
    sft = [SftEntry(one.dialogue, (HUMAN, llm)) for one in rated if one.human == GOOD == one.llms[llm]]
    dpo = [DpoEntry(one.dialogue, llm, HUMAN) for one in rated if _contrasts(one, llm, fidelity)]
    return DialogueSelection(tuple(sft), tuple(dpo))


def direct_combined(rated: Sequence[RatedDialogue], fidelity: Fidelity = Fidelity.PAPER) -> DialogueSelection:
    """Method 1 with all four LLMs, one LLM's entries after another's; human responses repeat."""
    each = [direct(rated, llm, fidelity) for llm in LLMS]
    return DialogueSelection(
        tuple(entry for one in each for entry in one.sft), tuple(entry for one in each for entry in one.dpo)
    )


def over_human(rated: Sequence[RatedDialogue]) -> DialogueSelection:
    """Method 2 (section 5.2); the same in every fidelity."""
    return DialogueSelection(
        tuple(SftEntry(one.dialogue, (HUMAN, IMPROVED)) for one in rated if one.human == GOOD),
        tuple(DpoEntry(one.dialogue, IMPROVED, HUMAN) for one in rated if one.human < GOOD),
    )


def over_llm(
    dialogues: Sequence[str], fidelity: Fidelity = Fidelity.PAPER, seed: int | None = None
) -> DialogueSelection:
    """Method 3 (section 5.3): no rating is used; the dialogues are parted in the ratio 950 : 800.

    Args:
        dialogues: ids of the training dialogues, in the dataset's order.
        seed: of the partition; None for the fidelity's own (`PARTITION_SEED`, `RELEASED_SEED`).
    """
    original = HUMAN if fidelity is Fidelity.RELEASED else INITIAL
    sft, dpo = partition(dialogues, fidelity, seed)
    return DialogueSelection(
        tuple(SftEntry(dialogue, (original, IMPROVED)) for dialogue in sft),
        tuple(DpoEntry(dialogue, IMPROVED, original) for dialogue in dpo),
    )


def low_rated(rated: Sequence[RatedDialogue]) -> DialogueSelection:
    """The format control: human responses rated 1 or 2, as examples; no pairs.

    A student of these has learned to answer briefly and to stop, from responses found wanting in empathy.
    """
    return DialogueSelection(tuple(SftEntry(one.dialogue, (HUMAN,)) for one in rated if one.human < GOOD), ())


def sft_count(dialogues: int) -> int:
    """How many of so many training dialogues go to SFT: 950 in 1,750, rounded half up.

    With two dialogues or more each side keeps at least one; with one it goes to SFT.
    """
    if dialogues <= 1:
        return dialogues
    share = (2 * dialogues * SFT_OF_PAPER + TRAIN_OF_PAPER) // (2 * TRAIN_OF_PAPER)
    return min(max(share, 1), dialogues - 1)


def partition(
    dialogues: Sequence[str], fidelity: Fidelity = Fidelity.PAPER, seed: int | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dialogues for SFT and those for DPO, by a seed; every one on exactly one side.

    `released` draws as pandas' `sample(n=…, random_state=seed)` does (SFT in the order drawn), so it
    depends on the order of `dialogues`. `paper` and `ours` rank dialogues by a hash of seed and id, which
    depends on neither their order nor a library's version; both sides keep the order given.
    """
    share = sft_count(len(dialogues))
    if fidelity is Fidelity.RELEASED:
        drawn = _as_pandas_samples(len(dialogues), share, RELEASED_SEED if seed is None else seed)
        inside = set(drawn)
        left = tuple(dialogue for place, dialogue in enumerate(dialogues) if place not in inside)
        return tuple(dialogues[place] for place in drawn), left
    ranked = sorted(dialogues, key=lambda dialogue: _rank(PARTITION_SEED if seed is None else seed, dialogue))
    first = set(ranked[:share])
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
    """What `method` trains on; `llm` counts for direct alone, `seed` for over-llm alone.

    Raises:
        UserError: no such method or LLM, a dialogue given twice, a rating that is not 1, 2 or 3.
    """
    check_ratings(rated)
    match method:
        case Method.DIRECT:
            return direct_combined(rated, fidelity) if llm == COMBINED else direct(rated, llm, fidelity)
        case Method.OVER_HUMAN:
            return over_human(rated)
        case Method.OVER_LLM:
            return over_llm([one.dialogue for one in rated], fidelity, seed)
        case "low-rated":
            return low_rated(rated)
    known = ", ".join((*Method, LOW_RATED))
    raise UserError("no such method", where="--method", found=repr(method), remedy=f"Choose: {known}.")


def check_ratings(rated: Sequence[RatedDialogue]) -> None:
    """Every fault of the ratings at once.

    Raises:
        UserError: with one fault per dialogue given twice and per rating that is missing or not 1, 2, 3.
    """
    faults: list[Fault] = []
    seen: set[str] = set()
    for one in rated:
        if one.dialogue in seen:
            faults.append(Fault("this dialogue stands twice in the training split", where=one.dialogue))
        seen.add(one.dialogue)
        for responder in (HUMAN, *LLMS):
            value = one.human if responder == HUMAN else one.llms.get(responder)
            if value not in (1, 2, 3):
                fault = Fault(f"the rating of {responder} must be 1, 2 or 3", one.dialogue, repr(value))
                faults.append(fault)
    if faults:
        raise UserError("the ratings cannot be used", found=f"{len(faults)} faults", faults=faults)


def _contrasts(one: RatedDialogue, llm: str, fidelity: Fidelity) -> bool:
    if fidelity is Fidelity.RELEASED:  # `human == 2 | human == 1 & llm == 3`: & binds tighter than |
        return one.human == 2 or (one.human == 1 and one.llms[llm] == GOOD)
    return one.human < GOOD and one.llms[llm] == GOOD


def _as_pandas_samples(size: int, share: int, seed: int) -> list[int]:
    import numpy

    # The legacy generator's stream is frozen by NumPy's policy, so this never changes.
    return [int(place) for place in numpy.random.RandomState(seed).choice(size, size=share, replace=False)]


def _rank(seed: int, dialogue: str) -> tuple[bytes, str]:
    return sha256(f"partition-1\x00{seed}\x00{dialogue}".encode()).digest(), dialogue
