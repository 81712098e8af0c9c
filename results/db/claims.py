"""Who may make a call: claims in the database, held as long as their process lives.

Before it sends, a process claims keys in batches (insert, or leave what is there). A claim lives while its
process does; claims of the dead are taken over. So two processes on one database, on one machine or several,
make each call once.

A process of the same machine (same boot, same process namespace) is dead as soon as it is gone. Of another
machine we see only its heartbeat: it is dead when that has not moved for `DEAD_AFTER_SECONDS` on *our* clock,
so that clocks that differ do no harm.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, select, update

from agents.messages import Completion
from results.db.bulk import among, insert_if_absent, key_parameters
from results.db.mappers import completion_of
from results.db.schema import ClaimRow, CompletionRow, InvocationRow, table

DEAD_AFTER_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0

_claims, _completions, _invocations = table(ClaimRow), table(CompletionRow), table(InvocationRow)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What became of a batch of keys: ours to ask, answered already, or held by a living process."""

    acquired: Sequence[str]
    completed: dict[str, Completion]
    held_elsewhere: Sequence[str]


@cache
def place() -> str:
    """Where a pid means something: machine, boot, process namespace."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id",):
        parts.append(Path(path).read_text().strip() if Path(path).exists() else "")
    namespace = Path("/proc/self/ns/pid")
    parts.append(str(namespace.readlink()) if namespace.exists() else "")
    return " ".join(parts)


def process_started(pid: int) -> str:
    """When a process began, in the kernel's own ticks; "" where that cannot be told or it is gone."""
    return _state_and_start(pid)[1]


def _state_and_start(pid: int) -> tuple[str, str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def _is_gone(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    state, now = _state_and_start(pid)
    # killed, and nobody has asked how it ended (a container's first process may never ask): it does no more
    return state in ("Z", "X") or bool(started and now and now != started)


@dataclass
class LivenessObserver:
    """Tells which invocations are dead, from what this process has seen of them."""

    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def dead(self, connection: Connection, invocations: Collection[str]) -> set[str]:
        """Those of these invocations whose process no longer lives."""
        columns = _invocations.c
        rows = connection.execute(
            select(
                columns.id,
                columns.ended_at,
                columns.place,
                columns.pid,
                columns.process_started,
                columns.heartbeat,
            ).where(columns.id.in_(invocations))
        )
        now, dead, known = time.monotonic(), set(), set()
        for row in rows:
            known.add(row.id)
            if row.ended_at is not None:
                dead.add(row.id)
            elif row.place == place():
                if _is_gone(row.pid, row.process_started):
                    dead.add(row.id)
            else:
                beat, since = self._seen.get(row.id, (None, now))
                if beat != row.heartbeat:
                    since = now
                self._seen[row.id] = (row.heartbeat, since)
                if now - since > DEAD_AFTER_SECONDS:
                    dead.add(row.id)
        return dead | (set(invocations) - known)


def claim(
    connection: Connection, keys: Sequence[str], invocation_id: str, observer: LivenessObserver
) -> ClaimResult:
    """Claim what nobody has answered and nobody living holds (inside a transaction)."""
    answered = answers(connection, keys)
    wanted = sorted(key for key in keys if key not in answered)  # one order for all: no deadlock
    if not wanted:
        return ClaimResult((), answered, ())
    rows = [{"key": key, "invocation_id": invocation_id} for key in wanted]
    if insert_if_absent(connection, _claims, rows) == len(wanted) and connection.dialect.name == "sqlite":
        return ClaimResult(wanted, answered, ())  # nobody else's
    if connection.dialect.name != "sqlite":  # answered between our look and our claim: SQLite has one writer
        answered |= answers(connection, wanted)
        release(connection, [key for key in wanted if key in answered], invocation_id)
        wanted = [key for key in wanted if key not in answered]
    claims = select(_claims.c.key, _claims.c.invocation_id).where(_claims.c.key.in_(wanted))
    holders = {row.key: row.invocation_id for row in connection.execute(claims)}
    others = {holder for holder in holders.values() if holder != invocation_id}
    dead = observer.dead(connection, others) if others else set()
    orphaned = [key for key, holder in holders.items() if holder in dead]
    taken = _take_over(connection, orphaned, dead, invocation_id) if orphaned else set()
    ours = {key for key, holder in holders.items() if holder == invocation_id} | taken
    return ClaimResult(
        [key for key in wanted if key in ours], answered, [key for key in wanted if key not in ours]
    )


def release(connection: Connection, keys: Sequence[str], invocation_id: str) -> None:
    """Give up claims of this invocation: it will not ask."""
    if keys:
        mine = delete(_claims).where(
            _claims.c.key == bindparam("of"), _claims.c.invocation_id == invocation_id
        )
        connection.execute(mine, [{"of": key} for key in keys])


def answers(connection: Connection, keys: Sequence[str]) -> dict[str, Completion]:
    """The stored answers of these calls."""
    if not keys:
        return {}
    rows = connection.execute(_answers(connection.dialect.name), key_parameters(keys))
    return {row.key: completion_of(row) for row in rows}


@cache
def _answers(dialect_name: str) -> Select[Any]:
    return select(_completions).where(among(dialect_name, _completions.c.key))


def _take_over(
    connection: Connection, keys: Sequence[str], dead: Collection[str], invocation_id: str
) -> set[str]:
    """Make the claims of the dead ours; which of them are, where others may be doing the same."""
    key = _claims.c.key
    still_theirs = select(key).where(key.in_(keys), _claims.c.invocation_id.in_(dead)).order_by(key)
    taken = set(connection.execute(still_theirs.with_for_update()).scalars())
    connection.execute(update(_claims).where(key.in_(taken)).values(invocation_id=invocation_id))
    return taken
