"""Request counters of an emulator server: outcomes, and requests that were sent or answered twice."""

from __future__ import annotations

from collections import Counter
from typing import Any


class RequestLog:
    """Counters of one server since its start. A key takes 16 bytes; a million keys take about 150 MB."""

    def __init__(self) -> None:
        self.by_model: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.answered_again = 0
        self._admitted: dict[bytes, int] = {}
        self._answered: set[bytes] = set()
        self._repeats = 0

    def arrive(self) -> None:
        """Count an incoming request."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self, status: str) -> None:
        """Count a finished request by its HTTP status, or by "reset", "hang" or "abandoned"."""
        self.in_flight -= 1
        self.by_status[status] += 1

    def admit(self, key: bytes) -> int:
        """Count an admitted key; return how often it was admitted before."""
        before = self._admitted.get(key, 0)
        self._admitted[key] = before + 1
        self._repeats += before > 0
        return before

    @property
    def admitted(self) -> int:
        """Number of requests admitted by the rate limits so far."""
        return len(self._admitted) + self._repeats

    def answer(self, key: bytes, input_tokens: int, output_tokens: int) -> None:
        """Count a complete response to a key (one that a provider would charge for)."""
        self.bill(input_tokens, output_tokens)
        if key in self._answered:
            self.answered_again += 1
        self._answered.add(key)

    def bill(self, input_tokens: int, output_tokens: int) -> None:
        """Count billed tokens, of a complete response or of another one."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def report(self) -> dict[str, Any]:
        """Return the counters, as `GET /stats` shows them.

        `unique_keys`: admitted keys; `repeats`: admitted requests beyond each key's first; `answered_keys`:
        keys with a complete response; `answered_again`: responses beyond each key's first, which are paid for
        twice; `input_tokens`, `output_tokens`: billed tokens.
        """
        return {
            "requests": sum(self.by_status.values()) + self.in_flight,
            "by_model": dict(self.by_model),
            "by_status": dict(self.by_status),
            "unique_keys": len(self._admitted),
            "repeats": self._repeats,
            "answered_keys": len(self._answered),
            "answered_again": self.answered_again,
            "abandoned": self.by_status["abandoned"],
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }
