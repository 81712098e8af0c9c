"""Provenance of a response set as a value: what made the responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.hashing import canonical, content_id
from agents.types import ResponseSet

DIRECT, IMPROVED = "direct", "improved"


@dataclass(frozen=True)
class ResponseSetSpec:
    """Provenance of a response set.

    `to_made` returns exactly the text that `from_made` was given: the text is part of the set's content id.

    Attributes:
        settings: all recorded settings by name; empty if the provenance is plain text.
        text: the provenance as it is stored: canonical JSON, or plain text.
    """

    settings: Mapping[str, Any]
    text: str = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ResponseSetSpec:
        """Return the provenance with these settings, which must be JSON-serializable."""
        return cls(dict(settings), canonical(dict(settings)).decode())

    @classmethod
    def from_made(cls, text: str) -> ResponseSetSpec:
        """Parse the provenance of a stored response set (`ResponseSet.made`)."""
        try:
            settings = json.loads(text)
        except ValueError:
            settings = None
        return cls(settings if isinstance(settings, dict) else {}, text)

    def to_made(self) -> str:
        """Return the provenance as it is stored."""
        return self.text

    @property
    def is_recorded(self) -> bool:
        """Whether settings are recorded."""
        return bool(self.settings)

    @property
    def kind(self) -> str:
        """`direct`, or `improved` for improvements of another author's responses."""
        return str(self.settings.get("kind", DIRECT))

    @property
    def model(self) -> str:
        """Id of the model that wrote the responses; "" if not recorded."""
        return str(self.settings.get("model", ""))

    @property
    def truncation(self) -> str:
        """Name of the truncation of the responses; "" if not recorded."""
        return str(self.settings.get("cut", ""))

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Sampling parameters by name; empty if not recorded."""
        return self.settings.get("sampling") or {}

    @property
    def prompts(self) -> Mapping[str, str]:
        """Version of each prompt by name; empty if not recorded."""
        return self.settings.get("prompts") or {}

    @property
    def improved_set(self) -> str:
        """Id of the response set that was improved; "" for direct responses."""
        return str(self.settings.get("base", "")) if self.kind == IMPROVED else ""

    def response_set(self, author: str, preset: str) -> ResponseSet:
        """Return the response set of an author with this provenance, identified by all three."""
        return ResponseSet(content_id("set-1", [author, preset, self.text]), author, preset, self.text)

    def differences(self, other: ResponseSetSpec) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ, by name, with both values; nested names are joined by a space.

        `identity`, a hash of other settings, is left out if others differ.
        """
        own, others = _flatten(self.settings), _flatten(other.settings)
        names = [name for name in sorted({*own, *others}) if own.get(name) != others.get(name)]
        if len(names) > 1:
            names = [name for name in names if name != "identity"]
        return {name: (own.get(name), others.get(name)) for name in names}


def _flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with nested names joined: `run dtype`, `sampling seed`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat |= {f"{name} {key}".strip(): nested for key, nested in inner.items()}
    return flat
