"""Collection of the faults of one file, reported together: in file order, the first 20 and a count."""

from __future__ import annotations

from collections.abc import Sequence

from agents.errors import Fault, UserError

MAX_FAULTS = 20


def first_faults(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Return the first `MAX_FAULTS` faults, followed by one that counts the others, if any."""
    rest = len(faults) - MAX_FAULTS
    more = (Fault(f"and {rest} more"),) if rest > 0 else ()
    return (*faults[:MAX_FAULTS], *more)


class Faults:
    """Faults of one file.

    Attributes:
        source: the file, as the user named it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._by_line: list[tuple[int, Fault]] = []

    def __bool__(self) -> bool:
        return bool(self._by_line)

    def add(
        self, line: int, what: str, found: str = "", remedy: str = "", *, entry: str = "", code: str = ""
    ) -> None:
        """Add a fault.

        Args:
            line: the line on which it begins, from 1; 0 for the file as a whole.
            entry: numbered item within the line, such as `answer 3`.
            code: code of the fault, `area.problem`.
        """
        where = ":".join([self.source, *([str(line)] if line else [])])
        fault = Fault(what, f"{where}, {entry}" if entry else where, found, remedy, code)
        self._by_line.append((line, fault))

    @property
    def all(self) -> list[Fault]:
        """All faults, in file order."""
        return [fault for _, fault in sorted(self._by_line, key=lambda pair: pair[0])]

    def raise_if_any(self, what: str, remedy: str = "", *, code: str) -> None:
        """Raise one error with all faults, if there are any.

        Args:
            what: statement of the error that carries the faults.
            code: its code, `area.problem`.

        Raises:
            UserError: at least one fault was added.
        """
        if self._by_line:
            raise UserError(what, code=code, where=self.source, remedy=remedy, faults=first_faults(self.all))
