"""From a row about a dialogue to the dialogue: by its id, else by its words; the two may not disagree."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from agents.files.json_rows import json_type_name
from agents.types import Dialogue
from harness.data.dataset import COMMA_WORD

LEAST_CHARACTERS = 20  # of a text that names its dialogue by standing within another text
_WORD = re.compile(r"\w+")
Fault_ = tuple[str, str]  # what is wrong, and what was found


class DialogueFinder:
    """Finds dialogues of a dataset."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self._by_id = {dialogue.id: dialogue for dialogue in dialogues}
        self._plain = {dialogue.id: _words_of(dialogue) for dialogue in dialogues}
        self._by_key = {dialogue.key: self._plain[dialogue.id] for dialogue in dialogues}
        self._by_pair: dict[tuple[str, str], list[Dialogue]] = {}
        self._by_utterance: dict[str, list[Dialogue]] = {}
        self._by_word: dict[str, dict[str, None]] = {}
        for dialogue in dialogues:
            situation, utterance = self._plain[dialogue.id]
            self._by_pair.setdefault((situation, utterance), []).append(dialogue)
            self._by_utterance.setdefault(utterance, []).append(dialogue)
            for said in {situation, utterance}:
                self._by_word.setdefault(_anchor(said), {})[dialogue.id] = None

    def knows(self, identity: str, pair: tuple[str, str] | None) -> bool:
        """Whether a dialogue has this id, or this situation and utterance."""
        return identity in self._by_id or (pair is not None and bool(self._of_pair(pair)))

    def is_echo(self, key: str, text: str) -> bool:
        """Whether a text holds situation and utterance of the dialogue of this key, neither of them short."""
        words, said = self._by_key[key], _plain(text)
        return all(len(part) >= LEAST_CHARACTERS and part in said for part in words)

    def find(
        self,
        identity: Any,
        other_ids: Sequence[str],
        asked: str,
        pair: tuple[str, str] | None,
        *,
        taken: Container[str] = (),
    ) -> tuple[Dialogue | None, Fault_ | None]:
        """The dialogue that a row is about, or why there is none.

        Args:
            identity: the row's `dialogue_id`: text, or whatever else stands there.
            other_ids: ids that may be of the dataset, or of another numbering.
            asked: what its author was asked, "" where that is not told.
            pair: situation and utterance.
            taken: keys of dialogues that are answered; of several with the same words the next is taken.
        """
        named, fault = self._named(identity, other_ids)
        if fault:
            return None, fault
        meant = self._meant(asked, pair)
        if named is not None:
            other = [one for one in meant if one.id != named.id]
            if other and named not in meant:
                return None, _contradiction(named, other)
            return named, None
        if asked or pair is not None:
            return self._by_words(meant, _shown(asked, pair), taken)
        if other_ids:
            shown = ", ".join(map(repr, other_ids))[:80]
            return None, ("names a dialogue that the dataset does not have", shown)
        return None, ("has no dialogue_id, instruction, or context and speaker_uttr", "")

    def _by_words(
        self, meant: Sequence[Dialogue], shown: str, taken: Container[str]
    ) -> tuple[Dialogue | None, Fault_ | None]:
        """The one dialogue of these words; of several that say the same, the next that is not answered."""
        if not meant:
            return None, ("belongs to no dialogue of the dataset", shown)
        if len({self._plain[one.id] for one in meant}) > 1:
            return None, ("could belong to several dialogues of the dataset", shown)
        return next((one for one in meant if one.key not in taken), meant[0]), None

    def _named(self, identity: Any, other_ids: Sequence[str]) -> tuple[Dialogue | None, Fault_ | None]:
        if isinstance(identity, str):
            if identity not in self._by_id:
                return None, ("names a dialogue that the dataset does not have", repr(identity)[:80])
            return self._by_id[identity], None
        if identity is None or isinstance(identity, int | float | list | dict):
            return None, (f"dialogue_id is {json_type_name(identity)}, not text", repr(identity)[:80])
        return next((self._by_id[one] for one in other_ids if one in self._by_id), None), None

    def _meant(self, asked: str, pair: tuple[str, str] | None) -> list[Dialogue]:
        """The dialogues whose words these are: by situation and utterance, by the utterance alone, or those
        of which the most stands in what was asked."""
        if pair is not None:
            return self._of_pair(pair)
        if not asked.strip():
            return []
        words = _plain(asked)
        whole = self._by_utterance.get(words) or []
        return whole or self._within(words)

    def _of_pair(self, pair: tuple[str, str]) -> list[Dialogue]:
        return self._by_pair.get((_plain(pair[0]), _plain(pair[1])), [])

    def _within(self, words: str) -> list[Dialogue]:
        """Those whose situation and utterance stand in a text; else those of which one, and no short one."""
        both, either = [], []
        near = dict.fromkeys(
            identity for word in dict.fromkeys(words.split()) for identity in self._by_word.get(word, ())
        )
        for identity in near:
            situation, utterance = self._plain[identity]
            has_situation, has_utterance = situation in words, utterance in words
            if has_situation and has_utterance:
                both.append(self._by_id[identity])
            elif (has_situation and len(situation) >= LEAST_CHARACTERS) or (
                has_utterance and len(utterance) >= LEAST_CHARACTERS
            ):
                either.append(self._by_id[identity])
        return both or either


def _anchor(words: str) -> str:
    """The longest word: where it does not stand in a text, these words do not."""
    return max(words.split(), key=len, default="")


def _contradiction(named: Dialogue, meant: Sequence[Dialogue]) -> Fault_:
    others = ", ".join(one.id for one in meant[:3])
    return "its id names one dialogue and its words are another's", f"id {named.id!r}, words of {others}"


def _shown(asked: str, pair: tuple[str, str] | None) -> str:
    return repr(asked or " | ".join(pair or ()))[:80]


def _words_of(dialogue: Dialogue) -> tuple[str, str]:
    return _plain(dialogue.situation), _plain(dialogue.utterance)


def _plain(text: str) -> str:
    """Words alone, a space around each: letter case, white space and marks tell no dialogues apart."""
    words = _WORD.findall(text.replace(COMMA_WORD, ",").casefold()) or text.split()
    return f" {' '.join(words)} "
