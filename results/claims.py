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

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from agents.messages import Completion
from results.rows import completion_of
from results.tables import ClaimRow, CompletionRow, InvocationRow, table

DEAD_AFTER_SECONDS = 15.0
HEARTBEAT_SECONDS = 3.0

_claims, _completions, _invocations = table(ClaimRow), table(CompletionRow), table(InvocationRow)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a batch of keys: ours to ask, answered already, or held by a living process."""

    won: Sequence[str]
    answered: dict[str, Completion]
    held: Sequence[str]


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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _is_gone(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now = process_started(pid)
    return bool(started and now and now != started)


@dataclass
class Observer:
    """Tells which invocations are dead, from what this process has seen of them."""

    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)

    async def dead(self, connection: AsyncConnection, invocations: Collection[str]) -> set[str]:
        """Those of these invocations whose process no longer lives."""
        columns = _invocations.c
        rows = await connection.execute(
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


async def claim(
    connection: AsyncConnection, keys: Sequence[str], invocation_id: str, observer: Observer
) -> Claimed:
    """Claim what nobody has answered and nobody living holds (inside a transaction)."""
    answered = await _answered(connection, keys)
    wanted = sorted(key for key in keys if key not in answered)  # one order for all: no deadlock
    if not wanted:
        return Claimed((), answered, ())
    won = await _insert(connection, wanted, invocation_id)
    # what was answered between our look and our claim (PostgreSQL) is given back at once
    late = await _answered(connection, sorted(won))
    if late:
        await connection.execute(delete(_claims).where(_claims.c.key.in_(list(late))))
        answered |= late
        won -= set(late)
    held = [key for key in wanted if key not in won and key not in answered]
    if held:
        taken = await _take_over(connection, held, invocation_id, observer)
        won |= taken
        held = [key for key in held if key not in taken]
    return Claimed(sorted(won), answered, held)


async def _answered(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Completion]:
    if not keys:
        return {}
    rows = await connection.execute(select(_completions).where(_completions.c.key.in_(keys)))
    return {row.key: completion_of(row) for row in rows}


async def _insert(connection: AsyncConnection, keys: Sequence[str], invocation_id: str) -> set[str]:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"key": key, "invocation_id": invocation_id} for key in keys]
    statement = dialect.insert(_claims).on_conflict_do_nothing().returning(_claims.c.key)
    return set((await connection.execute(statement, rows)).scalars())


async def _take_over(
    connection: AsyncConnection, keys: Sequence[str], invocation_id: str, observer: Observer
) -> set[str]:
    rows = (
        await connection.execute(
            select(_claims.c.key, _claims.c.invocation_id).where(_claims.c.key.in_(keys))
        )
    ).all()
    dead = await observer.dead(connection, {row.invocation_id for row in rows} - {invocation_id})
    ours = {row.key for row in rows if row.invocation_id == invocation_id}
    theirs = [row.key for row in rows if row.invocation_id in dead]
    if not theirs:
        return ours
    taken = await connection.execute(
        update(_claims)
        .where(_claims.c.key.in_(theirs), _claims.c.invocation_id.in_(dead))
        .values(invocation_id=invocation_id)
        .returning(_claims.c.key)
    )
    return ours | set(taken.scalars())
