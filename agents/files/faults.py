"""The faults of one file, collected, and told together: in the file's order, the first 20 and a count."""

from __future__ import annotations

from collections.abc import Sequence

from agents.errors import Fault, UserError

MAX_FAULTS = 20


def first_faults(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """The first `MAX_FAULTS` faults; what follows is counted, not listed."""
    rest = len(faults) - MAX_FAULTS
    more = (Fault(f"and {rest} more"),) if rest > 0 else ()
    return (*faults[:MAX_FAULTS], *more)


class Faults:
    """Every fault of one file.

    Attributes:
        source: the file, as people named it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[tuple[int, Fault]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, line: int, what: str, found: str = "", remedy: str = "", *, entry: str = "") -> None:
        """Add a fault.

        Args:
            line: where it begins, from 1; 0 for the file as a whole.
            entry: what is numbered within the line, `answer 3`.
        """
        where = ":".join([self.source, *([str(line)] if line else [])])
        self._found.append((line, Fault(what, f"{where}, {entry}" if entry else where, found, remedy)))

    @property
    def all(self) -> list[Fault]:
        """Every fault, in the file's order."""
        return [fault for _, fault in sorted(self._found, key=lambda pair: pair[0])]

    def raise_if_any(self, what: str, remedy: str = "") -> None:
        """Tell all faults at once, if there are any.

        Raises:
            UserError: there are.
        """
        if self._found:
            raise UserError(what, where=self.source, remedy=remedy, faults=first_faults(self.all))
