"""Matching of rows to dialogues.

A row names its dialogue by an id, or else by its words. An id and words that name different dialogues are an
error.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from agents.errors import Fault
from agents.files.json_rows import json_type_name
from agents.types import Dialogue
from harness.data.dataset import COMMA_WORD

MIN_CHARACTERS = 20  # a shorter text inside another text does not identify its dialogue
_WORD = re.compile(r"\w+")


class DialogueFinder:
    """Index of a dataset's dialogues by id and by words."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._by_id = {dialogue.id: dialogue for dialogue in dialogues}
        self._plain = {dialogue.id: _normalize_dialogue(dialogue) for dialogue in dialogues}
        self._by_key = {dialogue.key: self._plain[dialogue.id] for dialogue in dialogues}
        self._by_pair: dict[tuple[str, str], list[Dialogue]] = {}
        self._by_utterance: dict[str, list[Dialogue]] = {}
        self._by_word: dict[str, dict[str, None]] = {}
        for dialogue in dialogues:
            situation, utterance = self._plain[dialogue.id]
            self._by_pair.setdefault((situation, utterance), []).append(dialogue)
            self._by_utterance.setdefault(utterance, []).append(dialogue)
            for text in {situation, utterance}:
                self._by_word.setdefault(_longest_word(text), {})[dialogue.id] = None

    def knows(self, identity: str, pair: tuple[str, str] | None) -> bool:
        """Return whether a dialogue has this id, or this situation and utterance."""
        return identity in self._by_id or (pair is not None and bool(self._find_by_pair(pair)))

    def is_echo(self, key: str, text: str) -> bool:
        """Return whether a text contains the situation and the utterance of its dialogue.

        A situation or utterance shorter than `MIN_CHARACTERS` never counts.
        """
        words = _normalize(text)
        return all(len(part) >= MIN_CHARACTERS and part in words for part in self._by_key[key])

    def find(
        self,
        identity: Any,
        other_ids: Sequence[str],
        prompt: str,
        pair: tuple[str, str] | None,
        *,
        taken: Container[str] = (),
    ) -> tuple[Dialogue | None, Fault | None]:
        """Return the dialogue that a row is about, or a fault (without a place) if there is none.

        Args:
            identity: the row's `dialogue_id`: a text, or a value of another type.
            other_ids: ids that belong to the dataset or to another numbering.
            prompt: the prompt that the row's author answered; "" if the row does not contain it.
            pair: situation and utterance.
            taken: keys of dialogues that have a response already. If several dialogues have the same words,
                the first without a response is returned.
        """
        named, fault = self._find_by_id(identity, other_ids)
        if fault:
            return None, fault
        candidates = self._find_by_text(prompt, pair)
        if named is not None:
            others = [dialogue for dialogue in candidates if dialogue.id != named.id]
            if others and named not in candidates:
                return None, _contradiction(named, others)
            return named, None
        if prompt or pair is not None:
            return self._select_candidate(candidates, _excerpt(prompt, pair), taken)
        if other_ids:
            return None, _unknown_dialogue(", ".join(map(repr, other_ids)))
        return None, Fault(
            "no dialogue_id, instruction, or context and speaker_uttr", code="responses.no-dialogue"
        )

    def _select_candidate(
        self, candidates: Sequence[Dialogue], excerpt: str, taken: Container[str]
    ) -> tuple[Dialogue | None, Fault | None]:
        """Return the only candidate, or, among candidates with the same words, the first not yet taken."""
        if not candidates:
            return None, Fault(
                "the words match no dialogue of the dataset", found=excerpt, code="responses.unknown-dialogue"
            )
        if len({self._plain[dialogue.id] for dialogue in candidates}) > 1:
            return None, Fault(
                "the words match several dialogues of the dataset",
                found=excerpt,
                code="responses.ambiguous-dialogue",
            )
        free = (dialogue for dialogue in candidates if dialogue.key not in taken)
        return next(free, candidates[0]), None

    def _find_by_id(self, identity: Any, other_ids: Sequence[str]) -> tuple[Dialogue | None, Fault | None]:
        if isinstance(identity, str):
            if identity not in self._by_id:
                return None, _unknown_dialogue(repr(identity))
            return self._by_id[identity], None
        if identity is None or isinstance(identity, int | float | list | dict):
            return None, Fault(
                f"dialogue_id is {json_type_name(identity)}, not text",
                found=repr(identity)[:80],
                code="responses.wrong-type",
            )
        return next((self._by_id[other] for other in other_ids if other in self._by_id), None), None

    def _find_by_text(self, prompt: str, pair: tuple[str, str] | None) -> list[Dialogue]:
        """Return the dialogues with this pair, with this text as utterance, or contained in this text."""
        if pair is not None:
            return self._find_by_pair(pair)
        if not prompt.strip():
            return []
        words = _normalize(prompt)
        return self._by_utterance.get(words) or self._find_contained(words)

    def _find_by_pair(self, pair: tuple[str, str]) -> list[Dialogue]:
        return self._by_pair.get((_normalize(pair[0]), _normalize(pair[1])), [])

    def _find_contained(self, words: str) -> list[Dialogue]:
        """Return the dialogues whose situation and utterance are in a text, else those with one of the two.

        A single situation or utterance counts only from `MIN_CHARACTERS` on.
        """
        both, either = [], []
        possible = dict.fromkeys(
            identity for word in dict.fromkeys(words.split()) for identity in self._by_word.get(word, ())
        )
        for identity in possible:
            situation, utterance = self._plain[identity]
            has_situation, has_utterance = situation in words, utterance in words
            if has_situation and has_utterance:
                both.append(self._by_id[identity])
            elif (has_situation and len(situation) >= MIN_CHARACTERS) or (
                has_utterance and len(utterance) >= MIN_CHARACTERS
            ):
                either.append(self._by_id[identity])
        return both or either


def _longest_word(words: str) -> str:
    """Return the longest word; a text without it cannot contain these words."""
    return max(words.split(), key=len, default="")


def _contradiction(named: Dialogue, others: Sequence[Dialogue]) -> Fault:
    ids = ", ".join(dialogue.id for dialogue in others[:3])
    return Fault(
        "the id and the words belong to different dialogues",
        found=f"id {named.id!r}, words of {ids}",
        code="responses.contradictory-dialogue",
    )


def _unknown_dialogue(identity: str) -> Fault:
    return Fault("the dialogue is not in the dataset", found=identity[:80], code="responses.unknown-dialogue")


def _excerpt(prompt: str, pair: tuple[str, str] | None) -> str:
    return repr(prompt or " | ".join(pair or ()))[:80]


def _normalize_dialogue(dialogue: Dialogue) -> tuple[str, str]:
    return _normalize(dialogue.situation), _normalize(dialogue.utterance)


def _normalize(text: str) -> str:
    """Return the lower-case words of a text, with a space before and after each.

    Letter case, white space and punctuation do not distinguish dialogues.
    """
    words = _WORD.findall(text.replace(COMMA_WORD, ",").casefold()) or text.split()
    return f" {' '.join(words)} "
