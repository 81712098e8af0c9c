"""Training rows: SFT examples and DPO pairs, built from a dialogue selection and responses.

With method over-human, a dialogue whose human response is rated 3 gives two SFT rows:

    sample:001_conv:001 | human    | "Oh that one hurts. I had a year like that …"
    sample:001_conv:001 | improved | "That silence can weigh so much …"

A row that cannot be trained on is excluded and counted with its reason. The functions are pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agents.errors import UserError
from agents.types import Dialogue, Fidelity
from finetune.dialogue_selection import DialogueSelection, DpoEntry, SftEntry

WORD_LIMIT = 97  # stated in the improvement prompts (section 5.2); counted here, never enforced

MISSING = "no response"
EMPTY = "empty text"
IDENTICAL = "chosen and rejected are the same text"
DUPLICATE = "exact duplicate"


@dataclass(frozen=True, slots=True)
class UnusableResponse:
    """Response that must not be trained on, with a short reason ("refused", "another language", …)."""

    reason: str


@dataclass(frozen=True, slots=True)
class SftRow:
    """SFT example: the text to learn for a dialogue; `role` as in `dialogue_selection`."""

    dialogue: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class DpoRow:
    """DPO pair: two different texts for a dialogue, of which `chosen` is preferred."""

    dialogue: str
    chosen_role: str
    rejected_role: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Excluded row: its stage, dialogue, role and the reason."""

    stage: Literal["sft", "dpo"]
    dialogue: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """All rows of a training set, in the order of the dialogue selection."""

    sft: tuple[SftRow, ...]
    dpo: tuple[DpoRow, ...]
    excluded: tuple[Exclusion, ...]

    def dialogues(self) -> set[str]:
        """Return the ids of all dialogues that have a row."""
        return {row.dialogue for row in self.sft} | {pair.dialogue for pair in self.dpo}

    def count_excluded_by_reason(self) -> dict[str, int]:
        """Return `{"sft: refused": 3, …}`, sorted by key, as the manifest holds it."""
        counts = Counter(f"{exclusion.stage}: {exclusion.reason}" for exclusion in self.excluded)
        return dict(sorted(counts.items()))

    def count_over_word_limit(self) -> int:
        """Return how many texts to imitate (SFT rows, chosen responses) have more than 97 words."""
        texts = [row.text for row in self.sft] + [row.chosen for row in self.dpo]
        return sum(len(text.split()) > WORD_LIMIT for text in texts)


def build_rows(
    selection: DialogueSelection,
    dialogues: Mapping[str, Dialogue],
    responses: Mapping[tuple[str, str], str | UnusableResponse],
    fidelity: Fidelity = Fidelity.PAPER,
) -> TrainingRows:
    """Build the rows of a training set.

    In fidelity `ours`, a row equal in dialogue and text to an earlier one is excluded and counted, and
    likewise a pair. `paper` and `released` keep duplicates (`combined` repeats human responses).

    Args:
        selection: the dialogues to train on.
        dialogues: dialogues by id.
        responses: text by (dialogue id, role), or the reason why it must not be used. Surrounding white
            space is removed; a missing response is counted as `no response`.

    Raises:
        UserError: a selected dialogue is not in `dialogues`.
    """
    selected = dict.fromkeys(
        [entry.dialogue for entry in selection.sft] + [entry.dialogue for entry in selection.dpo]
    )
    unknown = [dialogue for dialogue in selected if dialogue not in dialogues]
    if unknown:
        raise UserError(
            "selected dialogues are not in the dataset",
            code="dialogue.unknown",
            found=f"{len(unknown)}: {', '.join(unknown[:3])}",
            remedy="Use the dataset that the dialogues were selected from.",
        )
    builder = _RowBuilder(responses, unique=fidelity is Fidelity.OURS)
    for example in selection.sft:
        builder.add_examples(example)
    for pair in selection.dpo:
        builder.add_pair(pair)
    return TrainingRows(tuple(builder.sft), tuple(builder.dpo), tuple(builder.excluded))


class _RowBuilder:
    def __init__(self, responses: Mapping[tuple[str, str], str | UnusableResponse], *, unique: bool) -> None:
        self._responses = responses
        self._unique = unique
        self._seen: set[tuple[str, ...]] = set()
        self.sft: list[SftRow] = []
        self.dpo: list[DpoRow] = []
        self.excluded: list[Exclusion] = []

    def add_examples(self, entry: SftEntry) -> None:
        for role in entry.responses:
            text = self._text(entry.dialogue, role)
            if isinstance(text, UnusableResponse):
                self.excluded.append(Exclusion("sft", entry.dialogue, role, text.reason))
            elif self._is_duplicate("sft", entry.dialogue, text):
                self.excluded.append(Exclusion("sft", entry.dialogue, role, DUPLICATE))
            else:
                self.sft.append(SftRow(entry.dialogue, role, text))

    def add_pair(self, entry: DpoEntry) -> None:
        chosen = self._text(entry.dialogue, entry.chosen)
        rejected = self._text(entry.dialogue, entry.rejected)
        reason, role = "", entry.chosen
        if isinstance(chosen, UnusableResponse):
            reason = chosen.reason
        elif isinstance(rejected, UnusableResponse):
            reason, role = rejected.reason, entry.rejected
        elif chosen == rejected:
            reason = IDENTICAL
        elif self._is_duplicate("dpo", entry.dialogue, chosen, rejected):
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

    def _is_duplicate(self, *key: str) -> bool:
        if not self._unique:
            return False
        seen = key in self._seen
        self._seen.add(key)
        return seen
