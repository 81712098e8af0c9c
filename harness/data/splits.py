"""Splits of the dataset, made before anything is generated.

The test split is that of the paper's scripts, in every fidelity: dialogues where fewer than two of the five
ratings are 3 (250 of 2,000). The paper's text defines it as "the remaining dialogues", which are those
without training rows: 88 over all four LLMs, 705 to 919 for one LLM. 162 of the 250 pass the DPO filter of
the text. The split is selected by low ratings, so numbers about the dataset's own responders on it are
conditioned on the outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.errors import Fault, UserError
from agents.seeded_order import seeded_subset
from agents.types import Dialogue, Split
from harness.data.dataset import Dataset

HIGHEST_RATING = 3
MIN_HIGHEST_RATINGS = 2  # a dialogue with fewer of them is a test dialogue
NEAR_IDENTICAL = 0.7  # Jaccard index of the word sets of two dialogues
DEVELOPMENT_SHARE = 0.1
DEVELOPMENT_SEED = 20260101


def is_test(ratings: Mapping[str, int]) -> bool:
    """Return whether a dialogue with these five ratings is a test dialogue."""
    return sum(value == HIGHEST_RATING for value in ratings.values()) < MIN_HIGHEST_RATINGS


def dialogues_in_split(dataset: Dataset, split: Split) -> list[Dialogue]:
    """Return the dialogues of a split, in the dataset's order."""
    if split is Split.ALL:
        return list(dataset.dialogues)
    test = [dialogue for dialogue in dataset.dialogues if is_test(dataset.rated[dialogue.id])]
    if split is Split.TEST:
        return test
    test_ids = {dialogue.id for dialogue in test}
    train = [dialogue for dialogue in dataset.dialogues if dialogue.id not in test_ids]
    if split is Split.TRAIN:
        return train
    return seeded_subset(train, round(DEVELOPMENT_SHARE * len(train)), DEVELOPMENT_SEED)


def check_no_leak(splits: Mapping[str, Sequence[Dialogue]]) -> None:
    """Check that no dialogue id, and no pair of situation and utterance, is in two splits.

    Raises:
        UserError: if any is; the error lists all of them.
    """
    seen: dict[tuple[str, ...], str] = {}
    faults = []
    for name, dialogues in splits.items():
        for dialogue in dialogues:
            for key in ((dialogue.id,), normalized_words(dialogue)):
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
    """Similarity of two splits without common dialogues.

    Attributes:
        near_identical: pairs of dialogue ids (test, train) with a Jaccard index of their word sets of at
            least
            0.7, the most similar first.
        same_workers: number of test dialogues written in the same task as a training dialogue (`hit:N` in the
            id; the same two workers).
    """

    near_identical: tuple[tuple[str, str], ...]
    same_workers: int


def overlap(train: Sequence[Dialogue], test: Sequence[Dialogue]) -> SplitOverlap:
    """Compare every test dialogue with every training dialogue."""
    words = [(dialogue.id, _word_set(dialogue)) for dialogue in train]
    similar = []
    for dialogue in test:
        test_words = _word_set(dialogue)
        for other, train_words in words:
            shared, union = len(test_words & train_words), len(test_words | train_words)
            if shared and shared >= NEAR_IDENTICAL * union:
                similar.append((-shared / union, dialogue.id, other))
    tasks = {task for dialogue in train if (task := _task(dialogue))}
    pairs = tuple((test_id, train_id) for _, test_id, train_id in sorted(similar))
    return SplitOverlap(pairs, sum(_task(dialogue) in tasks for dialogue in test))


def _word_set(dialogue: Dialogue) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", f"{dialogue.situation} {dialogue.utterance}".lower()))


def _task(dialogue: Dialogue) -> str:
    match = re.match(r"hit:\d+", dialogue.id)
    return match[0] if match else ""


def normalized_words(dialogue: Dialogue) -> tuple[str, str]:
    """Return situation and utterance in lower case, with single spaces."""
    return (" ".join(dialogue.situation.lower().split()), " ".join(dialogue.utterance.lower().split()))
