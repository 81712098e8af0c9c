"""Claims of requests in the database, so that several processes send each request once.

Before sending, a process claims keys in batches (insert, or keep the existing row). A claim is valid as long
as its process lives; claims of dead processes are taken over. This works for one machine and for several.

A process on the same machine (same boot, same process namespace) is dead once it is gone. For a process on
another machine only its heartbeat is visible: it is dead when the heartbeat has not changed for
`DEAD_AFTER_SECONDS` on the local clock, so that differing clocks do no harm.
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
from results.db.bulk import insert_if_absent, key_in, key_parameters
from results.db.mappers import completion_from_row
from results.db.schema import ClaimRow, CompletionRow, InvocationRow, table

DEAD_AFTER_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0

_claims, _completions, _invocations = table(ClaimRow), table(CompletionRow), table(InvocationRow)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """Outcome of claiming a batch of keys.

    Attributes:
        acquired: keys that this process must send.
        completed: keys with a stored completion.
        held_elsewhere: keys that another living process has claimed.
    """

    acquired: Sequence[str]
    completed: dict[str, Completion]
    held_elsewhere: Sequence[str]


@cache
def place() -> str:
    """Return the machine, boot and process namespace in which a pid is valid."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id",):
        parts.append(Path(path).read_text().strip() if Path(path).exists() else "")
    namespace = Path("/proc/self/ns/pid")
    parts.append(str(namespace.readlink()) if namespace.exists() else "")
    return " ".join(parts)


def process_started(pid: int) -> str:
    """Return a process's start time in kernel ticks; "" if it is unknown or the process is gone."""
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
    # a zombie runs no more code; in a container, process 1 may never reap it
    return state in ("Z", "X") or bool(started and now and now != started)


@dataclass
class LivenessObserver:
    """Detector of dead invocations, from the heartbeats this process has seen."""

    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    def dead(self, connection: Connection, invocations: Collection[str]) -> set[str]:
        """Return those of the invocations whose process is no longer alive."""
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
        now, dead, existing = time.monotonic(), set(), set()
        for row in rows:
            existing.add(row.id)
            if row.ended_at is not None:
                dead.add(row.id)
            elif row.place == place():
                if _is_gone(row.pid, row.process_started):
                    dead.add(row.id)
            else:
                heartbeat, since = self._seen.get(row.id, (None, now))
                if heartbeat != row.heartbeat:
                    since = now
                self._seen[row.id] = (row.heartbeat, since)
                if now - since > DEAD_AFTER_SECONDS:
                    dead.add(row.id)
        return dead | (set(invocations) - existing)


def claim(
    connection: Connection, keys: Sequence[str], invocation_id: str, observer: LivenessObserver
) -> ClaimResult:
    """Claim keys without a completion that no living process holds (inside a transaction)."""
    answered = load_completions(connection, keys)
    wanted = sorted(key for key in keys if key not in answered)  # same order everywhere: no deadlock
    if not wanted:
        return ClaimResult((), answered, ())
    rows = [{"key": key, "invocation_id": invocation_id} for key in wanted]
    if insert_if_absent(connection, _claims, rows) == len(wanted) and connection.dialect.name == "sqlite":
        return ClaimResult(wanted, answered, ())  # no competing claim
    if connection.dialect.name != "sqlite":  # may be completed meanwhile; SQLite has a single writer
        answered |= load_completions(connection, wanted)
        release(connection, [key for key in wanted if key in answered], invocation_id)
        wanted = [key for key in wanted if key not in answered]
    claims = select(_claims.c.key, _claims.c.invocation_id).where(_claims.c.key.in_(wanted))
    holders = {row.key: row.invocation_id for row in connection.execute(claims)}
    others = {holder for holder in holders.values() if holder != invocation_id}
    dead = observer.dead(connection, others) if others else set()
    orphaned = [key for key, holder in holders.items() if holder in dead]
    taken_over = _take_over(connection, orphaned, dead, invocation_id) if orphaned else set()
    acquired = {key for key, holder in holders.items() if holder == invocation_id} | taken_over
    return ClaimResult(
        [key for key in wanted if key in acquired], answered, [key for key in wanted if key not in acquired]
    )


def release(connection: Connection, keys: Sequence[str], invocation_id: str) -> None:
    """Release claims of an invocation (inside a transaction)."""
    if keys:
        statement = delete(_claims).where(
            _claims.c.key == bindparam("of"), _claims.c.invocation_id == invocation_id
        )
        connection.execute(statement, [{"of": key} for key in keys])


def load_completions(connection: Connection, keys: Sequence[str]) -> dict[str, Completion]:
    """Return the stored completions of these keys."""
    if not keys:
        return {}
    rows = connection.execute(_completions_query(connection.dialect.name), key_parameters(keys))
    return {row.key: completion_from_row(row) for row in rows}


@cache
def _completions_query(dialect_name: str) -> Select[Any]:
    return select(_completions).where(key_in(dialect_name, _completions.c.key))


def _take_over(
    connection: Connection, keys: Sequence[str], dead: Collection[str], invocation_id: str
) -> set[str]:
    """Take over claims of dead invocations; return the keys acquired, as other processes may do the same."""
    key = _claims.c.key
    unreleased = select(key).where(key.in_(keys), _claims.c.invocation_id.in_(dead)).order_by(key)
    taken_over = set(connection.execute(unreleased.with_for_update()).scalars())
    connection.execute(update(_claims).where(key.in_(taken_over)).values(invocation_id=invocation_id))
    return taken_over
