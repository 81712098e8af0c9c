"""Which dialogues test, which train; made before anything is generated, and never mixed.

The test split is that of the paper's scripts, in every fidelity: dialogues where fewer than two of the five
ratings are 3 (250 of 2,000). The paper's text, "the remaining dialogues", would give those that train
nothing: 88 over all four LLMs, 705 to 919 for one; 162 of the 250 pass the text's own DPO filter. The split
is chosen *by* low ratings: numbers about the dataset's own responders on it are conditioned on the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.errors import Fault, UserError
from agents.seeded_order import seeded_subset
from agents.types import Dialogue, Split
from harness.data.dataset import Dataset

GOOD = 3
TEST_BELOW = 2
NEAR_IDENTICAL = 0.7  # share of the different words of two dialogues that both have
DEVELOPMENT_SHARE = 0.1
DEVELOPMENT_SEED = 20260101


def is_test(ratings: Mapping[str, int]) -> bool:
    """Whether a dialogue with these five ratings is a test dialogue."""
    return sum(value == GOOD for value in ratings.values()) < TEST_BELOW


def dialogues_in_split(dataset: Dataset, split: Split) -> list[Dialogue]:
    """A split's dialogues, in the dataset's order."""
    if split is Split.ALL:
        return list(dataset.dialogues)
    test = [dialogue for dialogue in dataset.dialogues if is_test(dataset.rated[dialogue.id])]
    if split is Split.TEST:
        return test
    of_test = {dialogue.id for dialogue in test}
    train = [dialogue for dialogue in dataset.dialogues if dialogue.id not in of_test]
    if split is Split.TRAIN:
        return train
    return seeded_subset(train, round(DEVELOPMENT_SHARE * len(train)), DEVELOPMENT_SEED)


def check_no_leak(splits: Mapping[str, Sequence[Dialogue]]) -> None:
    """No dialogue id, and no identical situation and utterance, in two splits.

    Raises:
        UserError: some are; lists them.
    """
    seen: dict[tuple[str, ...], str] = {}
    faults = []
    for name, dialogues in splits.items():
        for dialogue in dialogues:
            for key in ((dialogue.id,), _words(dialogue)):
                other = seen.setdefault(key, name)
                if other != name:
                    what = "the dialogue" if len(key) == 1 else "its situation and utterance"
                    faults.append(
                        Fault(f"{what} is in {other} and in {name}", dialogue.id, code="split.leak")
                    )
    if faults:
        raise UserError("dialogues are in two splits", code="split.leak", faults=faults)


@dataclass(frozen=True, slots=True)
class SplitOverlap:
    """What two splits share beside no dialogue.

    Attributes:
        near_identical: pairs of dialogue ids (test, train) whose situation and utterance together share 7 of
            10 different words or more (Jaccard), the most alike first.
        same_workers: test dialogues written in the same task (`hit:N` of the id, the same two workers) as a
            training dialogue.
    """

    near_identical: tuple[tuple[str, str], ...]
    same_workers: int


def overlap(train: Sequence[Dialogue], test: Sequence[Dialogue]) -> SplitOverlap:
    """Compare every test dialogue with every training dialogue."""
    words = [(dialogue.id, _vocabulary(dialogue)) for dialogue in train]
    alike = []
    for dialogue in test:
        mine = _vocabulary(dialogue)
        for other, theirs in words:
            shared = len(mine & theirs)
            if shared and shared >= NEAR_IDENTICAL * len(mine | theirs):
                alike.append((-shared / len(mine | theirs), dialogue.id, other))
    tasks = {task for dialogue in train if (task := _task(dialogue))}
    pairs = tuple((one, other) for _, one, other in sorted(alike))
    return SplitOverlap(pairs, sum(_task(dialogue) in tasks for dialogue in test))


def _vocabulary(dialogue: Dialogue) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", f"{dialogue.situation} {dialogue.utterance}".lower()))


def _task(dialogue: Dialogue) -> str:
    found = re.match(r"hit:\d+", dialogue.id)
    return found[0] if found else ""


def _words(dialogue: Dialogue) -> tuple[str, ...]:
    """What a leak is told by: the words, whatever the white space and case."""
    return (" ".join(dialogue.situation.lower().split()), " ".join(dialogue.utterance.lower().split()))
