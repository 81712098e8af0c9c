"""Training rows: from membership and responses to SFT examples and DPO pairs. Pure.

One dialogue of the written sample under over-human, its human response rated 3, gives two SFT rows:

    sample:001_conv:001 | human    | "Oh that one hurts. I had a year like that …"
    sample:001_conv:001 | improved | "That silence can weigh so much …"

What cannot be trained on is left out row by row and counted with its reason, never dropped silently. Knows
nothing of files, tokenizers or how a response came to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agents.errors import UserError
from agents.types import Dialogue, Fidelity
from finetune.dialogue_selection import DialogueSelection, DpoEntry, SftEntry

WORD_LIMIT = 97  # of the improvement prompts (section 5.2); counted here, enforced nowhere

MISSING = "no response"
EMPTY = "empty text"
IDENTICAL = "chosen and rejected are the same text"
DUPLICATE = "exact duplicate"


@dataclass(frozen=True, slots=True)
class UnusableResponse:
    """A response that may not train: why, in a few words ("refused", "another language", …)."""

    reason: str


@dataclass(frozen=True, slots=True)
class SftRow:
    """One example: to this dialogue, say this. `role` as in `membership`."""

    dialogue: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class DpoRow:
    """One contrast: to this dialogue, `chosen` rather than `rejected`; the two differ."""

    dialogue: str
    chosen_role: str
    rejected_role: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A row that was left out: from which stage, of which dialogue and role, and why."""

    stage: Literal["sft", "dpo"]
    dialogue: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """All rows of a dataset, in the order of its membership."""

    sft: tuple[SftRow, ...]
    dpo: tuple[DpoRow, ...]
    excluded: tuple[Exclusion, ...]

    def dialogues(self) -> set[str]:
        """Ids of all dialogues that have a row."""
        return {row.dialogue for row in self.sft} | {pair.dialogue for pair in self.dpo}

    def count_excluded_by_reason(self) -> dict[str, int]:
        """`{"sft: refused": 3, …}`, sorted; what the manifest says."""
        counted = Counter(f"{one.stage}: {one.reason}" for one in self.excluded)
        return dict(sorted(counted.items()))

    def count_over_word_limit(self) -> int:
        """How many texts to be imitated (SFT rows, chosen responses) have more than 97 words."""
        texts = [row.text for row in self.sft] + [row.chosen for row in self.dpo]
        return sum(len(text.split()) > WORD_LIMIT for text in texts)


def build_rows(
    membership: DialogueSelection,
    dialogues: Mapping[str, Dialogue],
    responses: Mapping[tuple[str, str], str | UnusableResponse],
    fidelity: Fidelity = Fidelity.PAPER,
) -> TrainingRows:
    """The rows of a dataset.

    Args:
        dialogues: by the dataset's own id.
        responses: text by (dialogue id, role), or why it may not be used. White space around a text is
            taken away; a missing one is counted as `no response`.

    In fidelity `ours` an SFT row equal in dialogue and text to an earlier one is dropped and counted, and
    likewise a pair; `paper` and `released` keep them (`combined` repeats human responses).

    Raises:
        UserError: a dialogue that the membership names is not there.
    """
    named = dict.fromkeys(
        [entry.dialogue for entry in membership.sft] + [entry.dialogue for entry in membership.dpo]
    )
    unknown = [dialogue for dialogue in named if dialogue not in dialogues]
    if unknown:
        found = ", ".join(unknown[:3])
        raise UserError(f"{len(unknown)} dialogues of the membership are not in the dataset", found=found)
    build = _Building(responses, once=fidelity is Fidelity.OURS)
    for example in membership.sft:
        build.examples(example)
    for pair in membership.dpo:
        build.pair(pair)
    return TrainingRows(tuple(build.sft), tuple(build.dpo), tuple(build.excluded))


class _Building:
    def __init__(self, responses: Mapping[tuple[str, str], str | UnusableResponse], *, once: bool) -> None:
        self._responses = responses
        self._once = once
        self._seen: set[tuple[str, ...]] = set()
        self.sft: list[SftRow] = []
        self.dpo: list[DpoRow] = []
        self.excluded: list[Exclusion] = []

    def examples(self, entry: SftEntry) -> None:
        for role in entry.responses:
            text = self._text(entry.dialogue, role)
            if isinstance(text, UnusableResponse):
                self.excluded.append(Exclusion("sft", entry.dialogue, role, text.reason))
            elif self._again("sft", entry.dialogue, text):
                self.excluded.append(Exclusion("sft", entry.dialogue, role, DUPLICATE))
            else:
                self.sft.append(SftRow(entry.dialogue, role, text))

    def pair(self, entry: DpoEntry) -> None:
        chosen = self._text(entry.dialogue, entry.chosen)
        rejected = self._text(entry.dialogue, entry.rejected)
        reason, role = "", entry.chosen
        if isinstance(chosen, UnusableResponse):
            reason = chosen.reason
        elif isinstance(rejected, UnusableResponse):
            reason, role = rejected.reason, entry.rejected
        elif chosen == rejected:
            reason = IDENTICAL
        elif self._again("dpo", entry.dialogue, chosen, rejected):
            reason = DUPLICATE
        else:
            self.dpo.append(DpoRow(entry.dialogue, entry.chosen, entry.rejected, chosen, rejected))
            return
        self.excluded.append(Exclusion("dpo", entry.dialogue, role, reason))

    def _text(self, dialogue: str, role: str) -> str | UnusableResponse:
        text = self._responses.get((dialogue, role), UnusableResponse(MISSING))
        if isinstance(text, UnusableResponse):
            return text
        return text.strip() or UnusableResponse(EMPTY)

    def _again(self, *what: str) -> bool:
        if not self._once:
            return False
        seen = what in self._seen
        self._seen.add(what)
        return seen
